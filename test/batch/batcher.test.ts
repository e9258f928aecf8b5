import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Batcher, type Batch } from '../../src/batch/batcher.ts';
import { uniqueKey } from '../../src/parcel/merge-key.ts';
import { ParcelQueue } from '../../src/batch/parcel-queue.ts';
import type { Parcel } from '../../src/parcel/parcel.ts';
import { DELIVERED } from '../../src/outcome/outcome.ts';
import { makeParcel } from '../support/parcels.ts';

const WAIT_MS = 50;
const LIMITS = { maxSamples: 100, maxBytes: 1000 };

function makeBatcher(limits = LIMITS, waitMs = WAIT_MS): { batcher: Batcher; queue: ParcelQueue } {
  const queue = new ParcelQueue(1_000_000);
  return { batcher: new Batcher(queue, limits, waitMs), queue };
}

function add(batcher: Batcher, nowMs: number, shape: Parameters<typeof makeParcel>[0]): Parcel {
  const parcel = makeParcel({ ...shape, queuedAtMs: nowMs });
  expect(batcher.tryAdd(parcel, nowMs)).toBe(true);
  return parcel;
}

test('a lone parcel waits until its deadline for others to share its batch', () => {
  const { batcher } = makeBatcher();
  const parcel = add(batcher, 0, {});
  expect(batcher.nextDueAtMs('shared')).toBe(WAIT_MS);
  expect(batcher.tryTake('shared', WAIT_MS - 1)).toBeUndefined();
  expect(batcher.tryTake('shared', WAIT_MS)).toEqual({ parcels: [parcel], lane: 'shared' });
  expect(batcher.tryTake('shared', WAIT_MS)).toBeUndefined();
  expect(batcher.nextDueAtMs('shared')).toBeUndefined();
});

test('a batch could be taken once its wait is over, whether or not anybody looked', () => {
  const { batcher } = makeBatcher();
  add(batcher, 0, {});
  expect(batcher.hasReady(WAIT_MS - 1)).toBe(false);
  expect(batcher.hasReady(WAIT_MS)).toBe(true);
  batcher.tryTake('shared', WAIT_MS);
  expect(batcher.hasReady(WAIT_MS)).toBe(false);
  add(batcher, WAIT_MS, { samples: LIMITS.maxSamples });
  expect(batcher.hasReady(WAIT_MS)).toBe(true);
});

test('parcels of one key are joined in their order', () => {
  const { batcher } = makeBatcher();
  const parcels = [10, 20, 30].map((samples) => add(batcher, 0, { samples }));
  expect(batcher.tryTake('shared', WAIT_MS)?.parcels).toEqual(parcels);
});

test('parcels of different keys never share a batch', () => {
  const { batcher } = makeBatcher();
  const [a1, b1, a2] = ['a', 'b', 'a'].map((key) => add(batcher, 0, { key }));
  expect(batcher.tryTake('shared', WAIT_MS)?.parcels).toEqual([a1, a2]);
  expect(batcher.tryTake('shared', WAIT_MS)?.parcels).toEqual([b1]);
});

test('a batch filled by samples is ready at once', () => {
  const { batcher } = makeBatcher();
  add(batcher, 0, { samples: 60 });
  expect(batcher.tryTake('shared', 0)).toBeUndefined();
  add(batcher, 0, { samples: 40 });
  expect(batcher.tryTake('shared', 0)?.parcels).toHaveLength(2);
});

test('a batch filled by bytes is ready at once', () => {
  const { batcher } = makeBatcher();
  add(batcher, 0, { bytes: 500 });
  add(batcher, 0, { bytes: 500 });
  expect(batcher.tryTake('shared', 0)?.parcels).toHaveLength(2);
});

test('histograms count as samples do', () => {
  const { batcher } = makeBatcher();
  add(batcher, 0, { samples: 0, histograms: 60 });
  add(batcher, 0, { samples: 60, histograms: 0 });
  expect(batcher.tryTake('shared', 0)?.parcels).toHaveLength(1);
});

test('the parcel that would exceed a limit stays for the next batch', () => {
  const { batcher } = makeBatcher();
  const [first, second] = [add(batcher, 0, { samples: 60 }), add(batcher, 0, { samples: 60 })];
  expect(batcher.tryTake('shared', 0)?.parcels).toEqual([first]);
  expect(batcher.tryTake('shared', WAIT_MS - 1)).toBeUndefined();
  expect(batcher.tryTake('shared', WAIT_MS)?.parcels).toEqual([second]);
});

test('a parcel over a limit is alone in its batch and marked to be cut', () => {
  const { batcher } = makeBatcher();
  const big = add(batcher, 0, { samples: 101 });
  const small = add(batcher, 0, { samples: 1 });
  const heavy = add(batcher, 0, { samples: 1, bytes: 1001 });
  const batches: Batch[] = [];
  for (let batch = batcher.tryTake('shared', WAIT_MS); batch !== undefined; batch = batcher.tryTake('shared', WAIT_MS))
    batches.push(batch);
  expect(batches).toEqual([
    { parcels: [big], lane: 'shared' },
    { parcels: [small], lane: 'shared' },
    { parcels: [heavy], lane: 'shared' },
  ]);
});

