import * as fc from 'fast-check';
import { compressSync, uncompressSync } from 'snappy';
import { uncompress } from 'snappyjs';
import { describe, expect, it } from 'vitest';
import { splitBody, type Piece } from '../../src/batch/split.ts';
import { Kernel } from '../../src/codec/kernel.ts';
import { joinBodies } from '../../src/codec/snappy-join.ts';
import { PROPERTY_TIMEOUT_MS, runs } from '../support/arbitrary-runs.ts';
import { noise } from '../support/arbitrary-snappy.ts';
import { arbitraryWriteRequest, bytesField } from '../support/arbitrary-write-request.ts';
import { requestErrorOf } from '../support/request-error-of.ts';
import { tryReadStrictly } from '../support/strict-write-request.ts';
import { wireBody } from '../support/wire-fixtures.ts';

const kernel = new Kernel({ maxBodyBytes: 1 << 20, maxDecodedBytes: 4 << 20 });

/** The bytes that the pieces hold, by a library. */
function rawOf(pieces: readonly Piece[]): Buffer {
  return Buffer.concat(pieces.map(({ body }) => Buffer.from(uncompress(body))));
}

/** How many fields (TimeSeries, metadata entries, unknown fields) a request has. */
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

describe('cutting a request', () => {
  it(
    'keeps every byte in its order, within the limits, in pieces that are requests',
    { timeout: PROPERTY_TIMEOUT_MS },
    () => {
      const limits = fc.record({
        maxSamples: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constant(1_000_000)),
        maxBytes: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.constant(1_000_000)),
      });
      fc.assert(
        fc.property(arbitraryWriteRequest(25), limits, (request, limits) => {
          const pieces = splitBody(kernel, compressSync(request.raw), limits);
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

  it('cuts captured requests into pieces of about the same size', () => {
    const body = wireBody('prometheus-3.5-rw1-01');
    expect(splitBody(kernel, body, { maxSamples: 499, maxBytes: 1e6 }).map((piece) => piece.samples)).toEqual([
      250, 250,
    ]);
    const pieces = splitBody(kernel, body, { maxSamples: 1e6, maxBytes: 6000 });
    expect(rawOf(pieces).equals(Buffer.from(uncompress(body)))).toBe(true);
    for (const piece of pieces) {
      expect(piece.body.length).toBeLessThanOrEqual(6000);
      expect(piece.body.length).toBeGreaterThan(2000);
    }
  });

  it('keeps metadata entries and counts them', () => {
    const pieces = splitBody(kernel, wireBody('prometheus-3.5-rw1-04'), { maxSamples: 100, maxBytes: 5000 });
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.reduce((sum, piece) => sum + piece.metadata, 0)).toBe(258);
  });

  it('gives back the body itself when it is within the limits or has one TimeSeries', () => {
    const body = wireBody('prometheus-3.5-rw1-12');
    const [whole, ...rest] = splitBody(kernel, body, { maxSamples: 117, maxBytes: body.length });
    expect(whole?.body).toBe(body);
    expect(rest).toEqual([]);
    const label = bytesField(1, Buffer.concat([bytesField(1, Buffer.from('a')), bytesField(2, Buffer.from('b'))]));
    const samples = Array.from({ length: 50 }, () => Buffer.from('12021001', 'hex'));
    const one = compressSync(bytesField(1, Buffer.concat([label, ...samples])));
    expect(splitBody(kernel, one, { maxSamples: 1, maxBytes: 1 }).map((piece) => [piece.body, piece.samples])).toEqual([
      [one, 50],
    ]);
    expect(splitBody(kernel, Buffer.from([0]), { maxSamples: 0, maxBytes: 0 }).map((piece) => piece.rawBytes)).toEqual([
      0,
    ]);
  });

  it('leaves a TimeSeries that is over a limit alone in its piece', () => {
    const label = bytesField(1, Buffer.concat([bytesField(1, Buffer.from('a')), bytesField(2, Buffer.from('b'))]));
    const series = (samples: number): Buffer =>
      bytesField(1, Buffer.concat([label, ...Array.from({ length: samples }, () => Buffer.from('12021001', 'hex'))]));
    const raw = Buffer.concat([series(1), series(9), series(0), series(2)]);
    const pieces = splitBody(kernel, compressSync(raw), { maxSamples: 3, maxBytes: 1e6 });
    expect(pieces.map((piece) => piece.samples)).toEqual([1, 9, 2]);
    expect(pieces.map((piece) => piece.series)).toEqual([1, 1, 2]);
  });

  it('refuses a TimeSeries whose encoding exceeds max_body_bytes, and says what to do', () => {
    // It came smaller than it would be encoded: two equal parts more than 64 KiB apart, beyond the encoder's window.
    const part = noise(120_000);
    const label = bytesField(1, bytesField(2, Buffer.concat([part, part])));
    const raw = Buffer.concat([bytesField(1, label), bytesField(1, bytesField(1, bytesField(2, Buffer.from('x'))))]);
    const copies = Array.from({ length: 120_000 / 64 }, () => Buffer.from('ffc0d40100', 'hex'));
    const headBytes = raw.indexOf(Buffer.from(part)) + part.length;
    const head = raw.subarray(0, headBytes);
    const tail = raw.subarray(headBytes + part.length);
    const length = Buffer.from([(raw.length & 127) | 128, ((raw.length >> 7) & 127) | 128, raw.length >> 14]);
    const body = Buffer.concat([length, literal(head), ...copies, literal(tail)]);
    expect(Buffer.from(uncompress(body)).equals(raw)).toBe(true);
    const small = new Kernel({ maxBodyBytes: body.length, maxDecodedBytes: 1 << 20 });
    const error = requestErrorOf(() => splitBody(small, body, { maxSamples: 100, maxBytes: 1000 }));
    expect(error.code).toBe('BODY_TOO_LARGE');
    expect(error.message).toMatch(/240.* bytes.*limits\.max_body_bytes.*cannot be cut.*raise it/);
    expect(small.memoryBytes).toBeLessThanOrEqual(small.maxMemoryBytes);
  });
});
