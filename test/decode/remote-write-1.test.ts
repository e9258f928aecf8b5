import { describe, expect, test } from 'vitest';
import { BufferPool, type Lease } from '../../src/memory/buffer-pool.ts';
import { Kernel } from '../../src/codec/kernel.ts';
import { decodeInSteps, decodeWriteRequest, isSmall } from '../../src/decode/remote-write-1.ts';
import { finish } from '../../src/platform/steps.ts';
import { RequestError } from '../../src/outcome/errors.ts';
import { bytesField, field, varint } from '../support/arbitrary-write-request.ts';
import { compress, encodeBody, encodeHistogram, type LabelSet } from '../support/sandbox-request.ts';
import { HOSTILE_KINDS, type HostileLimits } from '../support/hostile-bodies.ts';
import { requestErrorOf } from '../support/request-error-of.ts';
import { WIRE_NAMES, wireBody } from '../support/wire-fixtures.ts';

const kernel = new Kernel({ maxBodyBytes: 1 << 20, maxDecodedBytes: 1 << 24 });
const pool = new BufferPool(1 << 20);

function lend(body: Buffer): Lease {
  const lease = pool.take(body.length);
  lease.buffer.set(body);
  return lease;
}

type Contents = ReturnType<typeof decodeWriteRequest>;
const decode = (body: Buffer): Contents => decodeWriteRequest(kernel, lend(body));

/** The key of a request with one series for each label set. */
function keyOf(...sets: readonly LabelSet[]): string {
  return decode(encodeBody(sets.map((labels) => ({ labels, samples: [[1000, 1]] })))).dedupKey;
}

const replica = (cluster: string, name: string): LabelSet => ({ __name__: 'up', cluster, __replica__: name });

