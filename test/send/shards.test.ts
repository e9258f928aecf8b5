import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Batcher, type Batch } from '../../src/batch/batcher.ts';
import type { Lane } from '../../src/send/lane.ts';
import { sharedKey, uniqueKey, type MergeKey } from '../../src/parcel/merge-key.ts';
import { ParcelQueue } from '../../src/batch/parcel-queue.ts';
import { Rest } from '../../src/send/rest.ts';
import { Shards, type Attempting } from '../../src/send/shards.ts';
import { makeParcel } from '../support/parcels.ts';

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

function makeRig(limit: number, beforeTake: (batcher: Batcher) => void = () => {}, total = 8): Rig {
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
    { shared: limit, suspect: 2, isolated: 1, total },
    rest,
    () => beforeTake(batcher),
    () => performance.now(),
  );
  return { shards, batcher, rest, running, delivered };
}

function submit({ shards, batcher }: Rig, samples: number, key = '', mergeKey: MergeKey = sharedKey(key)): void {
  const nowMs = performance.now();
  batcher.tryAdd(makeParcel({ samples, mergeKey, queuedAtMs: nowMs }), nowMs);
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

test('a batch that becomes due while every shard is busy goes as soon as one is free', async () => {
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

test('asks before it takes, so that a batch that no other request will join need not wait', async () => {
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

test('takes nothing during a rest, and continues by itself after it', async () => {
  const rig = makeRig(4);
  rig.rest.begin(performance.now() + 240, performance.now());
  submit(rig, 100);
  await turn();
  await vi.advanceTimersByTimeAsync(200);
  await turn();
  expect(rig.running).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(200);
  await turn();
  expect(rig.running).toHaveLength(1);
});

const submitUnproven = (rig: Rig): void => submit(rig, 1, '', uniqueKey('unproven'));
const submitIsolated = (rig: Rig): void => submit(rig, 1, '', uniqueKey('isolated'));
const lanesOf = ({ running }: Rig): string[] => running.map(({ batch }) => batch.lane);

describe('requests that hang', () => {
  test('in the suspect and the isolated lane keep no shared one waiting', async () => {
    const rig = makeRig(1);
    for (let count = 0; count < 5; count += 1) {
      submitUnproven(rig);
      submitIsolated(rig);
    }
    await turn();
    expect(lanesOf(rig).toSorted()).toEqual(['isolated', 'suspect', 'suspect']);
    submit(rig, 100);
    await turn();
    expect(lanesOf(rig).slice(3)).toEqual(['shared']);
  });

  test('in the shared lane keep no suspect or isolated one waiting', async () => {
    const rig = makeRig(2);
    for (let count = 0; count < 5; count += 1) submit(rig, 100);
    submitUnproven(rig);
    submitIsolated(rig);
    await turn();
    expect(lanesOf(rig)).toEqual(['shared', 'shared', 'suspect', 'isolated']);
  });

  test('in two lanes that take all there is in total leave one to the third', async () => {
    const rig = makeRig(8, () => {}, 3);
    for (let count = 0; count < 2; count += 1) submitUnproven(rig);
    submitIsolated(rig);
    await turn();
    for (let count = 0; count < 3; count += 1) submit(rig, 100);
    await turn();
    expect(lanesOf(rig).toSorted()).toEqual(['isolated', 'shared', 'suspect', 'suspect']);
  });

  test('take no more than the total together, but for one of each lane', async () => {
    const rig = makeRig(8, () => {}, 4);
    for (let count = 0; count < 10; count += 1) submit(rig, 100);
    for (let count = 0; count < 5; count += 1) submitUnproven(rig);
    for (let count = 0; count < 5; count += 1) submitIsolated(rig);
    await turn();
    expect(lanesOf(rig)).toEqual(['shared', 'shared', 'shared', 'shared', 'suspect', 'isolated']);
  });

  test('for a second in the shared lane let another one go, and no more than that', async () => {
    const rig = makeRig(1);
    for (let count = 0; count < 4; count += 1) submit(rig, 100);
    await turn();
    vi.advanceTimersByTime(999);
    expect(rig.running).toHaveLength(1);
    vi.advanceTimersByTime(2);
    expect(rig.running).toHaveLength(2);
    vi.advanceTimersByTime(60_000);
    expect(rig.running).toHaveLength(2);
  });

  test('for a second let as many others go as are a quarter of the limit', async () => {
    const rig = makeRig(8, () => {}, 50);
    for (let count = 0; count < 20; count += 1) submit(rig, 100);
    await turn();
    expect(rig.running).toHaveLength(8);
    vi.advanceTimersByTime(1001);
    expect(rig.running).toHaveLength(10);
  });

  test('let no other go over the total', async () => {
    const rig = makeRig(8, () => {}, 9);
    for (let count = 0; count < 20; count += 1) submit(rig, 100);
    await turn();
    vi.advanceTimersByTime(10_000);
    expect(rig.running).toHaveLength(9);
  });

  test('and have come to their end are not counted as such any more', async () => {
    const rig = makeRig(1);
    for (let count = 0; count < 4; count += 1) submit(rig, 100);
    await turn();
    vi.advanceTimersByTime(1001);
    for (const { end } of rig.running.slice(0, 2)) end();
    await turn();
    await turn();
    expect([rig.running.length, rig.shards.inFlight]).toEqual([3, 1]);
  });
});

test('a batch that is put back is looked for when the attempt is over, in whatever lane it goes on', async () => {
  const waiting: Partial<Record<Lane, TestDelivery>> = {};
  const attempted: string[] = [];
  const later: TestDelivery = {
    attempt: async () => {
      attempted.push('later');
      return Promise.resolve([]);
    },
  };
  waiting.shared = {
    attempt: async () => {
      attempted.push('first');
      return Promise.resolve([later]);
    },
  };
  const dueAtMs = performance.now() + 700;
  const isDue = (lane: Lane, nowMs: number): boolean => lane === 'shared' || nowMs >= dueAtMs;
  const shards = new Shards<TestDelivery>(
    {
      tryTake: (lane, nowMs) => {
        const delivery = isDue(lane, nowMs) ? waiting[lane] : undefined;
        if (delivery !== undefined) delete waiting[lane];
        return delivery;
      },
      nextDueAtMs: (lane) => (waiting[lane] === undefined ? undefined : dueAtMs),
      putBack: (delivery) => {
        waiting.isolated = delivery;
      },
    },
    { shared: 1, suspect: 1, isolated: 1, total: 1 },
    new Rest(),
    () => {},
    () => performance.now(),
  );
  shards.poke();
  await turn();
  await turn();
  expect(attempted).toEqual(['first']);
  vi.advanceTimersByTime(699);
  expect(attempted).toEqual(['first']);
  vi.advanceTimersByTime(2);
  expect(attempted).toEqual(['first', 'later']);
});

test('a rest that ends early is noticed with the end of the attempt that ended it', async () => {
  const rig = makeRig(4);
  submit(rig, 100);
  await turn();
  const nowMs = performance.now();
  rig.rest.begin(nowMs + 60_000, nowMs);
  submit(rig, 100);
  await turn();
  expect(rig.running).toHaveLength(1);
  rig.rest.end();
  rig.running[0]?.end();
  await turn();
  await turn();
  expect(rig.running).toHaveLength(2);
});
