import { expect, test } from 'vitest';
import { DEFAULT_QUOTAS, RAISED_QUOTAS, type WorkspaceQuotas } from '../../../bench/scaling/amp-quotas.ts';
import { simulate } from '../../../bench/scaling/batching-simulation.ts';
import { DEPLOYMENT, mostParcels, plan, WORKLOAD, workspacesFor, type Workload } from '../../../bench/scaling/model.ts';

// Round figures, so that the expected ones can be worked out by hand.
const COSTS = { secondsPerRequest: 100e-6, secondsPerSample: 400e-9, secondsPerBatch: 500e-6, standingCores: 0 };
const MEMORY = { baseMb: 150, perMbHeld: 4 };
const TEN_MILLION: Workload = { ...WORKLOAD, activeSeries: 10_000_000, bytesPerSample: 60 };

test('10 M active series at 15 s are worked out as by hand', () => {
  const made = plan({ ...TEN_MILLION, scrapeIntervalSeconds: 10 }, DEPLOYMENT, COSTS, MEMORY);
  expect(made.samplesPerSecond).toBe(1_000_000);
  expect(made.requestsPerSecond).toBe(500); // 2000 samples each
  expect(made.parcelsPerBatch).toBe(2); // 4000 of 5000
  expect(made.upstreamRequestsPerSecond).toBe(250);
  expect(made.cores).toBeCloseTo(500 * 100e-6 + 0.4 + 250 * 500e-6, 9); // 0.575
  expect(made.replicas).toBe(2); // the least
  expect(made.upstreamInFlight).toBeCloseTo(250 * 0.05, 9); // Little
  expect(made.megabytesPerSecond).toBeCloseTo(60, 9);
  // 250 requests/s a replica: the first waits 4 ms for the second, then 50 ms for the upstream.
  expect(made.requestsInFlight).toBeCloseTo(500 * 0.054, 9);
  expect(made.heldMbPerProcess).toBeCloseTo((60 * 0.054) / 2, 9);
  expect(made.memoryMbPerReplica).toBeCloseTo(150 + 4 * 1.62, 9);
});

test('1000 M active series at 15 s are 66.7 M samples a second, and replicas have the reserve that is asked for', () => {
  const made = plan({ ...TEN_MILLION, activeSeries: 1e9 }, DEPLOYMENT, COSTS, MEMORY);
  expect(made.samplesPerSecond).toBeCloseTo(66_666_666.7, 0);
  expect(made.senders).toBe(1000);
  expect(made.utilisation).toBeLessThanOrEqual(0.6);
  expect(made.cores / (made.replicas - 1)).toBeGreaterThan(0.6);
});

test('the idle cost of a process counts for each one, and leaves less of the target', () => {
  const big = { ...TEN_MILLION, activeSeries: 1e8 };
  const without = plan(big, DEPLOYMENT, COSTS, MEMORY);
  const withIt = plan(big, DEPLOYMENT, { ...COSTS, standingCores: 0.1 }, MEMORY);
  expect(withIt.replicas).toBe(Math.ceil(without.cores / 0.5));
  expect(withIt.cores).toBeCloseTo(without.cores + 0.1 * withIt.replicas, 6);
});

test('workers share the work of a replica, and its memory grows with them', () => {
  const big = { ...TEN_MILLION, activeSeries: 1e9 };
  const single = plan(big, DEPLOYMENT, COSTS, MEMORY);
  const workers = plan(big, { ...DEPLOYMENT, processesPerReplica: 4 }, COSTS, MEMORY);
  expect(workers.replicas).toBe(Math.ceil(single.replicas / 4));
  expect(workers.memoryMbPerReplica).toBeGreaterThan(4 * MEMORY.baseMb);
});

test('HA pairs double what is sent and keep senders apart, but not what is stored', () => {
  const one = plan({ ...TEN_MILLION, activeSeries: 1e8 }, DEPLOYMENT, COSTS, MEMORY);
  const pairs = plan({ ...TEN_MILLION, activeSeries: 1e8, haPairs: true }, DEPLOYMENT, COSTS, MEMORY);
  expect(pairs.samplesPerSecond).toBe(2 * one.samplesPerSecond);
  expect(pairs.mergeKeys).toBe(200);
  expect(pairs.parcelsPerBatch).toBeLessThan(1.5);
  expect(pairs.workspacesByDefault.count).toBe(one.workspacesByDefault.count);
});

test('a request above max_samples_per_send is cut into as many as it needs', () => {
  const made = plan({ ...TEN_MILLION, samplesPerRequest: 12_000 }, DEPLOYMENT, COSTS, MEMORY);
  expect(made.upstreamRequestsPerSecond).toBeCloseTo(3 * made.requestsPerSecond, 9);
});

test('a batch holds whole requests, by samples and by bytes', () => {
  expect(mostParcels(DEPLOYMENT, 2000, 120_000)).toBe(2);
  expect(mostParcels(DEPLOYMENT, 500, 30_000)).toBe(10);
  expect(mostParcels(DEPLOYMENT, 500, 300_000)).toBe(3);
  expect(mostParcels(DEPLOYMENT, 10_000, 600_000)).toBe(0.5);
});

function stored(activeSeries: number, intervalSeconds: number, requestsPerSecond = 1): WorkspaceQuotas {
  return { activeSeries, samplesPerSecond: activeSeries / intervalSeconds, requestsPerSecond };
}

test('workspaces follow from the quota that asks for most', () => {
  // At 15 s the rate quota of 50,000,000 / 30 = 1.67 M samples a second is that of 25 M series.
  expect(workspacesFor(stored(25e6, 15), DEFAULT_QUOTAS)).toEqual({ count: 1, boundBy: 'activeSeries' });
  expect(workspacesFor(stored(26e6, 15), DEFAULT_QUOTAS)).toEqual({ count: 2, boundBy: 'samplesPerSecond' });
  expect(workspacesFor(stored(100e6, 15), DEFAULT_QUOTAS)).toEqual({ count: 4, boundBy: 'samplesPerSecond' });
  expect(workspacesFor(stored(100e6, 60), DEFAULT_QUOTAS)).toEqual({ count: 2, boundBy: 'activeSeries' });
  expect(workspacesFor(stored(1e9, 15, 16_667), RAISED_QUOTAS)).toEqual({ count: 6, boundBy: 'requestsPerSecond' });
});

test.each([
  [20, 50],
  [60, 50],
  [120, 50],
  [400, 50],
  [60, 100],
  [20, 300],
  [60, 300],
  [400, 300],
  [100, 1000],
])('requests meet as in the simulation, at %i requests a second and %i ms', (perSecond, latencyMs) => {
  const simulated = simulate({
    arrivals: 'poisson',
    connections: 500,
    requestsPerSecond: perSecond,
    samplesPerRequest: 500,
    mergeKeys: 1,
    upstreamLatencyMs: latencyMs,
    maxSamplesPerSend: 5000,
    batchSendDeadlineMs: 50,
    maxShards: 50,
    costs: COSTS,
    durationMs: 60_000,
    seed: 3,
  });
  const series = perSecond * 500 * 15 * DEPLOYMENT.leastReplicas;
  const workload = { ...TEN_MILLION, activeSeries: series, upstreamLatencySeconds: latencyMs / 1000 };
  const made = plan({ ...workload, samplesPerRequest: 500 }, DEPLOYMENT, COSTS, MEMORY);
  expect(made.replicas).toBe(2);
  expect(made.parcelsPerBatch / simulated.parcelsPerBatch).toBeGreaterThan(0.85);
  expect(made.parcelsPerBatch / simulated.parcelsPerBatch).toBeLessThan(1.15);
});
