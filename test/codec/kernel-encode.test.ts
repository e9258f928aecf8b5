import * as fc from 'fast-check';
import { uncompressSync } from 'snappy';
import { uncompress } from 'snappyjs';
import { describe, expect, test } from 'vitest';
import { ENCODED_BLOCK_BYTES } from '../../src/codec/kernel/layout.ts';
import { Kernel } from '../../src/codec/kernel.ts';
import { PROPERTY_TIMEOUT_MS, runs } from '../support/arbitrary-runs.ts';
import { arbitrarySnappyBlock, noise, preamble } from '../support/arbitrary-snappy.ts';
import { arbitraryWriteRequest } from '../support/arbitrary-write-request.ts';
import { BareKernel } from '../support/bare-kernel.ts';
import { requestErrorOf } from '../support/request-error-of.ts';
import { WIRE_NAMES, wireBody } from '../support/wire-fixtures.ts';

const kernel = new Kernel({ maxBodyBytes: 1 << 20, maxDecodedBytes: 4 << 20 });

/** Returns true if both libraries decode the encoded bytes to the original ones. */
function comesBack(raw: Uint8Array): boolean {
  const body = kernel.encode(raw);
  return Buffer.from(uncompress(body)).equals(raw) && Buffer.from(uncompressSync(body)).equals(raw);
}

describe('snappy encoding', () => {
  test('encodes arbitrary bytes so that both libraries give them back', { timeout: PROPERTY_TIMEOUT_MS }, () => {
    const few = fc.array(fc.nat(3), { maxLength: 2000 }).map((bytes) => Uint8Array.from(bytes));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }),
      few,
      arbitrarySnappyBlock(40).map(({ raw }) => raw),
      arbitraryWriteRequest(20).map(({ raw }) => raw),
    );
    fc.assert(
      fc.property(bytes, (raw) => {
        expect(comesBack(raw)).toBe(true);
      }),
      runs(400),
    );
  });

  test.each([
    0, 1, 3, 4, 15, 16, 17, 18, 59, 60, 61, 62, 255, 256, 257, 258, 4096, 65_535, 65_536, 65_537, 65_552, 70_000,
    131_072, 131_073,
  ])('encodes %i bytes that compress well, badly, not at all, and late', (length) => {
    expect(comesBack(Buffer.alloc(length))).toBe(true);
    expect(comesBack(noise(length))).toBe(true);
    expect(comesBack(Buffer.alloc(length, 'abcdefghijklmnopqrstuvw'))).toBe(true);
    expect(comesBack(Buffer.concat([noise(length), noise(length)]))).toBe(true);
  });

  test('encodes runs of every length of 1 to 300 behind something else', () => {
    const wrong = [];
    for (let length = 1; length <= 300; length += 1) {
      const raw = Buffer.concat([noise(40), Buffer.alloc(length, 9), noise(40), noise(40), Buffer.alloc(20)]);
      if (!comesBack(raw)) wrong.push(length);
    }
    expect(wrong).toEqual([]);
  });

  test('makes captured requests hardly larger than their senders did', () => {
    for (const name of WIRE_NAMES.filter((one) => one.includes('rw1'))) {
      const body = wireBody(name);
      expect(kernel.encode(uncompress(body)).length).toBeLessThan(body.length * 1.1);
    }
  });

  test('the encoder stays within its space, or reports that the space does not suffice', () => {
    const bare = new BareKernel();
    const captured = Buffer.from(uncompress(wireBody('prometheus-3.5-rw1-01')));
    const rooms = [0, ENCODED_BLOCK_BYTES - 1, ENCODED_BLOCK_BYTES, 150_000, 200_010, 300_000];
    const results = [Buffer.from(noise(200_000)), Buffer.alloc(200_000), captured].map((raw) =>
      rooms.map((roomBytes) => {
        const elements = bare.encode(raw, roomBytes);
        return elements && Buffer.from(uncompress(Buffer.concat([preamble(raw.length), elements]))).equals(raw);
      }),
    );
    const none = undefined;
    expect(results).toEqual([
      [none, none, none, none, none, true],
      [none, none, none, true, true, true],
      [none, none, none, true, true, true],
    ]);
  });

  test('refuses what decodes to more than max_decoded_bytes or encodes to more than max_body_bytes', () => {
    const small = new Kernel({ maxBodyBytes: 100_000, maxDecodedBytes: 1_000_000 });
    expect(requestErrorOf(() => small.encode(Buffer.alloc(1_000_001))).code).toBe('DECODED_TOO_LARGE');
    expect(requestErrorOf(() => small.encode(noise(1_000_000))).code).toBe('BODY_TOO_LARGE');
    expect(small.encode(Buffer.alloc(1_000_000)).length).toBeLessThan(60_000);
    expect(small.memoryBytes).toBeLessThanOrEqual(small.maxMemoryBytes);
  });

  test('finds a repeat of 8 bytes at each distance around 2048, and copies it in the shortest form', () => {
    const behind = noise(40);
    const wrong: object[] = [];
    for (let distance = 2040; distance <= 2056; distance += 1) {
      const raw = repeatAt(distance, behind);
      const body = kernel.encode(raw);
      // The last element but one; the last one is a literal. https://github.com/google/snappy, format_description.txt
      const copy =
        distance < 2048
          ? [((distance >> 8) << 5) | ((8 - 4) << 2) | 1, distance & 255]
          : [((8 - 1) << 2) | 2, distance & 255, distance >> 8];
      const literalAt = body.length - behind.length - 1;
      const found = [...body.subarray(literalAt - copy.length, literalAt)];
      if (!comesBack(raw) || !Buffer.from(found).equals(Buffer.from(copy))) wrong.push({ distance, found, copy });
    }
    expect(wrong).toEqual([]);
  });

  test('encodes a repeat of 8 bytes at each distance around the end of the first 64 KiB', () => {
    const wrong: number[] = [];
    for (let distance = 65_500; distance <= 65_545; distance += 1) {
      if (!comesBack(repeatAt(distance, noise(40)))) wrong.push(distance);
    }
    expect(wrong).toEqual([]);
  });
});

/** The same 8 bytes twice, so many bytes apart with zeros in between, and something else behind them. */
function repeatAt(distance: number, behind: Uint8Array): Buffer {
  const pattern = Buffer.from('repeated');
  return Buffer.concat([pattern, Buffer.alloc(distance - pattern.length), pattern, behind]);
}
