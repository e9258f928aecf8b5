import * as fc from 'fast-check';
import { HOSTILE_KINDS } from '../support/hostile-bodies.ts';
import { compressSync, uncompressSync } from 'snappy';
import { uncompress } from 'snappyjs';
import { describe, expect, test } from 'vitest';
import { BodyCutter, MAX_HISTORY_BYTES, MAX_PIECES, type Piece } from '../../src/batch/split.ts';

import { Kernel } from '../../src/codec/kernel.ts';
import { allocateUnsafe, joinBodies } from '../../src/codec/snappy/join.ts';
import { PROPERTY_TIMEOUT_MS, runs } from '../support/arbitrary-runs.ts';
import { arbitraryBlockOf, noise, preamble } from '../support/arbitrary-snappy.ts';
import { arbitraryWriteRequest, bytesField } from '../support/arbitrary-write-request.ts';
import { requestErrorOf } from '../support/request-error-of.ts';
import { tryReadStrictly } from '../support/strict-write-request.ts';
import { piecesOf } from '../support/pieces-of.ts';
import { wireBody } from '../support/wire-fixtures.ts';

const kernel = new Kernel({ maxBodyBytes: 1 << 20, maxDecodedBytes: 4 << 20 });
const large64 = new Kernel({ maxBodyBytes: 10 << 20, maxDecodedBytes: 64 << 20 });

/** The bytes that the pieces hold, by a library. */
function rawOf(pieces: readonly Piece[]): Buffer {
  return Buffer.concat(pieces.map(({ body }) => Buffer.from(uncompress(body))));
}

/** Counts the fields (TimeSeries, metadata entries, unknown fields) of a request. */
function fieldsOf(body: Buffer): number {
  const { series, metadata, unknownFields } = kernel.scan(body);
  return series + metadata + unknownFields;
}

/** A literal element with 3 length bytes. */
function literal(bytes: Buffer): Buffer {
  const head = Buffer.from([62 << 2, 0, 0, 0]);
  head.writeUIntLE(bytes.length - 1, 1, 3);
  return Buffer.concat([head, bytes]);
}

/** Elements that copy `length` bytes from `back` bytes before. */
function copies(length: number, back: number): Buffer[] {
  return Array.from({ length: Math.ceil(length / 64) }, (_, i) => {
    const copy = Buffer.from([((Math.min(64, length - i * 64) - 1) << 2) | 3, 0, 0, 0, 0]);
    copy.writeUInt32LE(back, 1);
    return copy;
  });
}

/** A TimeSeries with a sample and a label of this value. */
function seriesWith(value: Uint8Array): Buffer {
  return bytesField(1, Buffer.concat([bytesField(1, bytesField(2, Buffer.from(value))), SAMPLE]));
}

/** Without a label's name, which is allowed. */
const SAMPLE = Buffer.from('12021001', 'hex');
const SMALL = seriesWith(Buffer.from('b'));

const MANY = noise(1 << 16);

/** A request that the kernel serves between two pieces of another. */
const OTHER = compressSync(Buffer.concat(Array.from({ length: 200 }, (_, i) => seriesWith(noise(50 + i)))));

