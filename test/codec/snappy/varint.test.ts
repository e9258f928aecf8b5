import { describe, expect, test } from 'vitest';
import { readVarint, varintBytes, varintEnd, writeVarint } from '../../../src/codec/snappy/varint.ts';

describe('varints of a snappy block', () => {
  // The bytes are those of the format description, or follow from its "7 bits each, lowest first".
  test.each([
    [0, '00'],
    [1, '01'],
    [64, '40'],
    [127, '7f'],
    [128, '8001'],
    [16_383, 'ff7f'],
    [16_384, '808001'],
    [2_097_150, 'feff7f'],
    [268_435_456, '8080808001'],
    [4_294_967_295, 'ffffffff0f'],
  ])('writes and reads %i as %s', (value, hex) => {
    const bytes = Buffer.alloc(hex.length / 2 + 1, 0xee);
    expect(writeVarint(bytes, 1, value)).toBe(bytes.length);
    expect(bytes.toString('hex')).toBe(`ee${hex}`);
    expect(varintBytes(value)).toBe(hex.length / 2);
    const followed = Buffer.from(`${hex}ff`, 'hex');
    expect(readVarint(followed)).toBe(value);
    expect(varintEnd(followed)).toBe(hex.length / 2);
  });

  test('reads one that is longer than it must be', () => {
    expect(readVarint(Buffer.from('8100', 'hex'))).toBe(1);
    expect(varintEnd(Buffer.from('8100', 'hex'))).toBe(2);
  });

  test.each(['', '80', 'ffffffff', 'ffffffff10', 'ffffffff7f', '808080808001'])('does not read %s', (hex) => {
    expect(readVarint(Buffer.from(hex, 'hex'))).toBe(undefined);
  });

  test('throws for a number that it cannot write or that does not fit', () => {
    for (const value of [-1, 0.5, 2 ** 32, Number.NaN]) expect(() => varintBytes(value)).toThrow(RangeError);
    expect(() => writeVarint(Buffer.alloc(2), 1, 128)).toThrow(RangeError);
  });
});
