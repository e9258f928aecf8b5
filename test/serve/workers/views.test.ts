import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { parseConfig } from '../../../src/config/load.ts';
import { DestinationMetrics } from '../../../src/metrics/counts.ts';
import { exposeDestinations } from '../../../src/metrics/destination-exposition.ts';
import { emptySnapshot, type DestinationSnapshot } from '../../../src/metrics/destination-snapshot.ts';
import { DestinationsView } from '../../../src/serve/workers/destinations-view.ts';
import type { SenderReport, WorkerReport } from '../../../src/serve/workers/messages.ts';
import { SendersView } from '../../../src/serve/workers/senders-view.ts';
import { Exposition } from '../../support/exposition.ts';
import { EMPTY_REPORT } from '../../support/fake-workers.ts';
import { snapshotOf } from '../../support/snapshots.ts';

const URL = 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-EXAMPLE/api/v1/remote_write';
const { config } = parseConfig(`remote_write: [{url: "${URL}"}]`, {});

const NOTHING = emptySnapshot('default', URL);

function reportOf(destination: Partial<DestinationSnapshot>): WorkerReport {
  return { ...EMPTY_REPORT, destinations: [{ ...NOTHING, ...destination }] };
}

function withoutCredentials(lastError: string): Pick<DestinationSnapshot, 'credentials'> {
  return { credentials: { ...NOTHING.credentials, valid: false, lastError } };
}

const only = ([snapshot]: readonly DestinationSnapshot[]): DestinationSnapshot => {
  if (snapshot === undefined) throw new Error('there is one entry');
  return snapshot;
};

const until = (expirationSeconds: number) =>
  reportOf({ credentials: { ...NOTHING.credentials, expirationSeconds, refreshes: 1 } });

const took = (...elapsedMs: readonly number[]): WorkerReport => {
  const metrics = new DestinationMetrics('default', URL);
  for (const ms of elapsedMs) metrics.observeDelivery('delivered', ms);
  return { ...EMPTY_REPORT, destinations: [snapshotOf(metrics)] };
};

function viewOf(reports: readonly WorkerReport[]) {
  const view = new DestinationsView(config.remote_write, () => reports);
  return { view, all: () => only(view.snapshots()), working: () => only(view.snapshotsOfWorking()) };
}

test('destinations are added up: totals, what is now, and the worst of what may be wrong', () => {
  const snapshot = viewOf([
    reportOf({
      shards: 3,
      received: 10,
      rejected: [{ status: 400, reason: 'too_old', samples: 1 }],
      responses: [['200', 5]],
    }),
    reportOf({
      shards: 4,
      isDown: true,
      clockSkewMs: -700,
      failing: '503',
      received: 5,
      rejected: [{ status: 400, reason: 'too_old', samples: 2 }],
      responses: [['503', 1]],
      ...withoutCredentials('none'),
    }),
  ]).all();
  expect(snapshot).toMatchObject({ name: 'default', url: URL, received: 15 });
  expect(snapshot.rejected).toEqual([{ status: 400, reason: 'too_old', samples: 3 }]);
  expect(new Map(snapshot.responses)).toEqual(new Map(Object.entries({ '200': 5, '503': 1 })));
  expect(snapshot.shards).toBe(7);
  expect(snapshot.isDown).toBe(true);
  expect(snapshot.clockSkewMs).toBe(-700);
  expect(snapshot.failing).toBe('503');
  expect(snapshot.credentials).toMatchObject({ valid: false, lastError: 'none' });
});

test('the credentials that expire first are those of all; one that knows no end does not count', () => {
  const { credentials } = viewOf([until(0), until(1_700_000_900), until(1_700_000_300)]).all();
  expect(credentials).toMatchObject({ valid: true, expirationSeconds: 1_700_000_300, refreshes: 3 });
});

test('a worker that waits for credentials tells why, and does not count as the state of all while another signs', () => {
  const waiting = { ...reportOf(withoutCredentials('no token')), listening: false };
  const both = viewOf([reportOf({}), waiting]);
  expect(both.working().credentials).toMatchObject({ valid: true, lastError: 'no token' });
  expect(both.all().credentials, 'one of them has none').toMatchObject({ valid: false, lastError: 'no token' });
  expect(viewOf([waiting]).working().credentials.valid).toBe(false);
});

test('totals of a worker that is gone stay; what it held is refused, and its shards are no more', () => {
  const { view, all } = viewOf([reportOf({ shards: 2, received: 4, delivered: 4 })]);
  view.retire(reportOf({ shards: 9, received: 10, delivered: 6, pending: 4, refused: [] }));
  expect(all()).toMatchObject({ received: 14, delivered: 10, pending: 0 });
  expect(all().refused).toEqual([['worker_died', 4]]);
  expect(all().shards).toBe(2);
});

test('delivery times of all workers are one histogram, those that are gone included', () => {
  const { view, all } = viewOf([took(500, 1500), took(750, 60_000)]);
  view.retire(took(250));
  const { counts, sum } = all().delivery.delivered;
  // At most 250 ms, 500 ms, 1 s, 2.5 s, and above the last bound.
  expect([counts[7], counts[8], counts[9], counts[10], counts.at(-1)]).toEqual([1, 1, 1, 1, 1]);
  expect(sum).toBe(0.25 + 0.5 + 1.5 + 0.75 + 60);
});