test('a sender that floods cannot starve the others: ready keys take turns', () => {
  const { batcher } = makeBatcher();
  for (let index = 0; index < 10; index += 1) add(batcher, 0, { key: 'flood', samples: 100 });
  add(batcher, 0, { key: 'calm', samples: 100 });
  const keys = [batcher.tryTake('shared', 0), batcher.tryTake('shared', 0), batcher.tryTake('shared', 0)].map(
    (b) => b?.parcels[0]?.mergeKey.id,
  );
  expect(keys).toEqual(['flood', 'calm', 'flood']);
});

test('release makes everything ready that waits', () => {
  const { batcher } = makeBatcher();
  add(batcher, 0, { key: 'a' });
  add(batcher, 0, { key: 'b' });
  batcher.release();
  expect(batcher.nextDueAtMs('shared')).toBe(-Infinity);
  expect(
    [batcher.tryTake('shared', 0), batcher.tryTake('shared', 0), batcher.tryTake('shared', 0)].map(
      (batch) => batch?.parcels.length,
    ),
  ).toEqual([1, 1, undefined]);
});

test('a parcel settled while it waits is not taken', () => {
  const { batcher, queue } = makeBatcher();
  const parcels = [add(batcher, 0, {}), add(batcher, 0, {}), add(batcher, 0, {})];
  parcels[1]?.trySettle(DELIVERED);
  expect(batcher.tryTake('shared', WAIT_MS)?.parcels).toEqual([parcels[0], parcels[2]]);
  expect([queue.parcels, queue.capacityUsed]).toEqual([0, 0]);
});

test('a key of settled parcels only gives no batch and is forgotten', () => {
  const { batcher, queue } = makeBatcher();
  add(batcher, 0, { key: 'gone' }).trySettle(DELIVERED);
  const other = add(batcher, 0, { key: 'here' });
  expect(batcher.tryTake('shared', WAIT_MS)?.parcels).toEqual([other]);
  expect(queue.keys).toBe(0);
  // The key works again.
  const back = add(batcher, 100, { key: 'gone' });
  expect(batcher.tryTake('shared', 100 + WAIT_MS)?.parcels).toEqual([back]);
});

test('does not wait at all with a wait of 0', () => {
  const { batcher } = makeBatcher(LIMITS, 0);
  add(batcher, 7, {});
  expect(batcher.tryTake('shared', 7)?.parcels).toHaveLength(1);
});

test('refuses a parcel that exceeds the capacity of the queue', () => {
  const batcher = new Batcher(new ParcelQueue(10), LIMITS, WAIT_MS);
  expect(batcher.tryAdd(makeParcel({ samples: 10 }), 0)).toBe(true);
  expect(batcher.tryAdd(makeParcel({ samples: 1 }), 0)).toBe(false);
});

describe('a parcel that shares no batch', () => {
  test.each([
    ['unmergeable', 'shared'],
    ['unproven', 'suspect'],
    ['isolated', 'isolated'],
  ] as const)('because it is %s goes at once and alone, in the %s lane', (kind, lane) => {
    const { batcher } = makeBatcher();
    const waits = add(batcher, 0, {});
    const alone = [add(batcher, 0, { mergeKey: uniqueKey(kind) }), add(batcher, 0, { mergeKey: uniqueKey(kind) })];
    expect(batcher.nextDueAtMs(lane)).toBe(-Infinity);
    for (const parcel of alone) expect(batcher.tryTake(lane, 0)).toEqual({ parcels: [parcel], lane });
    expect(batcher.tryTake(lane, 0)).toBeUndefined();
    expect(batcher.tryTake('shared', WAIT_MS)?.parcels).toEqual([waits]);
  });

  test('is in its own lane only', () => {
    const { batcher } = makeBatcher();
    add(batcher, 0, { mergeKey: uniqueKey('isolated') });
    for (const lane of ['shared', 'suspect'] as const) {
      expect(batcher.nextDueAtMs(lane)).toBeUndefined();
      expect(batcher.tryTake(lane, WAIT_MS)).toBeUndefined();
    }
    expect(batcher.hasReady(WAIT_MS)).toBe(false);
  });

  test('leaves no key behind', () => {
    const { batcher, queue } = makeBatcher();
    add(batcher, 0, { mergeKey: uniqueKey('isolated') });
    add(batcher, 0, { mergeKey: uniqueKey('isolated') }).trySettle(DELIVERED);
    expect(batcher.tryTake('isolated', 0)?.parcels).toHaveLength(1);
    expect(batcher.tryTake('isolated', 0)).toBeUndefined();
    expect([queue.keys, queue.parcels, queue.capacityUsed]).toEqual([0, 0, 0]);
  });
});

