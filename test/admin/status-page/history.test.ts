import { expect, test } from 'vitest';
import { History, HISTORY_POINTS } from '../../../src/admin/status-page/history.ts';
import { quantileMs, type Buckets } from '../../../src/admin/status-page/latency.ts';
import type { DestinationMetrics } from '../../../src/metrics/counts.ts';
import type { DestinationSnapshot } from '../../../src/metrics/destination-snapshot.ts';
import { makeDestinationMetrics } from '../../support/parcels.ts';
import { snapshotOf } from '../../support/snapshots.ts';

/** Makes the snapshot of a destination that sends with three of four shards while samples wait. */
function shown(metrics: DestinationMetrics): DestinationSnapshot {
  return snapshotOf(metrics, {
    queue: { capacityUsed: 77, capacity: 1000, keys: 1 },
    shards: { inFlight: 3 },
    health: { shards: 4, isDown: false, isolated: { size: 0 } },
  });
}

const NOTHING = snapshotOf(makeDestinationMetrics());

const upTo = (...counts: number[]): Buckets =>
  counts.map((count, index) => [[0.001, 0.01, 0.1, Infinity][index] ?? Infinity, count]);

test('rates cover the last seconds, and answers are counted by class', () => {
  const metrics = makeDestinationMetrics();
  const history = new History();
  for (let second = 0; second < 10; second += 1) {
    metrics.received += 100;
    if (second >= 5) metrics.delivered += 200;
    for (const code of ['200', '200', '202', '403', '429', '503', 'timeout']) metrics.countResponse(code);
    metrics.batches += 2;
    metrics.batchedParcels += 7;
    if (second > 0) metrics.observeDelivery('delivered', 0.5);
    history.record(second * 1000, shown(metrics));
  }
  expect(history.latest).toMatchObject({ at: 9, received: 100, delivered: 200, parcelsPerBatch: 3.5 });
  expect(history.latest).toMatchObject({ answersTaken: 3, answersRefused: 1, answersThrottled: 1, answersFailed: 2 });
  expect(history.latest).toMatchObject({ shards: 4, shardsBusy: 3, queued: 77, p50Ms: 0.5 });
  expect(history.columns().received).toEqual([0, 100, 100, 100, 100, 100, 100, 100, 100, 100]);
});

test('a quarter of an hour is kept, and no more', () => {
  const history = new History();
  for (let second = 0; second < HISTORY_POINTS + 50; second += 1) history.record(second * 1000, NOTHING);
  const { at } = history.columns();
  // Seconds of a quarter of an hour.
  expect(HISTORY_POINTS).toBe(900);
  expect([at.length, at[0], at.at(-1)]).toEqual([HISTORY_POINTS, 50, HISTORY_POINTS + 49]);
});

test('rejected samples are forgotten after a quarter of an hour', () => {
  const metrics = makeDestinationMetrics();
  const history = new History();
  history.record(0, shown(metrics));
  metrics.countRejected(400, 'other', { samples: 5, histograms: 0, sampleCount: 5 });
  history.record(1000, shown(metrics));
  expect(history.rejectedLately).toBe(5);
  for (let second = 2; second < HISTORY_POINTS + 2; second += 1) history.record(second * 1000, shown(metrics));
  expect(history.rejectedLately).toBe(0);
});

test('a quantile of the observations between two readings is interpolated in its bucket; without any there is none', () => {
  expect(quantileMs(0.5, upTo(10, 20, 20, 20), upTo(10, 10, 10, 10))).toBeCloseTo(5.5);
  expect(quantileMs(0.99, upTo(0, 0, 100, 100), upTo(0, 0, 0, 0))).toBeCloseTo(99.1);
  expect(quantileMs(0.99, upTo(0, 0, 0, 9), upTo(0, 0, 0, 0))).toBe(100);
  expect(quantileMs(0.5, upTo(3, 3, 3, 3), upTo(3, 3, 3, 3))).toBeNull();
  expect(quantileMs(0.5, [], [])).toBeNull();
});
