import fc from 'fast-check';
import { expect, test } from 'vitest';
import { simulate, type Traffic } from '../../../bench/scaling/batching-simulation.ts';
import { EventQueue } from '../../../bench/scaling/event-queue.ts';

const FREE = { secondsPerRequest: 0, secondsPerSample: 0, secondsPerBatch: 0, standingCores: 0 };
const TRAFFIC: Traffic = {
  arrivals: 'even',
  connections: 200,
  requestsPerSecond: 100,
  samplesPerRequest: 500,
  mergeKeys: 1,
  upstreamLatencyMs: 20,
  maxSamplesPerSend: 5000,
  batchSendDeadlineMs: 50,
  maxShards: 50,
  costs: FREE,
  durationMs: 20_000,
  seed: 7,
};

test('a request every 10 ms that waits 50 ms shares its batch with the five that come meanwhile', () => {
  const { parcelsPerBatch, addedMs } = simulate({ ...TRAFFIC, requestsPerSecond: 100.001 });
  expect(parcelsPerBatch).toBeCloseTo(6, 1);
  // They wait 50, 40, ... 0 ms.
  expect(addedMs.mean).toBeCloseTo(25, 0);
});

test.each([100, 200, 300, 500])('the batch is the same when the upstream takes %i ms', (upstreamLatencyMs) => {
  const { parcelsPerBatch } = simulate({ ...TRAFFIC, requestsPerSecond: 100.001, upstreamLatencyMs });
  expect(parcelsPerBatch).toBeCloseTo(6, 0);
});

test('a batch that is full does not wait', () => {
  const { samplesPerBatch, addedMs } = simulate({ ...TRAFFIC, requestsPerSecond: 1000 });
  expect(samplesPerBatch).toBe(5000);
  expect(addedMs.p99).toBeCloseTo(9, 6); // the first of ten, a millisecond apart
});

test('a single sender never waits: nobody else can come', () => {
  const { parcelsPerBatch, addedMs } = simulate({
    ...TRAFFIC,
    arrivals: 'prometheus',
    connections: 1,
    requestsPerSecond: 2,
  });
  expect(parcelsPerBatch).toBe(1);
  expect(addedMs.p99).toBeCloseTo(0, 6);
});

test('senders of merge keys of their own are never joined', () => {
  const traffic = {
    ...TRAFFIC,
    arrivals: 'prometheus',
    connections: 40,
    mergeKeys: 40,
    requestsPerSecond: 80,
  } as const;
  expect(simulate(traffic).parcelsPerBatch).toBe(1);
  expect(simulate({ ...traffic, mergeKeys: 1 }).parcelsPerBatch).toBeGreaterThan(2);
});

test("requests per second in a closed loop are the connections divided by the time of a round, by Little's law", () => {
  const { requestsPerSecond, latencyMs } = simulate({
    ...TRAFFIC,
    arrivals: 'closed',
    connections: 10,
    upstreamLatencyMs: 100,
  });
  expect(latencyMs.p50).toBeGreaterThanOrEqual(100);
  expect(requestsPerSecond / (10 / (latencyMs.p50 / 1000))).toBeCloseTo(1, 1);
});

test('one event loop does no more than a second of work in a second', () => {
  const costs = { ...FREE, secondsPerRequest: 1e-3 };
  const { requestsPerSecond, utilisation } = simulate({ ...TRAFFIC, arrivals: 'closed', upstreamLatencyMs: 0, costs });
  expect(requestsPerSecond).toBeGreaterThan(950);
  // A turn of all 200 connections may stand at either end of the 18 s that count.
  expect(requestsPerSecond).toBeLessThanOrEqual(1000 + 200 / 18 + 1);
  expect(Math.abs(utilisation - 1)).toBeLessThanOrEqual(0.2 / 18);
});

test('every request is answered, none before the upstream has, none later than deadline and upstream allow', () => {
  const arrivals = fc.constantFrom('even' as const, 'poisson' as const, 'prometheus' as const);
  const rate = fc.integer({ min: 5, max: 400 });
  fc.assert(
    fc.property(
      arrivals,
      rate,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 1e6 }),
      (kind, perSecond, keys, seed) => {
        const traffic = { ...TRAFFIC, arrivals: kind, requestsPerSecond: perSecond, mergeKeys: keys, seed };
        const { requestsPerSecond, addedMs, mostInFlight } = simulate({ ...traffic, durationMs: 12_000 });
        expect(addedMs.p50).toBeGreaterThanOrEqual(-1e-6);
        // Batches that must wait for a shard at the start of the run are answered long before the figures begin.
        expect(addedMs.p99).toBeLessThanOrEqual(50 + 40);
        expect(requestsPerSecond).toBeGreaterThan(perSecond * 0.6);
        expect(mostInFlight).toBeLessThanOrEqual(50);
      },
    ),
    { numRuns: 40 },
  );
});

test('the same seed gives the same figures, another seed others', () => {
  const traffic = { ...TRAFFIC, arrivals: 'poisson' } as const;
  expect(simulate(traffic)).toEqual(simulate(traffic));
  expect(simulate({ ...traffic, seed: 8 })).not.toEqual(simulate(traffic));
});

test('events come out by their time, those of one time in the order in which they were added', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (times) => {
      const queue = new EventQueue<number>();
      for (const [index, atMs] of times.entries()) queue.add(atMs, index);
      const expected = times
        .map((atMs, index) => ({ atMs, index }))
        .toSorted((a, b) => a.atMs - b.atMs || a.index - b.index);
      const early = queue.takeUntil(10);
      expect([...early, ...queue.takeUntil(Infinity)]).toEqual(expected.map(({ index }) => index));
      expect(early).toHaveLength(times.filter((atMs) => atMs <= 10).length);
      expect(queue.nextAtMs).toBe(Infinity);
    }),
  );
});
