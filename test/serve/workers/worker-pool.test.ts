import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseConfig } from '../../../src/config/load.ts';
import type { Log } from '../../../src/platform/log.ts';
import { WorkerPool, type WorkerPoolDeps } from '../../../src/serve/workers/worker-pool.ts';
import { EMPTY_REPORT, fakeFork, type FakeWorker } from '../../support/fake-workers.ts';

const URL = 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-EXAMPLE/api/v1/remote_write';
const { config } = parseConfig(`remote_write: [{url: "${URL}"}]`, {});

const ignore = (): void => undefined;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function makeFleet(size: number) {
  const { fork, workers } = fakeFork();
  const error = vi.fn<Log['error']>();
  const log: Log = { debug: ignore, info: ignore, warn: ignore, error, child: () => log };
  const retire = vi.fn<WorkerPoolDeps['retire']>();
  const ended = vi.fn<WorkerPoolDeps['ended']>();
  const fleet = new WorkerPool({ size, version: 'test', config, fork, log, nowMs: () => Date.now(), retire, ended });
  const worker = (index: number): FakeWorker => {
    const found = workers[index];
    if (found === undefined) throw new Error(`there are ${workers.length} workers`);
    return found;
  };
  return { fleet, workers, worker, error, retire, ended };
}

/** All listen. */
async function startFleet(size: number) {
  const made = makeFleet(size);
  const started = made.fleet.start();
  for (let index = 0; index < size; index += 1) made.worker(index).listen();
  await started;
  return made;
}

test('the first worker is started alone, and the others when it listens', async () => {
  const { fleet, workers, worker } = makeFleet(3);
  const started = fleet.start();
  expect(workers).toHaveLength(1);
  worker(0).listen();
  expect(await started).toBe('http://127.0.0.1:1');
  expect(workers.map(({ heard }) => heard[0])).toMatchObject([1, 2, 3].map((slot) => ({ kind: 'start', slot })));
});

test.each([
  [
    'what it said',
    (one: FakeWorker): void => one.say({ kind: 'failed', what: 'cannot listen', error: 'taken' }),
    'taken',
  ],
  ['how it ended', (): void => undefined, 'worker 1 ended: signal SIGSEGV'],
])('a first worker that never listens ends the start with %s', async (_, before, message) => {
  const { fleet, workers, worker } = makeFleet(2);
  const started = fleet.start();
  before(worker(0));
  worker(0).end('signal SIGSEGV');
  await expect(started).rejects.toThrow(message);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(workers).toHaveLength(1);
});

test('the pool is ready when all workers listen and can sign, and names those that do not', async () => {
  const { fleet, worker } = makeFleet(2);
  const started = fleet.start();
  expect(fleet.readiness().ready).toBe(false);
  worker(0).listen();
  await started;
  expect(fleet.readiness()).toEqual({ ready: false, reasons: ['worker 2 does not listen yet'] });
  worker(1).listen({ readiness: { ready: false, reasons: ['no credentials'] } });
  expect(fleet.readiness()).toEqual({ ready: false, reasons: ['no credentials'] });
  worker(1).report({});
  expect(fleet.readiness()).toEqual({ ready: true, reasons: [] });
});

test('a worker that is being replaced does not make the pool unready while another listens', async () => {
  const { fleet, worker } = await startFleet(2);
  worker(1).end('signal SIGKILL');
  expect(fleet.readiness().ready).toBe(true);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(worker(2).heard[0]).toMatchObject({ kind: 'start', slot: 2, isReplacement: true });
  expect(fleet.readiness().ready).toBe(true);
  worker(0).end('signal SIGKILL');
  worker(2).report({ listening: false, readiness: { ready: false, reasons: ['no credentials'] } });
  expect(fleet.readiness()).toEqual({
    ready: false,
    reasons: ['worker 1 does not listen yet', 'worker 2 does not listen yet', 'no credentials'],
  });
  expect(fleet.isAlive).toBe(true);
  worker(2).end('signal SIGKILL');
  expect(fleet.isAlive).toBe(false);
});