function refusalOf(body: Buffer): RequestError {
  try {
    decode(body);
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

const SERIES = bytesField(
  1,
  bytesField(1, Buffer.concat([bytesField(1, Buffer.from('a')), bytesField(2, Buffer.from('b'))])),
);
const UNKNOWN = bytesField(19, Buffer.from('whatever'));

describe('counts', () => {
  test('samples, histograms, exemplars, metadata and the latest time are those that were encoded', () => {
    const body = encodeBody(
      [
        {
          labels: { __name__: 'a' },
          samples: [
            [5000, 1],
            [7000, 2],
          ],
          exemplars: [[9000, 1]],
        },
        { labels: { __name__: 'b' }, samples: [[6000, 3]], histograms: [encodeHistogram(8000)] },
      ],
      [{ family: 'a', type: 1, help: 'what a is' }],
    );
    const counts = { series: 2, samples: 3, histograms: 1, exemplars: 1, metadata: 1, maxTimestampMs: 8000 };
    expect(decode(body)).toMatchObject(counts);
  });

  test('an empty WriteRequest has nothing, and no time', () => {
    const contents = decode(Buffer.from([0]));
    expect(contents).toMatchObject({ rawBytes: 0, elementsAt: 1, series: 0, samples: 0, dedupKey: '' });
    expect(contents.maxTimestampMs).toBeNaN();
  });

  test('the parcel gets the lease that was given, untouched', () => {
    const body = encodeBody([{ labels: { __name__: 'a' }, samples: [[1, 1]] }]);
    const lease = lend(body);
    expect(decodeWriteRequest(kernel, lease).lease).toBe(lease);
    expect(lease.buffer.equals(body)).toBe(true);
  });

  test('the results of one request stay valid after the kernel has scanned the next', () => {
    const first = decode(encodeBody([{ labels: replica('one', 'a'), samples: [[1, 1]] }]));
    const { dedupKey, samples } = { ...first };
    decode(
      encodeBody([
        {
          labels: replica('other', 'b'),
          samples: [
            [1, 1],
            [2, 1],
          ],
        },
      ]),
    );
    expect(first).toMatchObject({ dedupKey, samples });
  });
});

describe('merge keys', () => {
  test('requests of one cluster and replica share a key', () => {
    expect(keyOf(replica('eks', 'a'))).toBe(keyOf(replica('eks', 'a'), replica('gke', 'b')));
  });

  test.each<[string, LabelSet, LabelSet]>([
    ['two replicas of a cluster', replica('eks', 'a'), replica('eks', 'b')],
    ['one replica name in two clusters', replica('eks', 'a'), replica('gke', 'a')],
    ['names that are the same when written one after the other', replica('ab', 'c'), replica('a', 'bc')],
    ['names that hold what separates them', replica('1:a', 'b'), replica('1', ':ab')],
    ['a replica and a plain sender', replica('eks', 'a'), { __name__: 'up' }],
    ['names that differ in bytes that are no ASCII', replica('é', 'a'), replica('è', 'a')],
    ['long names that differ in their last byte', replica('x'.repeat(5000), 'a'), replica(`${'x'.repeat(4999)}y`, 'a')],
    ['long names that differ in where one ends', replica('x'.repeat(400), 'y'), replica('x'.repeat(399), 'xy')],
    ['a long replica and another', replica('a', 'x'.repeat(500)), replica('a', `${'x'.repeat(499)}y`)],
  ])('%s do not share a key', (_what, one, other) => {
    expect(keyOf(one)).not.toBe(keyOf(other));
  });

  test.each<[string, LabelSet]>([
    ['only a cluster', { __name__: 'up', cluster: 'eks' }],
    ['only a replica', { __name__: 'up', __replica__: 'a' }],
    ['an empty replica', replica('eks', '')],
    ['an empty cluster', replica('', 'a')],
    ['labels that are nearly those', { __name__: 'up', clusters: 'eks', __replica: 'a' }],
  ])('a request with %s is not deduplicated, and is joined with any other such', (_what, labels) => {
    expect(keyOf(labels)).toBe(keyOf({ __name__: 'other' }));
  });

  test('the first series decides, as in Cortex, whatever the others have', () => {
    expect(keyOf({ __name__: 'up' }, replica('eks', 'a'))).toBe(keyOf({ __name__: 'up' }));
  });

  test('a key is short however long the names are, and the same for the same names', () => {
    const long = replica('c'.repeat(100_000), 'r'.repeat(100_000));
    expect(keyOf(long).length).toBeLessThanOrEqual(300);
    expect(keyOf(long)).toBe(keyOf(long));
  });
});

describe('unknown fields', () => {
  test('are counted, so that a request with one is joined with no other', () => {
    expect(decode(compress(Buffer.concat([SERIES, UNKNOWN, UNKNOWN])))).toMatchObject({ unknownFields: 2 });
    expect(decode(compress(SERIES))).toMatchObject({ unknownFields: 0 });
  });

  test('a request with one is taken with what is known of it', () => {
    expect(decode(compress(Buffer.concat([UNKNOWN, SERIES])))).toMatchObject({ series: 1 });
  });

  test.each([
    ['bytes', UNKNOWN],
    ['a varint', field(20, 0, varint(7))],
    ['two of them', Buffer.concat([UNKNOWN, UNKNOWN])],
    ['field 2, which Cortex keeps for itself', field(2, 0, varint(1))],
  ])('a request of nothing but %s is 400, as nothing of it would arrive', (_what, raw) => {
    const error = refusalOf(compress(raw));
    expect([error.code, error.httpStatus]).toEqual(['BODY_NOT_WRITE_REQUEST', 400]);
  });

  test('metadata alone is something', () => {
    const body = encodeBody([], [{ family: 'a', type: 1, help: 'what a is' }]);
    expect(decode(body)).toMatchObject({ series: 0, metadata: 1 });
  });

  test('metadata beside an unknown field is accepted, and what is known of it is counted', () => {
    const metadata = bytesField(3, Buffer.concat([field(1, 0, varint(1)), bytesField(2, Buffer.from('up'))]));
    for (const parts of [
      [metadata, UNKNOWN],
      [UNKNOWN, metadata],
    ]) {
      const contents = decode(compress(Buffer.concat(parts)));
      expect(contents).toMatchObject({ series: 0, samples: 0, metadata: 1, unknownFields: 1 });
    }
  });

  test.each(WIRE_NAMES.filter((name) => name.includes('-rw2-')))(
    '%s, remote write 2.0 in 1.0 clothes, is 400',
    (name) => {
      const error = refusalOf(wireBody(name));
      expect(error.httpStatus).toBe(400);
    },
  );

  test.each(WIRE_NAMES.filter((name) => name.includes('-rw1-')))(
    '%s, of a real sender, has no unknown field',
    (name) => {
      expect(decode(wireBody(name)).unknownFields).toBe(0);
    },
  );
});

test('a series without labels is 400 by its own name', () => {
  const raw = Buffer.concat([SERIES, bytesField(1, bytesField(2, field(2, 0, varint(1000))))]);
  expect(refusalOf(compress(raw)).code).toBe('SERIES_WITHOUT_LABELS');
});

test('the caller still owns its lease when the body is invalid', () => {
  const lease = lend(Buffer.from('hello, world'));
  expect(() => decodeWriteRequest(kernel, lease)).toThrow(RequestError);
  const idleBytes = pool.idleBytes;
  lease.release();
  expect(pool.idleBytes).toBeGreaterThan(idleBytes);
});

function longCopies(limits: HostileLimits): Buffer {
  const kind = HOSTILE_KINDS.find(({ name }) => name === 'long copies that repeat one byte');
  return kind?.make(limits) ?? Buffer.alloc(0);
}

function declaring(rawBytes: number, bytes: number): Buffer {
  return Buffer.concat([varint(rawBytes), Buffer.alloc(bytes)]);
}

function withFirst(body: Buffer, added: number): Buffer {
  body.writeUInt8(body.readUInt8(0) + added, 0);
  return body;
}

describe('a body that is decoded in steps', () => {
  const large = new Kernel({ maxBodyBytes: 10 << 20, maxDecodedBytes: 64 << 20 });

  test.each(WIRE_NAMES.filter((name) => name.includes('-rw1-')))(
    '%s holds the same as when it is decoded at once',
    (name) => {
      const body = wireBody(name);
      const { lease, ...contents } = decode(body);
      expect(finish(decodeInSteps(large, lease))).toEqual({ lease, ...contents });
    },
  );

  test('of 40 MiB takes many, and is refused in the end as it would be at once', () => {
    const body = lend(longCopies({ bodyBytes: 8 << 20, rawBytes: 40 << 20 }));
    const steps = decodeInSteps(large, body);
    let taken = 0;
    const error = requestErrorOf(() => {
      for (; steps.next().done !== true; taken += 1);
    });
    expect(error.code).toBe('BODY_NOT_WRITE_REQUEST');
    expect(error.message).toBe(requestErrorOf(() => decodeWriteRequest(large, body)).message);
    expect(taken).toBeGreaterThan(20);
    expect(large.memoryBytes).toBeLessThanOrEqual(large.maxMemoryBytes);
  });

  test.each([
    ['that declares a byte less than it holds', (body: Buffer) => withFirst(body, -1)],
    ['that declares a byte more than it holds', (body: Buffer) => withFirst(body, 1)],
    ['whose last copy is cut off', (body: Buffer) => body.subarray(0, -1)],
  ])('%s is refused as it would be at once', (_what, damage) => {
    const body = damage(longCopies({ bodyBytes: 8 << 20, rawBytes: 9_000_000 }));
    const error = requestErrorOf(() => finish(decodeInSteps(large, lend(body))));
    expect(error.message).toBe(requestErrorOf(() => decodeWriteRequest(large, lend(body))).message);
    expect(error.code).toBe('BODY_NOT_SNAPPY');
  });

  test('is not decoded on when another has used the kernel', () => {
    const body = lend(longCopies({ bodyBytes: 8 << 20, rawBytes: 40 << 20 }));
    const steps = decodeInSteps(large, body);
    steps.next();
    requestErrorOf(() => decodeWriteRequest(large, body));
    expect(() => finish(steps)).toThrow('used by two callers at once');
  });

  test('is one that is large, compressed or decoded', () => {
    expect(isSmall(declaring(4 << 20, (1 << 20) - 4))).toBe(true);
    expect(isSmall(declaring((4 << 20) + 1, 1 << 19))).toBe(false);
    expect(isSmall(declaring(1, 1 << 20))).toBe(false);
    expect(isSmall(Buffer.alloc(0))).toBe(true);
  });
});
