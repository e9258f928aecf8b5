import * as fc from 'fast-check';
import { uncompressSync } from 'snappy';
import { uncompress } from 'snappyjs';
import { describe, expect, test } from 'vitest';
import { Kernel } from '../../src/codec/kernel.ts';
import { PROPERTY_TIMEOUT_MS, runs } from '../support/arbitrary-runs.ts';
import { arbitrarySnappyBlock, preamble } from '../support/arbitrary-snappy.ts';
import { arbitraryWriteRequest } from '../support/arbitrary-write-request.ts';
import { BareKernel } from '../support/bare-kernel.ts';
import { piecesOf } from '../support/pieces-of.ts';
import { requestErrorOf } from '../support/request-error-of.ts';
import { WIRE_NAMES, wireBody } from '../support/wire-fixtures.ts';

const LIMITS = { maxBodyBytes: 1 << 20, maxDecodedBytes: 4 << 20 };

/** The native library's answer; it is not asked about sizes that the format rules out, which it would allocate. */
function tryNative(body: Buffer): Buffer | undefined {
  const length = declared(body);
  if (length === undefined || length.value > body.length * 22) return undefined;
  try {
    return Buffer.from(uncompressSync(body));
  } catch {
    return undefined;
  }
}

function tryBare(kernel: BareKernel, body: Buffer): Buffer | undefined {
  const length = declared(body);
  if (length === undefined || length.value > body.length * 22) return undefined;
  return kernel.decode(body.subarray(length.end), length.value);
}

/** Both refused, or the same bytes. */
function isSame(actual: Buffer | undefined, expected: Buffer | undefined): boolean {
  return actual === undefined || expected === undefined ? actual === expected : actual.equals(expected);
}

function declared(body: Buffer): { value: number; end: number } | undefined {
  let value = 0;
  for (let at = 0; at < Math.min(5, body.length); at += 1) {
    value += ((body[at] ?? 0) & 127) * 128 ** at;
    if ((body[at] ?? 0) < 128) return value > 0xffffffff ? undefined : { value, end: at + 1 };
  }
  return undefined;
}