test('a long-lived worker is replaced immediately, a short-lived one after a wait that doubles up to 8 s', async () => {
  const { fleet, workers, worker, retire } = await startFleet(2);
  await vi.advanceTimersByTimeAsync(20_000);
  worker(0).report({});
  worker(1).report({});
  worker(1).end('signal SIGKILL');
  await vi.advanceTimersByTimeAsync(0);
  expect(workers).toHaveLength(3);
  expect(fleet.restarts).toBe(1);
  expect(retire).toHaveBeenCalledTimes(1);
  for (const waitMs of [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000]) {
    const before = workers.length;
    worker(0).report({});
    worker(before - 1).end('exit status 1');
    await vi.advanceTimersByTimeAsync(waitMs - 1);
    expect(workers).toHaveLength(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(workers).toHaveLength(before + 1);
  }
});

test('a long life between short ones ends the doubling of the wait', async () => {
  const { workers, worker } = await startFleet(1);
  for (const [livedMs, waitMs] of [
    [1_000, 250],
    [9_999, 500],
    [10_000, 0],
    [1_000, 250],
    [1_000, 500],
  ] as const) {
    const before = workers.length;
    for (let restMs = livedMs; restMs > 0; restMs -= 1_000) {
      worker(before - 1).report({});
      await vi.advanceTimersByTimeAsync(Math.min(restMs, 1_000));
    }
    worker(before - 1).end('exit status 1');
    // Timers of 0 ms are due with the next one.
    await vi.advanceTimersByTimeAsync(Math.max(0, waitMs - 1));
    expect(workers).toHaveLength(waitMs === 0 ? before + 1 : before);
    await vi.advanceTimersByTimeAsync(1);
    expect(workers).toHaveLength(before + 1);
  }
});

test('a worker that is silent for 30 s is killed and replaced', async () => {
  const { workers, worker, error, ended } = await startFleet(2);
  for (let second = 0; second < 32; second += 1) {
    worker(0).report({});
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(workers).toHaveLength(3);
  expect(worker(2).heard[0]).toMatchObject({ slot: 2 });
  expect(error).toHaveBeenCalledWith(expect.objectContaining({ worker: 2 }), expect.stringContaining('killed'));
  expect(ended.mock.calls).toEqual([[2, 'said nothing for 30 s: signal SIGKILL']]);
});

test('a worker that is silent for 5 s makes the pool unready, and no scrape waits for it', async () => {
  const { fleet, worker } = await startFleet(2);
  for (let second = 0; second < 5; second += 1) {
    expect(fleet.running).toBe(2);
    await vi.advanceTimersByTimeAsync(1_000);
    worker(0).report({});
  }
  expect(fleet.running).toBe(1);
  expect(fleet.readiness()).toEqual({ ready: false, reasons: ['worker 2 says nothing'] });
  const refreshed = fleet.refresh();
  expect(worker(0).heard.at(-1)).toEqual({ kind: 'ask', id: 1 });
  expect(worker(1).heard.map(({ kind }) => kind)).toEqual(['start']);
  worker(0).report({ answers: 1 });
  await refreshed;
  worker(1).report({});
  expect(fleet.running).toBe(2);
  expect(fleet.readiness().ready).toBe(true);
});

test('no worker is killed after all processes stood still, until it is silent for 30 s again', async () => {
  const { workers, worker } = await startFleet(1);
  await vi.advanceTimersByTimeAsync(1_000);
  vi.setSystemTime(Date.now() + 600_000);
  await vi.advanceTimersByTimeAsync(1_000);
  worker(0).report({});
  await vi.advanceTimersByTimeAsync(29_000);
  expect(workers).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(workers).toHaveLength(2);
});

test('a scrape takes a fresh report of each that answers, and the last of one that does not', async () => {
  const { fleet, worker } = await startFleet(2);
  worker(1).report({ inflightBytes: 5 });
  let done = false;
  const refreshed = fleet.refresh().then(() => (done = true));
  const asked = worker(0).heard.at(-1);
  expect(asked).toMatchObject({ kind: 'ask' });
  worker(0).report({ inflightBytes: 7, answers: 0 });
  await vi.advanceTimersByTimeAsync(999);
  expect(done).toBe(false);
  worker(0).report({ inflightBytes: 8, answers: 1 });
  await vi.advanceTimersByTimeAsync(1);
  await refreshed;
  expect([...fleet.reports.values()].map(({ inflightBytes }) => inflightBytes)).toEqual([8, 5]);
});

test('all workers are told to drain at the end, none is replaced, and one that does not end is killed', async () => {
  const { fleet, workers, worker } = await startFleet(3);
  let ended = false;
  const drained = fleet.drain(5_000).then(() => (ended = true));
  expect(fleet.readiness()).toEqual({ ready: false, reasons: ['shutting down'] });
  for (const { heard } of workers) expect(heard.at(-1)).toEqual({ kind: 'drain' });
  worker(0).end('signal SIGSEGV');
  worker(1).say({ kind: 'drained', report: EMPTY_REPORT });
  expect(worker(1).heard.at(-1)).toEqual({ kind: 'end' });
  await vi.advanceTimersByTimeAsync(4_999);
  expect(ended).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await drained;
  expect(workers).toHaveLength(3);
});

test('a worker that waits to be replaced is not started when the end comes meanwhile', async () => {
  const { fleet, workers, worker } = await startFleet(2);
  worker(1).end('exit status 1');
  const drained = fleet.drain(5_000);
  expect(worker(0).heard.at(-1)).toEqual({ kind: 'drain' });
  worker(0).say({ kind: 'drained', report: EMPTY_REPORT });
  await drained;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(workers).toHaveLength(2);
  expect([fleet.isAlive, fleet.restarts]).toEqual([false, 0]);
});

test('the end does not wait for a worker that waits to be replaced', async () => {
  const { fleet, workers, worker } = await startFleet(1);
  worker(0).end('exit status 1');
  await fleet.drain(5_000);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(workers).toHaveLength(1);
});