test('no sum of seconds goes back by a rounding when a worker is gone', () => {
  // Added in another order, 0.6000000000000001 becomes 0.6.
  const workers = [100, 200, 300].map((ms) => {
    const metrics = new DestinationMetrics('default', URL);
    metrics.observeAttempt(ms);
    return { ...EMPTY_REPORT, destinations: [snapshotOf(metrics)] };
  });
  const living = [...workers];
  const { view, all } = viewOf(living);
  const before = all().sentBatch.sum;
  expect(before).toBeCloseTo(0.6, 5);
  for (const gone of workers) {
    living.shift();
    view.retire(gone);
    expect(all().sentBatch.sum).toBe(before);
  }
});

test('a snapshot is the same after its way through JSON', () => {
  const metrics = new DestinationMetrics('default', URL);
  metrics.countRejected(400, 'too_old', { samples: 1, histograms: 1, sampleCount: 2 });
  metrics.observeBatch(3, 200);
  const snapshot = snapshotOf(metrics);
  expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
});

test('a problem that several workers have is one, and the latest is first', () => {
  const problem = { sender: '', message: '', count: 1, firstAtMs: 5, lastAtMs: 6 };
  const { problems } = viewOf([
    reportOf({ problems: [{ ...problem, code: '429', count: 2, firstAtMs: 3, lastAtMs: 20, message: 'late' }] }),
    reportOf({
      problems: [
        { ...problem, code: '503', lastAtMs: 10 },
        { ...problem, code: '429' },
      ],
    }),
  ]).all();
  expect(problems).toEqual([
    { ...problem, code: '429', count: 3, firstAtMs: 3, lastAtMs: 20, message: 'late' },
    { ...problem, code: '503', lastAtMs: 10 },
  ]);
});

test('pending requests of a worker that is gone count as refused, and the ledger stays balanced', async () => {
  const place = { remote_name: 'default', url: URL };
  const destination = new DestinationMetrics(place.remote_name, place.url);
  Object.assign(destination, { received: 100, delivered: 60, pending: 33 });
  destination.refused.set('queue_full', 7);
  const { view } = viewOf([]);
  const last = { ...EMPTY_REPORT, destinations: [snapshotOf(destination)] };
  view.retire(last);
  view.retire(last);
  const registry = new Registry();
  exposeDestinations(registry, () => view.snapshots());
  const gone = new Exposition(await registry.metrics());
  const refused = 'amp_write_proxy_samples_refused_total';
  expect(gone.sum('amp_write_proxy_samples_received_total')).toBe(200);
  expect(gone.sum(refused, { ...place, reason: 'worker_died' })).toBe(66);
  expect(gone.sum(refused)).toBe(80);
  expect(gone.sum('amp_write_proxy_samples_pending')).toBe(0);
});

const SENDER: SenderReport = {
  address: '10.0.0.1',
  connections: 1,
  requests: 0,
  samples: 0,
  lastStatus: 0,
  lastRefusal: '',
  isolatedAgoMs: undefined,
};

function sendersOf(slots: Readonly<Record<number, readonly Partial<SenderReport>[]>>) {
  return new Map(
    Object.entries(slots).map(([slot, senders]): [number, WorkerReport] => [
      Number(slot),
      { ...EMPTY_REPORT, senders: senders.map((sender) => ({ ...SENDER, ...sender })) },
    ]),
  );
}

test('a sender is one, whatever workers have its connections, and its counts never fall', () => {
  const shown = new SendersView();
  const read = (slots: Parameters<typeof sendersOf>[0], nowMs = 0) => [...shown.read(sendersOf(slots), nowMs)];
  const [first] = read({ 1: [{ requests: 5, samples: 50, connections: 2 }], 2: [{ requests: 3, samples: 30 }] });
  expect(first).toMatchObject({ address: '10.0.0.1', connections: 3, requests: 8, samples: 80 });
  // The second worker's connections ended, and the first began to count it anew.
  const [second] = read({ 1: [{ requests: 2, samples: 20, lastStatus: 503, lastRefusal: 'no' }] });
  expect(second).toBe(first);
  expect(second).toMatchObject({ connections: 1, requests: 10, samples: 100, lastStatus: 503, lastRefusal: 'no' });
  expect(read({ 1: [] })).toEqual([]);
  expect(read({ 2: [{ requests: 1 }] })[0]).not.toBe(first);
});

test("the time of a sender's isolation is given in the clock of the reader", () => {
  const shown = new SendersView();
  const [never] = shown.read(sendersOf({ 1: [{}] }), 1_000);
  expect(never?.isolatedAtMs).toBe(-Infinity);
  const [apart] = shown.read(sendersOf({ 1: [{}], 2: [{ isolatedAgoMs: 300 }] }), 5_000);
  expect(apart?.isolatedAtMs).toBe(4_700);
});