describe('snappy decoding', () => {
  const bare = new BareKernel();

  test('decodes every captured body to the bytes that both libraries decode it to', () => {
    for (const name of WIRE_NAMES.filter((one) => !one.includes('zstd'))) {
      const body = wireBody(name);
      const raw = tryBare(bare, body);
      expect({ name, same: isSame(raw, Buffer.from(uncompress(body))) }).toEqual({ name, same: true });
      expect({ name, same: isSame(raw, tryNative(body)) }).toEqual({ name, same: true });
    }
  });

  test(
    'decodes every kind of element as both libraries do, and writes nowhere else',
    { timeout: PROPERTY_TIMEOUT_MS },
    () => {
      fc.assert(
        fc.property(arbitrarySnappyBlock(), ({ body, raw }) => {
          expect(tryBare(bare, body)?.equals(raw)).toBe(true);
          expect(tryNative(body)?.equals(raw)).toBe(true);
          expect(Buffer.from(uncompress(body)).equals(raw)).toBe(true);
        }),
        runs(300),
      );
    },
  );

  test('repeats every pattern of 1 to 70 bytes at every length of 1 to 64', () => {
    const wrong: object[] = [];
    const pattern = Buffer.from(Array.from({ length: 70 }, (_, at) => at + 1));
    for (let offset = 1; offset <= 70; offset += 1) {
      for (let length = 1; length <= 64; length += 1) {
        // Once at the block's end, where every byte is checked, and once with room behind.
        for (const behind of [0, 300]) {
          const tail = behind === 0 ? [] : [61 << 2, (behind - 1) & 255, (behind - 1) >> 8, ...Buffer.alloc(behind, 7)];
          const copy = [((length - 1) << 2) | 2, offset, 0];
          const body = Buffer.from([...preamble(70 + length + behind), 60 << 2, 69, ...pattern, ...copy, ...tail]);
          if (!isSame(tryBare(bare, body), Buffer.from(uncompress(body)))) wrong.push({ offset, length, behind });
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  test('decodes a literal of 1 byte whose length takes 1 to 4 bytes as the native library does', () => {
    for (const elements of ['f00061', 'f4000061', 'f800000061', 'fc0000000061']) {
      const body = Buffer.from(`01${elements}`, 'hex');
      expect([tryBare(bare, body), tryNative(body)]).toEqual([Buffer.from('a'), Buffer.from('a')]);
    }
  });

  test.each([1, 2, 3, 4])(
    'refuses a last literal that lacks one byte when its length takes %i bytes, and takes the whole one',
    (lengthBytes) => {
      const kernel = new Kernel(LIMITS);
      // An unknown field of the WriteRequest fills it.
      const raw = Buffer.concat([Buffer.from([0x82, 0x01, 97]), Buffer.alloc(97, 1)]);
      const length = Buffer.alloc(lengthBytes);
      length.writeUIntLE(raw.length - 1, 0, lengthBytes);
      const whole = Buffer.concat([preamble(raw.length), Buffer.from([(59 + lengthBytes) << 2]), length, raw]);
      expect(tryBare(bare, whole)?.equals(raw)).toBe(true);
      expect(tryNative(whole)?.equals(raw)).toBe(true);
      expect(kernel.scan(whole).unknownFields).toBe(1);
      const cut = whole.subarray(0, -1);
      expect(tryNative(cut)).toBe(undefined);
      expect(tryBare(bare, cut)).toBe(undefined);
      expect(requestErrorOf(() => kernel.scan(cut)).message).toContain('past the end of the body at byte 1 ');
    },
  );

  test('refuses a copy from before the start, or over the declared length, also where much follows it', () => {
    const follows = Array.from({ length: 60 }, () => [61 << 2, 99, 0, ...Buffer.alloc(100, 7)]).flat();
    // The declared length is what it would be if the copy were good.
    const bad = [
      { length: 4, copy: [0x01, 17] },
      { length: 4, copy: [0x21, 0] },
      { length: 64, copy: [0xfe, 17, 0] },
      { length: 64, copy: [0xfe, 0, 0] },
      { length: 64, copy: [0xff, 17, 0, 0, 0] },
    ];
    for (const { length, copy } of bad) {
      const body = Buffer.from([...preamble(16 + length + 6000), 15 << 2, ...Buffer.alloc(16, 7), ...copy, ...follows]);
      const good = Buffer.from([...preamble(16 + 4 + 6000), 15 << 2, ...Buffer.alloc(16, 7), 0x01, 16, ...follows]);
      expect([tryBare(bare, body), tryBare(bare, good)?.length]).toEqual([undefined, 6020]);
    }
    // 40 bytes, then copies of 64: whatever is declared up to there, the canaries are 16 bytes behind it.
    const copies = Array.from({ length: 60 }, () => [0xfe, 20, 0]).flat();
    for (let declared = 41; declared < 300; declared += 1) {
      expect(tryBare(bare, Buffer.from([...preamble(declared), 39 << 2, ...Buffer.alloc(40, 7), ...copies]))).toBe(
        undefined,
      );
    }
  });

  test('refuses every truncation of a body', () => {
    const kernel = new Kernel(LIMITS);
    for (const name of ['prometheus-3.5-rw1-12', 'vmagent-1.145-rw1-02']) {
      const body = wireBody(name);
      for (let length = 0; length < body.length; length += 1) {
        expect(requestErrorOf(() => kernel.scan(body.subarray(0, length))).code).toBe('BODY_NOT_SNAPPY');
      }
    }
  });

  test(
    'agrees with the native library on bodies with flipped bytes: taken or not, and the bytes',
    { timeout: PROPERTY_TIMEOUT_MS },
    () => {
      const sources = fc.oneof(
        arbitrarySnappyBlock(30).map(({ body }) => body),
        fc.constantFrom(wireBody('prometheus-3.5-rw1-12'), wireBody('prometheus-3.5-rw1-01')),
      );
      const flips = fc.array(
        fc.tuple(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), fc.integer({ min: 1, max: 255 })),
        {
          minLength: 1,
          maxLength: 3,
        },
      );
      fc.assert(
        fc.property(sources, flips, (source, changes) => {
          const body = Buffer.from(source);
          for (const [where, mask] of changes) {
            const at = Math.floor(where * body.length);
            body[at] = (body[at] ?? 0) ^ mask;
          }
          const expected = tryNative(body);
          const actual = tryBare(bare, body);
          expect(isSame(actual, expected)).toBe(true);
        }),
        runs(500),
      );
    },
  );

  test('agrees with the native library on bytes that are no snappy at all', () => {
    fc.assert(
      fc.property(fc.nat(400), fc.uint8Array({ maxLength: 80 }), (rawBytes, elements) => {
        const body = Buffer.concat([preamble(rawBytes), elements]);
        const expected = tryNative(body);
        const actual = tryBare(bare, body);
        expect(isSame(actual, expected)).toBe(true);
      }),
      runs(2000),
    );
  });

  test.each([
    ['an empty body', '', 'decoded length at byte 0'],
    ['a length that is cut off', '8080', 'decoded length at byte 0'],
    ['a length over 2^32 - 1', 'ffffffff7f', 'decoded length at byte 0'],
    ['a literal past the end', '05 10 6162', 'past the end of the body at byte 1 '],
    ['a literal over the declared length', '01 04 6162', 'exceeds the declared length at byte 1 '],
    ['a literal of 2^32 bytes', '05 fc ffffffff 00', 'past the end of the body at byte 1 '],
    ['a copy with an offset of 0', '05 00 61 01 00', 'offset of 0 or from before the start at byte 3 '],
    ['a copy from before the start', '05 00 61 01 02', 'offset of 0 or from before the start at byte 3 '],
    ['a copy with a huge offset', '02 00 61 03 ffffffff', 'offset of 0 or from before the start at byte 3 '],
    ['a copy that is cut off', '05 00 61 0e 01', 'past the end of the body at byte 3 '],
    ['a copy over the declared length', '02 00 61 01 01', 'exceeds the declared length at byte 3 '],
    ['too few bytes', '05 00 61', 'before the declared length is reached at byte 3 '],
    ['bytes behind the declared end', '01 00 61 00 61', 'exceeds the declared length at byte 3 '],
  ])('names the fault and its offset: %s', (_, hex, message) => {
    const error = requestErrorOf(() => new Kernel(LIMITS).scan(Buffer.from(hex.replaceAll(' ', ''), 'hex')));
    expect(error.code).toBe('BODY_NOT_SNAPPY');
    expect(error.message).toContain(message);
  });
});

describe('the limits', () => {
  test('refuses a body of 7 bytes that claims 256 MiB with 400, and takes no memory for it', () => {
    const kernel = new Kernel({ maxBodyBytes: 10 << 20, maxDecodedBytes: 64 << 20 });
    const before = kernel.memoryBytes;
    const error = requestErrorOf(() => kernel.scan(Buffer.from('8080808001fe01', 'hex')));
    expect(error.code).toBe('BODY_NOT_SNAPPY');
    expect(error.httpStatus).toBe(400);
    expect(kernel.memoryBytes).toBe(before);
  });

  test('refuses a declared size over max_decoded_bytes with 413, its value, the limit and the remedy', () => {
    const kernel = new Kernel({ maxBodyBytes: 1 << 20, maxDecodedBytes: 65_536 });
    const error = requestErrorOf(() => kernel.scan(Buffer.concat([preamble(65_537), Buffer.alloc(4000)])));
    expect(error.code).toBe('DECODED_TOO_LARGE');
    expect(error.message).toMatch(/65537 bytes.*limits\.max_decoded_bytes \(64KiB\).*raise it/);
  });

  test('refuses a compressed body over max_body_bytes with 413', () => {
    const kernel = new Kernel({ maxBodyBytes: 100, maxDecodedBytes: 65_536 });
    const error = requestErrorOf(() => kernel.scan(Buffer.alloc(101)));
    expect(error.code).toBe('BODY_TOO_LARGE');
    expect(error.message).toMatch(/101 bytes.*limits\.max_body_bytes \(100B\).*raise it/);
  });

  test('never takes more memory than its maximum, which the limits determine', () => {
    const limits = { maxBodyBytes: 300_000, maxDecodedBytes: 500_000 };
    const kernel = new Kernel(limits);
    expect(kernel.maxMemoryBytes).toBeLessThan(2 * 300_000 + 500_000 + 65_536 * 4);
    // A literal of the largest size, and an unknown field inside, so that it is a WriteRequest.
    const raw = Buffer.concat([Buffer.from([0x82, 0x01, ...preamble(299_900)]), Buffer.alloc(299_900, 1)]);
    const body = Buffer.concat([preamble(raw.length), Buffer.from([62 << 2, 0, 0, 0]), raw]);
    body.writeUIntLE(raw.length - 1, preamble(raw.length).length + 1, 3);
    expect(kernel.scan(body).unknownFields).toBe(1);
    expect(piecesOf(kernel, body, { maxSamples: 1, maxBytes: 1 }).map(({ rawBytes }) => rawBytes)).toEqual([
      raw.length,
    ]);
    expect(kernel.encode(Buffer.alloc(500_000, 1)).length).toBeGreaterThan(0);
    expect(kernel.memoryBytes).toBeLessThanOrEqual(kernel.maxMemoryBytes);
  });

  test('takes a view into a larger buffer as what it is', () => {
    fc.assert(
      fc.property(arbitraryWriteRequest(4), fc.nat(40), ({ raw, series }, shift) => {
        const kernel = new Kernel(LIMITS);
        const body = kernel.encode(raw);
        const around = Buffer.alloc(body.length + 80, 0xff);
        body.copy(around, shift);
        expect(kernel.scan(new Uint8Array(around.buffer, around.byteOffset + shift, body.length)).series).toBe(series);
      }),
      runs(30),
    );
  });
});
