import { expect, test } from 'vitest';
import { parseConfig } from '../../../src/config/load.ts';
import { NOTHING } from '../../../src/serve/workers/destination-sum.ts';
import { DestinationsView } from '../../../src/serve/workers/destinations-view.ts';
import type { DestinationReport, SenderReport, WorkerReport } from '../../../src/serve/workers/messages.ts';
import { SendersView } from '../../../src/serve/workers/senders-view.ts';
import { EMPTY_REPORT } from '../../support/fake-workers.ts';

const URL = 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-EXAMPLE/api/v1/remote_write';
const { config } = parseConfig(`remote_write: [{url: "${URL}"}]`, {});

function reportOf(destination: Partial<DestinationReport>, counts: Partial<DestinationReport['counts']> = {}) {
  const destinations = [{ ...NOTHING, ...destination, counts: { ...NOTHING.counts, ...counts } }];
  return { ...EMPTY_REPORT, destinations };
}

function shownOf(reports: readonly WorkerReport[]) {
  const shown = new DestinationsView(config.remote_write, () => reports);
  const [source] = shown.sources;
  if (source === undefined) throw new Error('there is one entry');
  return { shown, source };
}

test('destinations are added up: totals, what is now, and the worst of what may be wrong', () => {
  const { source } = shownOf([
    reportOf(
      { shards: 3, isDown: false, clockSkewMs: 0 },
      { received: 10, rejected: [[400, 1]], responses: [['200', 5]] },
    ),
    reportOf(
      { shards: 4, isDown: true, clockSkewMs: -700, failing: '503', hasCredentials: false, credentialsError: 'none' },
      { received: 5, rejected: [[400, 2]], responses: [['503', 1]] },
    ),
  ]);
  expect(source.metrics).toMatchObject({ name: 'default', url: URL, received: 15 });
  expect(source.metrics.rejected).toEqual(new Map([[400, 3]]));
  expect(source.metrics.responses).toEqual(new Map(Object.entries({ '200': 5, '503': 1 })));
  expect(source.shards()).toBe(7);
  expect(source.isDown()).toBe(true);
  expect(source.clockSkewMs()).toBe(-700);
  expect(source.problems.failing).toBe('503');
  expect([source.credentials.tryCurrent(), source.credentials.lastError]).toEqual([undefined, 'none']);
});

test('one that waits for credentials and does not listen tells why, and is not the whole: another signs', () => {
  const waiting = {
    ...reportOf({ hasCredentials: false, credentialsError: 'no token' }),
    listening: false,
  };
  const { credentials } = shownOf([reportOf({}), waiting]).source;
  expect([credentials.tryCurrent(), credentials.lastError]).toEqual([true, 'no token']);
  expect(shownOf([waiting]).source.credentials.tryCurrent()).toBe(undefined);
});

test('totals of a worker that is gone stay; what it held is refused, and its shards are no more', () => {
  const { shown, source } = shownOf([reportOf({ shards: 2 }, { received: 4, delivered: 4 })]);
  shown.retire(reportOf({ shards: 9 }, { received: 10, delivered: 6, pending: 4, refused: [] }));
  expect(source.metrics).toMatchObject({ received: 14, delivered: 10, pending: 0 });
  expect(source.metrics.refused).toEqual(new Map([['worker_died', 4]]));
  expect(source.shards()).toBe(2);
});

test('a problem that several workers have is one, and the latest is first', () => {
  const problem = { destination: 'default', said: '', remedy: '', sender: '', count: 1, firstAtMs: 5, lastAtMs: 6 };
  const { source } = shownOf([
    reportOf({ problems: [{ ...problem, what: 'throttles', count: 2, firstAtMs: 3, lastAtMs: 20, said: 'late' }] }),
    reportOf({
      problems: [
        { ...problem, what: 'is down', lastAtMs: 10 },
        { ...problem, what: 'throttles' },
      ],
    }),
  ]);
  expect(source.problems.list('default')).toEqual([
    { ...problem, what: 'throttles', count: 3, firstAtMs: 3, lastAtMs: 20, said: 'late' },
    { ...problem, what: 'is down', lastAtMs: 10 },
  ]);
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

test('when a sender was held apart is told in the clock of the reader', () => {
  const shown = new SendersView();
  const [never] = shown.read(sendersOf({ 1: [{}] }), 1_000);
  expect(never?.isolatedAtMs).toBe(-Infinity);
  const [apart] = shown.read(sendersOf({ 1: [{}], 2: [{ isolatedAgoMs: 300 }] }), 5_000);
  expect(apart?.isolatedAtMs).toBe(4_700);
});
