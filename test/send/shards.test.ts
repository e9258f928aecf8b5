import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Batcher, type Batch } from '../../src/batch/batcher.ts';
import { ParcelQueue } from '../../src/queue/parcel-queue.ts';
import { Rest } from '../../src/send/rest.ts';
import { Shards, type Attempting } from '../../src/send/shards.ts';
import { makeConnection, makeParcel } from '../support/parcels.ts';

const WAIT_MS = 50;

type TestDelivery = Attempting<TestDelivery>;

interface Rig {
  readonly shards: Shards<TestDelivery>;
  readonly batcher: Batcher;
  readonly rest: Rest;
  /** Batches being sent, with what ends each. */
  readonly running: { batch: Batch; end: () => void }[];
  readonly delivered: Batch[];
}

function makeRig(limit: number, beforeTake: (batcher: Batcher) => void = () => {}): Rig {
  const batcher = new Batcher(new ParcelQueue(1_000_000), { maxSamples: 100, maxBytes: 1_000_000 }, WAIT_MS);
  const rest = new Rest();
  const running: Rig['running'] = [];
  const delivered: Batch[] = [];
  const deliveryOf = (batch: Batch): TestDelivery => ({
    attempt: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      running.push({ batch, end: resolve });
      await promise;
      delivered.push(batch);
      return [];
    },
  });
  const shards = new Shards<TestDelivery>(
    {
      tryTake: (lane, nowMs) => {
        const batch = batcher.tryTake(lane, nowMs);
        return batch && deliveryOf(batch);
      },
      nextDueAtMs: (lane) => batcher.nextDueAtMs(lane),
      putBack: () => {},
    },
    { shared: limit, suspect: 2, isolated: 1, total: 8 },
    rest,
    () => beforeTake(batcher),
    () => performance.now(),
  );
  return { shards, batcher, rest, running, delivered };
}

function submit({ shards, batcher }: Rig, samples: number, key = ''): void {
  const nowMs = performance.now();
  batcher.tryAdd(makeParcel({ samples, key, queuedAtMs: nowMs }), nowMs);
  shards.poke();
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

test('takes a full batch in the next turn of the event loop', async () => {
  const rig = makeRig(4);
  submit(rig, 100);
  expect(rig.running).toHaveLength(0);
  await turn();
  expect(rig.running).toHaveLength(1);
  expect(rig.shards.inFlight).toBe(1);
});

test('joins what arrives in one turn', async () => {
  const rig = makeRig(4);
  submit(rig, 50);
  submit(rig, 50);
  await turn();
  expect(rig.running.map(({ batch }) => batch.parcels.length)).toEqual([2]);
});

test('a batch that is not full is taken when its wait is over, without another poke', async () => {
  const rig = makeRig(4);
  submit(rig, 1);
  await turn();
  vi.advanceTimersByTime(WAIT_MS - 1);
  expect(rig.running).toHaveLength(0);
  vi.advanceTimersByTime(2);
  expect(rig.running).toHaveLength(1);
});

test('several keys with different waits are each taken in time', async () => {
  const rig = makeRig(4);
  submit(rig, 1, 'a');
  await turn();
  vi.advanceTimersByTime(20);
  submit(rig, 1, 'b');
  await turn();
  vi.advanceTimersByTime(31);
  expect(rig.running.map(({ batch }) => batch.parcels[0]?.mergeKey.id)).toEqual(['a']);
  vi.advanceTimersByTime(21);
  expect(rig.running.map(({ batch }) => batch.parcels[0]?.mergeKey.id)).toEqual(['a', 'b']);
});

test('has never more batches in flight than its limit, and the end of one lets in the next', async () => {
  const rig = makeRig(2);
  for (let index = 0; index < 5; index += 1) submit(rig, 100);
  await turn();
  expect([rig.running.length, rig.shards.inFlight]).toEqual([2, 2]);
  for (let ended = 0; ended < 5; ended += 1) {
    rig.running[ended]?.end();
    await turn();
    await turn();
    expect(rig.shards.inFlight).toBeLessThanOrEqual(2);
  }
  expect([rig.delivered.length, rig.shards.inFlight]).toEqual([5, 0]);
});

test('what becomes due while every shard is busy goes as soon as one is free', async () => {
  const rig = makeRig(1);
  submit(rig, 100, 'busy');
  await turn();
  submit(rig, 1, 'late');
  await turn();
  vi.advanceTimersByTime(10 * WAIT_MS);
  expect(rig.running).toHaveLength(1);
  rig.running[0]?.end();
  await turn();
  await turn();
  expect(rig.running).toHaveLength(2);
});

test('a limit that is raised or lowered holds from the next batch on', async () => {
  const rig = makeRig(1);
  for (let index = 0; index < 4; index += 1) submit(rig, 100);
  await turn();
  expect(rig.running).toHaveLength(1);
  rig.shards.limits.shared = 3;
  rig.shards.poke();
  await turn();
  expect(rig.running).toHaveLength(3);
  rig.shards.limits.shared = 1;
  rig.running[0]?.end();
  await turn();
  await turn();
  expect(rig.running).toHaveLength(3);
});

test('asks before it takes, so that what has no company need not wait', async () => {
  const rig = makeRig(4, (batcher) => batcher.release());
  submit(rig, 1);
  await turn();
  expect(rig.running).toHaveLength(1);
});

test('asks again for what a full batch left behind', async () => {
  const rig = makeRig(4, (batcher) => batcher.release());
  submit(rig, 60);
  submit(rig, 60);
  await turn();
  expect(rig.running).toHaveLength(2);
});

test('while it rests it takes nothing, and goes on by itself when that is over', async () => {
  const rig = makeRig(4);
  rig.rest.ask(makeConnection(), performance.now() + 2000, true, performance.now());
  submit(rig, 100);
  await turn();
  await vi.advanceTimersByTimeAsync(1900);
  await turn();
  expect(rig.running).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(200);
  await turn();
  expect(rig.running).toHaveLength(1);
});
