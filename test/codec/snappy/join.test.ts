import * as fc from 'fast-check';
import { compressSync, uncompressSync } from 'snappy';
import { uncompress } from 'snappyjs';
import { describe, expect, test } from 'vitest';
import { Kernel } from '../../../src/codec/kernel.ts';
import { joinBodies, type JoinPart } from '../../../src/codec/snappy/join.ts';
import { PROPERTY_TIMEOUT_MS, runs } from '../../support/arbitrary-runs.ts';
import { arbitrarySnappyBlock } from '../../support/arbitrary-snappy.ts';
import { arbitraryWriteRequest } from '../../support/arbitrary-write-request.ts';
import { wireBody } from '../../support/wire-fixtures.ts';

const kernel = new Kernel({ maxBodyBytes: 1 << 20, maxDecodedBytes: 4 << 20 });

function part(body: Uint8Array): JoinPart {
  const { rawBytes, elementsAt } = kernel.scan(body);
  return { body, rawBytes, elementsAt };
}

/** A body of any elements; joining looks at nothing but its preamble. */
function opaquePart(body: Buffer): JoinPart {
  return { body, rawBytes: uncompress(body).length, elementsAt: body.findIndex((byte) => byte < 128) + 1 };
}

/** The tag of a sample's value and 0x7ff8000000000001 or 0x7ff0000000000002, lowest byte first. */
const ORDINARY_NAN = Buffer.from('09010000000000f87f', 'hex');
const STALE_MARKER = Buffer.from('09020000000000f07f', 'hex');

function occurrences(bytes: Buffer, of: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(of); at >= 0; at = bytes.indexOf(of, at + 1)) count += 1;
  return count;
}

function withStaleMarkers(raw: Buffer): Buffer {
  const changed = Buffer.from(raw);
  for (let at = raw.indexOf(ORDINARY_NAN); at >= 0; at = raw.indexOf(ORDINARY_NAN, at + 1))
    STALE_MARKER.copy(changed, at);
  return changed;
}

describe('joining bodies', () => {
  test('decodes, by both libraries, to the requests one after the other', { timeout: PROPERTY_TIMEOUT_MS }, () => {
    fc.assert(
      fc.property(fc.array(arbitraryWriteRequest(5), { maxLength: 6 }), (requests) => {
        const joined = joinBodies(requests.map(({ raw }) => part(compressSync(raw))));
        const expected = Buffer.concat(requests.map(({ raw }) => raw));
        expect(Buffer.from(uncompress(joined)).equals(expected)).toBe(true);
        expect(Buffer.from(uncompressSync(joined)).equals(expected)).toBe(true);
        const scan = kernel.scan(joined);
        expect(scan.samples).toBe(requests.reduce((sum, one) => sum + one.samples, 0));
      }),
      runs(100),
    );
  });

  test('joins blocks of every kind of element', { timeout: PROPERTY_TIMEOUT_MS }, () => {
    fc.assert(
      fc.property(fc.array(arbitrarySnappyBlock(20), { maxLength: 5 }), (blocks) => {
        const joined = joinBodies(blocks.map(({ body }) => opaquePart(body)));
        const expected = Buffer.concat(blocks.map(({ raw }) => raw));
        expect(Buffer.from(uncompressSync(joined)).equals(expected)).toBe(true);
      }),
      runs(100),
    );
  });

  test('keeps the NaNs of captured bodies bit by bit, and stale markers in their place', () => {
    const captured = ['prometheus-3.5-rw1-01', 'vmagent-1.145-rw1-02', 'prometheus-3.5-rw1-12'].map(wireBody);
    const raw = Buffer.concat(captured.map((body) => Buffer.from(uncompress(body))));
    const joined = Buffer.from(uncompressSync(joinBodies(captured.map(part))));
    expect(joined.equals(raw)).toBe(true);
    // The NaNs that the senders had to send were all of the ordinary kind: there is no stale marker in the captures.
    expect(occurrences(joined, ORDINARY_NAN)).toBe(14 + 26 + 3);
    expect(occurrences(joined, STALE_MARKER)).toBe(0);

    const stale = captured.map((body) => withStaleMarkers(Buffer.from(uncompress(body))));
    const joinedStale = Buffer.from(uncompressSync(joinBodies(stale.map((one) => part(compressSync(one))))));
    expect(joinedStale.equals(Buffer.concat(stale))).toBe(true);
    expect(occurrences(joinedStale, STALE_MARKER)).toBe(14 + 26 + 3);
  });

  test('gives back the body itself when there is one', () => {
    const body = wireBody('prometheus-3.5-rw1-12');
    expect(joinBodies([part(body)])).toBe(body);
    const bytes = new Uint8Array(body);
    expect(joinBodies([part(bytes)]).buffer).toBe(bytes.buffer);
  });

  test('writes to what the caller allocates, and asks for exactly the bytes', () => {
    const parts = [part(wireBody('prometheus-3.5-rw1-12')), part(wireBody('vmagent-1.145-rw1-02'))];
    const asked: Buffer[] = [];
    const joined = joinBodies(parts, (bytes) => {
      const memory = Buffer.alloc(bytes, 0xee);
      asked.push(memory);
      return memory;
    });
    expect(asked[0]).toBe(joined);
    expect(joined.equals(joinBodies(parts))).toBe(true);
  });

  test('makes an empty request of none', () => {
    expect(joinBodies([])).toEqual(Buffer.from([0]));
  });

  test('refuses to declare more than a block can', () => {
    const half = { body: Buffer.alloc(2), rawBytes: 2 ** 31, elementsAt: 1 };
    expect(() => joinBodies([half, half])).toThrow(RangeError);
  });
});