test.each(['unproven', 'isolated'] as const)(
  'senders whose requests are %s take turns, so that one with many connections keeps no other waiting',
  (kind) => {
    const { batcher } = makeBatcher();
    const lane = kind === 'isolated' ? 'isolated' : 'suspect';
    for (let count = 0; count < 50; count += 1) add(batcher, 0, { mergeKey: uniqueKey(kind), sender: 'many' });
    for (let count = 0; count < 2; count += 1) add(batcher, 0, { mergeKey: uniqueKey(kind), sender: 'few' });
    const senders = Array.from({ length: 6 }, () => batcher.tryTake(lane, 0)?.parcels[0]?.sender);
    expect(senders).toEqual(['many', 'few', 'many', 'few', 'many', 'many']);
  },
);

/** One step of the random walk; time advances by `afterMs` first. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      afterMs: fc.nat(20),
      key: fc.constantFrom('', 'a', 'b', 'c'),
      samples: fc.oneof(fc.nat(40), fc.nat(150)),
      bytes: fc.oneof(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 1500 })),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const), afterMs: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('settle' as const), afterMs: fc.nat(5), which: fc.nat(200) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), afterMs: fc.nat(5) }) },
);

test('any sequence keeps the order per key, the keys apart and the limits, and takes each parcel exactly once', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
      const { batcher, queue } = makeBatcher();
      const added: Parcel[] = [];
      const taken: Parcel[] = [];
      const note = (batch: Batch): void => {
        const sampleCount = batch.parcels.reduce((total, parcel) => total + parcel.sampleCount, 0);
        const bytes = batch.parcels.reduce((total, parcel) => total + parcel.bodyBytes, 0);
        const over = sampleCount > LIMITS.maxSamples || bytes > LIMITS.maxBytes;
        expect(over && batch.parcels.length > 1).toBe(false);
        expect(new Set(batch.parcels.map((parcel) => parcel.mergeKey.id)).size).toBe(1);
        expect(batch.parcels.some((parcel) => parcel.settled)).toBe(false);
        taken.push(...batch.parcels);
      };
      let nowMs = 0;
      for (const each of steps) {
        nowMs += each.afterMs;
        if (each.kind === 'add') {
          added.push(add(batcher, nowMs, each));
        } else if (each.kind === 'take') {
          const batch = batcher.tryTake('shared', nowMs);
          if (batch !== undefined) note(batch);
        } else if (each.kind === 'settle') {
          const waiting = added.filter((parcel) => !taken.includes(parcel));
          waiting[each.which % Math.max(1, waiting.length)]?.trySettle(DELIVERED);
        } else {
          batcher.release();
        }
      }
      nowMs += 2 * WAIT_MS;
      for (let batch = batcher.tryTake('shared', nowMs); batch !== undefined; batch = batcher.tryTake('shared', nowMs))
        note(batch);
      expect(taken.length).toBe(new Set(taken).size);
      for (const key of ['', 'a', 'b', 'c']) {
        const expected = added.filter(
          (parcel) => parcel.mergeKey.id === key && (!parcel.settled || taken.includes(parcel)),
        );
        expect(taken.filter((parcel) => parcel.mergeKey.id === key)).toEqual(expected);
      }
      expect([queue.parcels, queue.capacityUsed, queue.keys]).toEqual([0, 0, 0]);
      expect(batcher.nextDueAtMs('shared')).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});

test('nothing waits longer than twice the wait when a shard is free at every due time, and mostly not longer than the wait', () => {
  const arrival = fc.record({
    afterMs: fc.nat(30),
    key: fc.constantFrom('a', 'b', 'c'),
    samples: fc.integer({ min: 1, max: 90 }),
  });
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 60, size: 'max' }), (arrivals) => {
      const { batcher } = makeBatcher();
      let longestMs = 0;
      const pumpAt = (nowMs: number): void => {
        for (
          let batch = batcher.tryTake('shared', nowMs);
          batch !== undefined;
          batch = batcher.tryTake('shared', nowMs)
        ) {
          longestMs = Math.max(longestMs, ...batch.parcels.map((parcel) => nowMs - parcel.queuedAtMs));
        }
      };
      const runUntil = (untilMs: number): void => {
        for (
          let due = batcher.nextDueAtMs('shared');
          due !== undefined && due <= untilMs;
          due = batcher.nextDueAtMs('shared')
        )
          pumpAt(due);
      };
      let nowMs = 0;
      for (const { afterMs, ...shape } of arrivals) {
        runUntil(nowMs + afterMs);
        nowMs += afterMs;
        add(batcher, nowMs, shape);
        pumpAt(nowMs);
      }
      runUntil(Infinity);
      expect(longestMs).toBeLessThanOrEqual(2 * WAIT_MS);
      expect(batcher.nextDueAtMs('shared')).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});