describe('cutting a request', () => {
  test(
    'takes the same pieces when the kernel serves others in between, and again after putBack',
    {
      timeout: PROPERTY_TIMEOUT_MS,
    },
    () => {
      const limits = fc.record({
        maxSamples: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constant(1_000_000)),
        maxBytes: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.constant(1_000_000)),
      });
      const body = arbitraryWriteRequest(25).chain((request) =>
        fc.oneof(fc.constant(compressSync(request.raw)), arbitraryBlockOf(request.raw)),
      );
      const steps = fc.array(fc.record({ isServing: fc.boolean(), isPutBack: fc.boolean() }), {
        minLength: 25,
        maxLength: 25,
      });
      fc.assert(
        fc.property(body, limits, steps, (body, limits, steps) => {
          const expected = piecesOf(kernel, body, limits);
          const cutter = new BodyCutter(kernel, body);
          for (const [index, piece] of expected.entries()) {
            const { isServing, isPutBack } = steps[index % steps.length] ?? {};
            if (isServing === true) kernel.scan(OTHER);
            expect(cutter.done).toBe(false);
            expect(cutter.take(limits, allocateUnsafe)).toEqual(piece);
            if (isPutBack !== true) continue;
            cutter.putBack();
            if (isServing !== true) kernel.scan(OTHER);
            expect(cutter.done).toBe(false);
            expect(cutter.take(limits, allocateUnsafe)).toEqual(piece);
          }
          expect(cutter.done).toBe(true);
        }),
        runs(200),
      );
    },
  );

  test('makes large pieces in steps, which are what an independent decoder reads in the request', () => {
    const large = new Kernel({ maxBodyBytes: 10 << 20, maxDecodedBytes: 64 << 20 });
    for (const { name, make } of HOSTILE_KINDS) {
      if (
        !['a series of copies from the one before it', 'a small series and a long literal in another'].includes(name)
      ) {
        continue;
      }
      const body = make({ bodyBytes: 10 << 20, rawBytes: 9_000_000 });
      const cutter = new BodyCutter(large, body);
      const pieces: Piece[] = [];
      let stops = 0;
      while (!cutter.done) {
        const steps = cutter.takeInSteps({ maxSamples: 5000, maxBytes: 100_000 }, allocateUnsafe);
        for (let step = steps.next(); ; step = steps.next()) {
          if (step.done !== true) stops += 1;
          else {
            pieces.push(step.value);
            break;
          }
        }
      }
      expect(pieces.length).toBe(2);
      expect(stops).toBeGreaterThan(5);
      expect(rawOf(pieces).equals(Buffer.from(uncompressSync(body)))).toBe(true);
    }
  });

  test('cuts what was put back into smaller pieces, and goes on behind it', () => {
    const body = wireBody('prometheus-3.5-rw1-01');
    const cutter = new BodyCutter(kernel, body);
    const first = cutter.take({ maxSamples: 250, maxBytes: 1e6 }, allocateUnsafe);
    cutter.putBack();
    const half = { maxSamples: 1e6, maxBytes: Math.ceil(first.body.length * 0.55) };
    const pieces = [cutter.take(half, allocateUnsafe)];
    expect(pieces[0]?.samples).toBeLessThan(200);
    while (!cutter.done) {
      kernel.scan(OTHER);
      pieces.push(cutter.take({ maxSamples: 250, maxBytes: 1e6 }, allocateUnsafe));
    }
    expect(rawOf(pieces).equals(Buffer.from(uncompress(body)))).toBe(true);
  });

  test('asks for the memory of a piece once, of exactly its size, and for none of the whole request', () => {
    const body = wireBody('prometheus-3.5-rw1-01');
    const sizes: number[] = [];
    const allocate = (bytes: number): Buffer => {
      sizes.push(bytes);
      return allocateUnsafe(bytes);
    };
    // Noise behind what compresses well: the first guess at where to cut is far off.
    const uneven = compressSync(
      Buffer.concat([
        ...Array.from({ length: 2000 }, () => SMALL),
        ...Array.from({ length: 100 }, (_, i) => seriesWith(noise(300 + i))),
      ]),
    );
    const pieces = piecesOf(kernel, uneven, { maxSamples: 1e6, maxBytes: 4000 }, allocate);
    expect(pieces.length).toBeGreaterThan(5);
    expect(sizes).toEqual(pieces.map((piece) => piece.body.length));
    piecesOf(kernel, body, { maxSamples: 500, maxBytes: 1e6 }, allocate);
    expect(sizes).toHaveLength(pieces.length);
  });

  test('cuts a request whose copies reach back farther than what is kept, and holds nothing for it', () => {
    const large = new Kernel({ maxBodyBytes: 8 << 20, maxDecodedBytes: 64 << 20 });
    const one = seriesWith(Buffer.concat(Array.from({ length: 80 }, () => noise(1 << 16))));
    const raw = Buffer.concat([one, SMALL, one, SMALL]);
    const back = one.length + SMALL.length;
    const body = Buffer.concat([
      preamble(raw.length),
      literal(one),
      literal(SMALL),
      ...copies(one.length, back),
      literal(SMALL),
    ]);
    const cutter = new BodyCutter(large, body);
    expect(back).toBeGreaterThan(MAX_HISTORY_BYTES);
    expect(cutter.heldBytes).toBe(0);
    const pieces: Piece[] = [];
    while (!cutter.done) {
      large.scan(OTHER);
      pieces.push(cutter.take({ maxSamples: 2, maxBytes: 1e7 }, allocateUnsafe));
    }
    expect(pieces.map((piece) => piece.samples)).toEqual([2, 2]);
    expect(rawOf(pieces).equals(raw)).toBe(true);
  });

  test('decodes of a request no more than the piece and the one before it, whatever comes behind', () => {
    // The bytes behind the pieces are changed so that they cannot be decoded: nothing reads them.
    const small = Array.from({ length: 40_000 }, (_, i) => seriesWith(MANY.subarray(i % 977, (i % 977) + 100)));
    const body = Buffer.from(compressSync(Buffer.concat(small)));
    const cutter = new BodyCutter(large64, body);
    body.fill(0xff, Math.ceil(body.length / 2));
    for (let taken = 0; taken < 10; taken += 1) {
      large64.scan(OTHER);
      expect(cutter.take({ maxSamples: 1000, maxBytes: 1e6 }, allocateUnsafe).samples).toBe(1000);
    }
  });

  test(
    'keeps every byte in its order, within the limits, in pieces that are requests',
    { timeout: PROPERTY_TIMEOUT_MS },
    () => {
      const limits = fc.record({
        maxSamples: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constant(1_000_000)),
        maxBytes: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.constant(1_000_000)),
      });
      const arbitraryBody = arbitraryWriteRequest(25).chain((request) =>
        fc
          .oneof(fc.constant(compressSync(request.raw)), arbitraryBlockOf(request.raw))
          .map((compressed) => ({ request, compressed })),
      );
      fc.assert(
        fc.property(arbitraryBody, limits, ({ request, compressed }, limits) => {
          const pieces = piecesOf(kernel, compressed, limits);
          expect(rawOf(pieces).equals(request.raw)).toBe(true);
          expect(uncompressSync(joinBodies(pieces))).toEqual(request.raw);
          for (const { body, rawBytes, elementsAt, ...counts } of pieces) {
            const raw = uncompress(body);
            expect(raw.length).toBe(rawBytes);
            expect(body.findIndex((byte) => byte < 128)).toBe(elementsAt - 1);
            const { timestamps, ...expected } = tryReadStrictly(raw) ?? { timestamps: [] };
            expect(counts).toEqual(expected);
            const isWithin = timestamps.length <= limits.maxSamples && body.length <= limits.maxBytes;
            expect(isWithin || fieldsOf(body) <= 1).toBe(true);
          }
        }),
        runs(200),
      );
    },
  );

  test('refuses what would take too many pieces before the first is made', () => {
    const body = compressSync(Buffer.concat(Array.from({ length: 2 * MAX_PIECES + 1 }, () => SMALL)));
    expect(piecesOf(kernel, body.subarray(), { maxSamples: 3, maxBytes: 1e6 }).length).toBeLessThanOrEqual(MAX_PIECES);
    const cutter = new BodyCutter(kernel, body);
    const error = requestErrorOf(() => cutter.take({ maxSamples: 2, maxBytes: 1e6 }, allocateUnsafe));
    expect(error.code).toBe('TOO_MANY_PIECES');
    expect(error.message).toMatch(/1001 samples would take 501 requests upstream.*exceeds 500.*lower/);
  });

  test('cuts captured requests into pieces of about the same size', () => {
    const body = wireBody('prometheus-3.5-rw1-01');
    expect(piecesOf(kernel, body, { maxSamples: 499, maxBytes: 1e6 }).map((piece) => piece.samples)).toEqual([
      250, 250,
    ]);
    const pieces = piecesOf(kernel, body, { maxSamples: 1e6, maxBytes: 6000 });
    expect(rawOf(pieces).equals(Buffer.from(uncompress(body)))).toBe(true);
    for (const piece of pieces) {
      expect(piece.body.length).toBeLessThanOrEqual(6000);
      expect(piece.body.length).toBeGreaterThan(2000);
    }
  });

  test('keeps metadata entries and counts them', () => {
    const pieces = piecesOf(kernel, wireBody('prometheus-3.5-rw1-04'), { maxSamples: 100, maxBytes: 5000 });
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.reduce((sum, piece) => sum + piece.metadata, 0)).toBe(258);
  });

  test('gives back the body itself when it is within the limits or has one TimeSeries', () => {
    const body = wireBody('prometheus-3.5-rw1-12');
    const [whole, ...rest] = piecesOf(kernel, body, { maxSamples: 117, maxBytes: body.length });
    expect(whole?.body).toBe(body);
    expect(rest).toEqual([]);
    const label = bytesField(1, Buffer.concat([bytesField(1, Buffer.from('a')), bytesField(2, Buffer.from('b'))]));
    const samples = Array.from({ length: 50 }, () => Buffer.from('12021001', 'hex'));
    const one = compressSync(bytesField(1, Buffer.concat([label, ...samples])));
    expect(piecesOf(kernel, one, { maxSamples: 1, maxBytes: 1 }).map((piece) => [piece.body, piece.samples])).toEqual([
      [one, 50],
    ]);
    expect(piecesOf(kernel, Buffer.from([0]), { maxSamples: 0, maxBytes: 0 }).map((piece) => piece.rawBytes)).toEqual([
      0,
    ]);
  });

  test('leaves a TimeSeries that is over a limit alone in its piece', () => {
    const label = bytesField(1, Buffer.concat([bytesField(1, Buffer.from('a')), bytesField(2, Buffer.from('b'))]));
    const series = (samples: number): Buffer =>
      bytesField(1, Buffer.concat([label, ...Array.from({ length: samples }, () => Buffer.from('12021001', 'hex'))]));
    const raw = Buffer.concat([series(1), series(9), series(0), series(2)]);
    const pieces = piecesOf(kernel, compressSync(raw), { maxSamples: 3, maxBytes: 1e6 });
    expect(pieces.map((piece) => piece.samples)).toEqual([1, 9, 2]);
    expect(pieces.map((piece) => piece.series)).toEqual([1, 1, 2]);
  });

  test('keeps what can be kept of the elements, however they were chosen', () => {
    // Literals only, which the encoder would never leave as they are.
    const raw = Buffer.concat(Array.from({ length: 3000 }, () => SMALL));
    const literals = Array.from({ length: 3000 }, () => Buffer.concat([Buffer.from([(SMALL.length - 1) << 2]), SMALL]));
    const pieces = piecesOf(kernel, Buffer.concat([preamble(raw.length), ...literals]), {
      maxSamples: 1000,
      maxBytes: 1e6,
    });
    const third = Buffer.concat([preamble(raw.length / 3), ...literals.slice(0, 1000)]);
    expect(pieces.map(({ body }) => body.equals(third))).toEqual([true, true, true]);
  });

  test('encodes anew what copies from before the piece, and from 64 KiB before it too', () => {
    const part = noise(70_000);
    const one = seriesWith(part);
    const raw = Buffer.concat([one, one, SMALL, one]);
    // The second and the last TimeSeries are copies of the first.
    const body = Buffer.concat([
      preamble(raw.length),
      literal(one),
      ...copies(one.length, one.length),
      literal(SMALL),
      ...copies(one.length, one.length + SMALL.length),
    ]);
    expect(Buffer.from(uncompress(body)).equals(raw)).toBe(true);
    for (const maxSamples of [1, 2, 3]) {
      const pieces = piecesOf(kernel, body, { maxSamples, maxBytes: 1e6 });
      expect(pieces).toHaveLength(Math.ceil(4 / maxSamples));
      expect(rawOf(pieces).equals(raw)).toBe(true);
      expect(pieces.map((piece) => Buffer.from(uncompress(piece.body)).length)).toEqual(
        pieces.map((piece) => piece.rawBytes),
      );
    }
    // Two samples each: the second piece's copy reaches over its start, the first one's does not.
    const [first, second] = piecesOf(kernel, body, { maxSamples: 2, maxBytes: 1e6 });
    expect(first?.body.length).toBeLessThan(80_000);
    expect(second?.body.length).toBeGreaterThan(70_000);
  });

  test('encodes anew what copies from one byte before the piece', () => {
    // A value that holds the last byte of one TimeSeries and the first three of the next.
    const head = seriesWith(Buffer.alloc(4)).subarray(0, 3);
    const value = Buffer.concat([Buffer.from([1]), head]);
    const one = seriesWith(value);
    const at = one.indexOf(value);
    const copy = Buffer.from([(3 << 2) | 2, at + 1, 0]);
    const body = Buffer.concat([
      preamble(one.length * 2),
      literal(one),
      literal(one.subarray(0, at)),
      copy,
      literal(one.subarray(at + 4)),
    ]);
    const pieces = piecesOf(kernel, body, { maxSamples: 1, maxBytes: 1e6 });
    expect(pieces.map((piece) => Buffer.from(uncompress(piece.body)).equals(one))).toEqual([true, true]);
  });

  test('finds the cuts in a body of many MB', () => {
    const large = new Kernel({ maxBodyBytes: 40 << 20, maxDecodedBytes: 64 << 20 });
    const raw = Buffer.concat(
      Array.from({ length: 12_000 }, (_, i) => seriesWith(MANY.subarray((i * 5) % 64_000, ((i * 5) % 64_000) + 900))),
    );
    const parts = [preamble(raw.length)];
    for (let at = 0; at < raw.length; at += 60) {
      const bytes = raw.subarray(at, at + 60);
      parts.push(Buffer.from([(bytes.length - 1) << 2]), bytes);
    }
    const pieces = piecesOf(large, Buffer.concat(parts), { maxSamples: 700, maxBytes: 1e6 });
    expect(pieces).toHaveLength(18);
    expect(rawOf(pieces).equals(raw)).toBe(true);
  });

  test.each([
    ['all of it copies', 100_000, 3, 0, /300.* bytes/],
    ['it copies, and has something of its own', 200_000, 2, 200_000, /600.* bytes/],
  ])('refuses a TimeSeries whose encoding exceeds max_body_bytes: %s', (_what, bytes, times, ownBytes, message) => {
    // It came as copies of the one before, again and again, which it cannot be without that one.
    const part = noise(bytes);
    const own = noise(ownBytes + 1);
    const first = bytesField(1, bytesField(1, bytesField(2, Buffer.from(part))));
    const value = Buffer.concat([...Array.from({ length: times }, () => part), own]);
    const second = bytesField(1, bytesField(1, bytesField(2, value)));
    const raw = Buffer.concat([first, second]);
    const headBytes = raw.length - value.length;
    const back = headBytes - (first.length - bytes);
    const parts = Array.from({ length: times }, (_, round) => copies(bytes, back + round * bytes)).flat();
    const body = Buffer.concat([
      preamble(raw.length),
      literal(raw.subarray(0, headBytes)),
      ...parts,
      literal(Buffer.from(own)),
    ]);
    expect(Buffer.from(uncompress(body)).equals(raw)).toBe(true);
    const small = new Kernel({ maxBodyBytes: body.length, maxDecodedBytes: 1 << 20 });
    const error = requestErrorOf(() => piecesOf(small, body, { maxSamples: 100, maxBytes: 1000 }));
    expect(error.code).toBe('BODY_TOO_LARGE');
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/limits\.max_body_bytes.*cannot be cut.*raise it/);
    expect(small.memoryBytes).toBeLessThanOrEqual(small.maxMemoryBytes);
  });

  test('passes a TimeSeries whose encoding exceeds max_body_bytes, and gives what is behind it', () => {
    const part = noise(100_000);
    const first = bytesField(1, bytesField(1, bytesField(2, Buffer.from(part))));
    const value = Buffer.concat([part, part, part]);
    const second = bytesField(1, bytesField(1, bytesField(2, value)));
    const raw = Buffer.concat([first, second, SMALL]);
    const headBytes = first.length + second.length - value.length;
    const back = headBytes - (first.length - part.length);
    const parts = [0, 1, 2].flatMap((round) => copies(part.length, back + round * part.length));
    const body = Buffer.concat([preamble(raw.length), literal(raw.subarray(0, headBytes)), ...parts, literal(SMALL)]);
    const small = new Kernel({ maxBodyBytes: body.length, maxDecodedBytes: 1 << 20 });
    const cutter = new BodyCutter(small, body);
    const limits = { maxSamples: 100, maxBytes: 1000 };
    expect(rawOf([cutter.take(limits, allocateUnsafe)]).equals(first)).toBe(true);
    expect(requestErrorOf(() => cutter.take(limits, allocateUnsafe)).code).toBe('BODY_TOO_LARGE');
    expect(rawOf([cutter.take(limits, allocateUnsafe)]).equals(SMALL)).toBe(true);
    expect(cutter.done).toBe(true);
  });
});
