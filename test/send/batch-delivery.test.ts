import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BatchLimits } from '../../src/send/batch-limits.ts';
import { BodyCutter } from '../../src/batch/split.ts';
import { BufferPool } from '../../src/memory/buffer-pool.ts';
import { Kernel } from '../../src/codec/kernel.ts';
import { KernelTurns } from '../../src/codec/kernel-turns.ts';
import { CredentialsMetrics, type DestinationMetrics } from '../../src/metrics/counts.ts';
import type { Verdict } from '../../src/outcome/outcome.ts';
import type { Parcel } from '../../src/parcel/parcel.ts';
import { BatchDelivery, type DeliveryDeps, type DeliveryLog } from '../../src/send/batch-delivery.ts';
import { RetryQueue } from '../../src/send/retry-queue.ts';
import { Shards } from '../../src/send/shards.ts';
import { SignedPost, type SignedPostDeps } from '../../src/send/signed-post.ts';
import { UpstreamHealth } from '../../src/send/upstream-health.ts';
import { ParcelQueue } from '../../src/batch/parcel-queue.ts';
import { DirectUpstream } from '../../src/send/upstream/direct-upstream.ts';
import { UpstreamClock } from '../../src/aws/clock.ts';
import { credentialsSource } from '../../src/aws/credentials-source.ts';
import { Credentials } from '../../src/aws/credentials.ts';
import { RemoteWriteSigner } from '../../src/aws/sigv4.ts';
import { answer, closedPort, startUpstream, until, type LoopbackUpstream, type Reaction } from '../support/loopback.ts';
import {
  makeDestinationMetrics,
  makeRealParcel,
  namesIn,
  outcomeOf,
  seriesIn,
  type TestSeries,
} from '../support/parcels.ts';

const QUIET = { info: () => {}, warn: () => {}, error: () => {} };
const LIMITS = { maxSamples: 1000, maxBytes: 100_000 };
const kernel = new Kernel({ maxBodyBytes: 1 << 20, maxDecodedBytes: 1 << 24 });

class HeldBytes {
  bytes = 0;
  mostBytes = 0;

  hold(bytes: number): void {
    this.bytes += bytes;
    this.mostBytes = Math.max(this.mostBytes, this.bytes);
  }
}

interface Rig {
  /** Begins to deliver a batch; every parcel has its outcome when it resolves. */
  readonly deliver: (parcels: readonly Parcel[]) => Promise<void>;
  readonly upstream: LoopbackUpstream;
  readonly metrics: DestinationMetrics;
  readonly health: UpstreamHealth;
  readonly retryQueue: RetryQueue;
  readonly pool: BufferPool;
  readonly memory: HeldBytes;
  /** The number of requests for credentials, including the first. */
  readonly refreshes: () => number;
  readonly clock: UpstreamClock;
  readonly deps: DeliveryDeps;
  readonly stop: () => void;
}

let cleanups: (() => Promise<void>)[] = [];
let wallMs = 0;

beforeEach(() => {
  wallMs = Date.now();
});

afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
  cleanups = [];
});

const nowMs = (): number => performance.now();
const random = (): number => 0;

interface RigOptions {
  readonly limits?: BatchLimits;
  readonly backoff?: { readonly minMs: number; readonly maxMs: number };
  readonly post?: SignedPostDeps['post'];
  readonly log?: Partial<DeliveryLog>;
  readonly credentials?: Credentials;
  readonly pool?: BufferPool;
}

async function makeRig(react: Reaction, options: RigOptions = {}): Promise<Rig> {
  const { limits = LIMITS, backoff = { minMs: 1, maxMs: 10 } } = options;
  const upstream = await startUpstream(react);
  const metrics = makeDestinationMetrics();
  const client = new DirectUpstream({
    url: upstream.url,
    connections: 10,
    timeoutMs: 2000,
    tls: { insecureSkipVerify: false },
  });
  let refreshes = 0;
  const made = new Credentials(
    () => async () => {
      refreshes += 1;
      return Promise.resolve({ accessKeyId: `AKID${refreshes}`, secretAccessKey: 'secret' });
    },
    credentialsSource({}, {}),
    new CredentialsMetrics(),
    QUIET,
    () => wallMs,
    () => 0,
  );
  await made.refresh();
  const credentials = options.credentials ?? made;
  const clock = new UpstreamClock(() => wallMs);
  const pool = options.pool ?? new BufferPool(1 << 20);
  const memory = new HeldBytes();
  const signer = new RemoteWriteSigner(upstream.url, 'us-west-2');
  const post = options.post ?? ((headers: string[], body: Buffer) => client.post(headers, body));
  const signedPost = new SignedPost({ post, signer, credentials, clock, pool, memory, metrics, nowMs });
  const settings = { minShards: 1, maxShards: 8, maxSamples: limits.maxSamples, backoff, deliveryTimeoutMs: 10_000 };
  const health = new UpstreamHealth(settings, { log: QUIET, wentDown: () => {}, hasWork: () => false, nowMs, random });
  const retryQueue = new RetryQueue(new ParcelQueue(1_000_000));
  const fresh: BatchDelivery[] = [];
  const deps: DeliveryDeps = {
    limits: () => limits,
    backoff,
    cut: (parcel) => new BodyCutter(kernel, parcel.body),
    turns: new KernelTurns(kernel, nowMs),
    send: (payloads) => signedPost.send(payloads),
    credentials,
    clock,
    pool,
    memory,
    health,
    learn: (delivery, verdict) => health.learn(delivery, verdict),
    metrics,
    log: { failed: () => {}, unauthorized: () => {}, clockCorrected: () => {}, internal: () => {}, ...options.log },
    reschedule: (delivery) => {
      retryQueue.reschedule(delivery);
      shards.poke();
    },
    nowMs,
    random,
  };
  const shards = new Shards<BatchDelivery>(
    {
      tryTake: (lane, atMs) => retryQueue.tryTake(lane, atMs) ?? (lane === 'shared' ? fresh.shift() : undefined),
      nextDueAtMs: (lane) => retryQueue.nextDueAtMs(lane),
      putBack: (delivery) => retryQueue.add(delivery),
    },
    { shared: 4, suspect: 4, isolated: 2, total: 8 },
    health.rest,
    () => {},
    nowMs,
  );
  const pending = new Set<Parcel>();
  const stop = (): void => {
    for (const parcel of pending) parcel.trySettle({ kind: 'refused', reason: 'draining', message: 'stopped' });
  };
  cleanups.push(async () => {
    stop();
    made.stop();
    await client.destroy();
    await upstream[Symbol.asyncDispose]();
  });
  const deliver = async (parcels: readonly Parcel[]): Promise<void> => {
    for (const parcel of parcels) pending.add(parcel);
    fresh.push(new BatchDelivery(deps, parcels, 'shared'));
    shards.poke();
    await Promise.all(parcels.map(outcomeOf));
    // Bodies are given back when the last attempt is over.
    await until(() => shards.inFlight === 0, 'the last attempt is over');
  };
  return {
    deliver,
    upstream,
    metrics,
    health,
    retryQueue,
    pool,
    memory,
    refreshes: () => refreshes,
    clock,
    deps,
    stop,
  };
}

function parcelOf(series: readonly (string | TestSeries)[], deadlineInMs = 10_000): Parcel {
  const arrivedAtMs = performance.now();
  const parcel = makeRealParcel(series, { arrivedAtMs, deadlineAtMs: arrivedAtMs + deadlineInMs });
  // This does the work of the ledger's sweep.
  const timer = setTimeout(
    () => parcel.trySettle({ kind: 'refused', reason: 'delivery_timeout', message: 'swept' }),
    deadlineInMs + 500,
  );
  cleanups.push(async () => Promise.resolve(clearTimeout(timer)));
  return parcel;
}

async function deliver(rig: Rig, parcels: Parcel[]): Promise<unknown[]> {
  await rig.deliver(parcels);
  expect(rig.memory.bytes).toBe(0);
  return Promise.all(parcels.map(outcomeOf));
}

const sent = (rig: Rig): string[][] => rig.upstream.requests.map(({ body }) => namesIn(body));

/** Answers by what is in the body. */
const judge =
  (decide: (names: string[], bytes: number, index: number) => number | [number, string]): Reaction =>
  ({ body }, index, response: ServerResponse) => {
    const decision = decide(namesIn(body), body.length, index);
    if (typeof decision === 'number') answer(response, decision);
    else answer(response, decision[0], decision[1]);
  };

/** A connection that was refused. */
const RETRY = {
  kind: 'retry',
  code: 'connect_refused',
  throttle: undefined,
  down: true,
  mayLieInData: false,
  retryAfterMs: undefined,
  message: 'no answer',
} as const;

const delivered = { kind: 'delivered', deduplicated: false };

test('a batch goes out as one body, in the order of its parcels, and all are delivered', async () => {
  const rig = await makeRig(judge(() => 200));
  const outcomes = await deliver(rig, [parcelOf(['a', 'b']), parcelOf(['c']), parcelOf(['d'])]);
  expect(outcomes).toEqual([delivered, delivered, delivered]);
  expect(sent(rig)).toEqual([['a', 'b', 'c', 'd']]);
  expect(rig.metrics).toMatchObject({ sentSamples: 4, retriedSamples: 0 });
});

test('202 is delivered and counted as deduplicated', async () => {
  const rig = await makeRig(judge(() => 202));
  expect(await deliver(rig, [parcelOf(['a'])])).toEqual([{ kind: 'delivered', deduplicated: true }]);
});

test('400 on a batch: each parcel goes alone, and only the culprit is told', async () => {
  const rig = await makeRig(judge((names) => (names.includes('bad') ? [400, 'bad is out of order'] : 200)));
  const outcomes = await deliver(rig, [parcelOf(['a']), parcelOf(['bad']), parcelOf(['c'])]);
  expect(outcomes).toEqual([
    delivered,
    { kind: 'rejected', status: 400, reason: 'out_of_order', message: 'bad is out of order' },
    delivered,
  ]);
  const [joined, ...alone] = sent(rig);
  expect(joined).toEqual(['a', 'bad', 'c']);
  expect(alone.flat().toSorted()).toEqual(['a', 'bad', 'c']);
  expect(alone).toHaveLength(3);
});

test('400 on a single parcel is its own and is not sent again', async () => {
  const rig = await makeRig(judge(() => [400, 'no']));
  expect(await deliver(rig, [parcelOf(['a'])])).toEqual([
    { kind: 'rejected', status: 400, reason: 'other', message: 'no' },
  ]);
  expect(rig.upstream.requests).toHaveLength(1);
});

test("the upstream's text for one sender is not kept for the refusals of others", async () => {
  const rig = await makeRig(judge(() => [400, 'series secret_of_one_tenant is out of order']));
  await deliver(rig, [parcelOf(['a'])]);
  expect(rig.health.lastFailure).not.toContain('secret_of_one_tenant');
});

test('a 400 that another parcel of the batch earned is not told to the last one left', async () => {
  const bad = parcelOf(['bad']);
  const good = parcelOf(['good']);
  const rig = await makeRig(
    judge((names) => {
      if (!names.includes('bad')) return 200;
      // The culprit goes away while its batch is upstream.
      bad.trySettle({ kind: 'refused', reason: 'sender_gone', message: '' });
      return [400, 'bad is out of order'];
    }),
  );
  const [, outcome] = await deliver(rig, [bad, good]);
  expect(outcome).toEqual(delivered);
  expect(sent(rig)).toEqual([['bad', 'good'], ['good']]);
});

test('413 on a joined batch is not told to the last parcel left of it', async () => {
  const gone = parcelOf(['gone']);
  const small = parcelOf(['small']);
  const rig = await makeRig(
    judge((names) => {
      if (!names.includes('gone')) return 200;
      gone.trySettle({ kind: 'refused', reason: 'sender_gone', message: '' });
      return 413;
    }),
  );
  const [, outcome] = await deliver(rig, [gone, small]);
  expect(outcome).toEqual(delivered);
});

test('413 on a batch: halves, until they fit', async () => {
  const rig = await makeRig(judge((names) => (names.length > 2 ? 413 : 200)));
  const outcomes = await deliver(
    rig,
    ['a', 'b', 'c', 'd', 'e'].map((name) => parcelOf([name])),
  );
  expect(outcomes).toEqual([delivered, delivered, delivered, delivered, delivered]);
  expect(sent(rig)).toEqual([['a', 'b', 'c', 'd', 'e'], ['a', 'b', 'c'], ['d', 'e'], ['a', 'b'], ['c']]);
});

/** Random looking names, so that the body compresses badly and its size follows the number of series. */
function manySeries(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `s${index}_${Math.imul(index + 1, 2_654_435_761).toString(36)}`);
}

test('413 on a single parcel: it is cut, and every series arrives once and in order', async () => {
  const names = manySeries(200);
  const rig = await makeRig(judge((_names, bytes) => (bytes > 1500 ? 413 : 200)));
  expect(await deliver(rig, [parcelOf(names)])).toEqual([delivered]);
  const accepted = rig.upstream.requests.filter(({ body }) => body.length <= 1500);
  expect(accepted.length).toBeGreaterThan(1);
  expect(accepted.flatMap(({ body }) => namesIn(body))).toEqual(names);
  expect(rig.metrics.cutParcels).toBe(1);
});

test('an oversized parcel is cut before it is sent, its pieces one after another and in order', async () => {
  const names = manySeries(50);
  let open = 0;
  let most = 0;
  const rig = await makeRig(
    async (_request, _index, response) => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
      open -= 1;
      answer(response, 200);
    },
    { limits: { maxSamples: 20, maxBytes: 100_000 } },
  );
  expect(await deliver(rig, [parcelOf(names)])).toEqual([delivered]);
  expect(sent(rig).flat()).toEqual(names);
  expect(sent(rig).every((piece) => piece.length <= 20)).toBe(true);
  expect([rig.upstream.requests.length, most]).toEqual([3, 1]);
});

test('a piece that fails for a while is sent again before the next one', async () => {
  const names = manySeries(4);
  const rig = await makeRig(
    judge((_names, _bytes, index) => (index === 1 || index === 2 ? 500 : 200)),
    { limits: { maxSamples: 2, maxBytes: 100_000 } },
  );
  expect(await deliver(rig, [parcelOf(names)])).toEqual([delivered]);
  const [first, second] = [names.slice(0, 2), names.slice(2)];
  expect(sent(rig)).toEqual([first, second, second, second]);
});

test('one rejected piece rejects the parcel, and the others are sent all the same', async () => {
  const rig = await makeRig(
    judge((names) => (names.includes('bad') ? [400, 'bad'] : 200)),
    { limits: { maxSamples: 1, maxBytes: 100_000 } },
  );
  const outcomes = await deliver(rig, [parcelOf(['a', 'bad', 'c'])]);
  expect(outcomes).toEqual([{ kind: 'rejected', status: 400, reason: 'other', message: 'bad' }]);
  expect(sent(rig)).toEqual([['a'], ['bad'], ['c']]);
});

test('deduplicated pieces make a deduplicated parcel', async () => {
  const rig = await makeRig(
    judge(() => 202),
    { limits: { maxSamples: 1, maxBytes: 100_000 } },
  );
  expect(await deliver(rig, [parcelOf(['a', 'b'])])).toEqual([{ kind: 'delivered', deduplicated: true }]);
});

test.each([
  [200, 202],
  [202, 200],
])(
  'pieces that are answered %i and then %i make a parcel that is delivered, not deduplicated',
  async (first, second) => {
    const rig = await makeRig(
      judge((_names, _bytes, index) => (index === 0 ? first : second)),
      { limits: { maxSamples: 1, maxBytes: 100_000 } },
    );
    expect(await deliver(rig, [parcelOf(['a', 'b'])])).toEqual([{ kind: 'delivered', deduplicated: false }]);
    expect(sent(rig)).toEqual([['a'], ['b']]);
  },
);

test('a single series that is too large for the upstream gets 413, and what is beside it is delivered', async () => {
  const timestamps = Array.from({ length: 500 }, (_, index) => Math.imul(index + 1, 2_654_435_761) >>> 0);
  const rig = await makeRig(judge((_names, bytes) => (bytes > 1000 ? 413 : 200)));
  const [outcome] = await deliver(rig, [parcelOf(['before', { name: 'huge', timestamps }, 'after'])]);
  expect(outcome).toMatchObject({ kind: 'rejected', status: 413 });
  const accepted = rig.upstream.requests.filter(({ body }) => body.length <= 1000);
  expect(accepted.flatMap(({ body }) => namesIn(body))).toEqual(['before', 'after']);
});

test.each([401, 403])('%i: credentials are refreshed once and the batch is signed anew', async (status) => {
  const rig = await makeRig(judge((_names, _bytes, index) => (index === 0 ? [status, 'expired'] : 200)));
  wallMs += 60_000;
  expect(await deliver(rig, [parcelOf(['a'])])).toEqual([delivered]);
  expect(rig.refreshes()).toBe(2);
  const keys = rig.upstream.requests.map(({ headers }) => /Credential=(\w+)/.exec(headers.authorization ?? '')?.[1]);
  expect(keys).toEqual(['AKID1', 'AKID2']);
});

test('samples that are sent again after a 403 count as retried, and as sent twice', async () => {
  const rig = await makeRig(judge((_names, _bytes, index) => (index === 0 ? 403 : 200)));
  wallMs += 60_000;
  expect(await deliver(rig, [parcelOf(['a', 'b']), parcelOf(['c'])])).toEqual([delivered, delivered]);
  expect(rig.metrics).toMatchObject({ retriedSamples: 3, sentSamples: 6 });
});

test('a 403 that stays ends as refused, never as 4xx, after one refresh', async () => {
  const rig = await makeRig(judge(() => [403, 'AccessDenied']));
  wallMs += 60_000;
  const [outcome] = await deliver(rig, [parcelOf(['a'], 200)]);
  expect(outcome).toMatchObject({ kind: 'refused', reason: 'delivery_timeout' });
  expect(outcome).toMatchObject({ message: expect.stringContaining('AccessDenied') });
  expect(rig.refreshes()).toBe(2);
  expect(rig.upstream.requests.length).toBeGreaterThan(2);
});

test('a 403 whose Date is an hour ahead corrects the clock for the next signature', async () => {
  const upstreamMs = Math.floor((wallMs + 3_600_000) / 1000) * 1000;
  const rig = await makeRig((_request, index, response) => {
    answer(response, index === 0 ? 403 : 200, '', { date: new Date(upstreamMs).toUTCString() });
  });
  expect(await deliver(rig, [parcelOf(['a'])])).toEqual([delivered]);
  const expected = new Date(upstreamMs).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  expect(rig.upstream.requests[1]?.headers['x-amz-date']).toBe(expected);
});

test('5xx is tried again until it is delivered, with a signature of its own each time', async () => {
  const rig = await makeRig(judge((_names, _bytes, index) => (index < 3 ? 500 + index : 200)));
  expect(await deliver(rig, [parcelOf(['a'])])).toEqual([delivered]);
  expect(rig.upstream.requests).toHaveLength(4);
  expect(rig.metrics).toMatchObject({ retriedSamples: 3, sentSamples: 4 });
  expect(Object.fromEntries(rig.metrics.responses)).toEqual({ 200: 1, 500: 1, 501: 1, 502: 1 });
});

test.each([429, 503])('%i is tried again no sooner than Retry-After says', async (status) => {
  const at: number[] = [];
  const rig = await makeRig((_request, index, response) => {
    at.push(performance.now());
    answer(response, index === 0 ? status : 200, '', index === 0 ? { 'retry-after': 1 } : {});
  });
  expect(await deliver(rig, [parcelOf(['a'])])).toEqual([delivered]);
  // Timers may fire a little early.
  expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThan(980);
});

test('a Retry-After beyond the deadline is capped: one last attempt is made before it', async () => {
  const rig = await makeRig((_request, index, response) =>
    answer(response, index === 0 ? 429 : 200, '', { 'retry-after': 60 }),
  );
  expect(await deliver(rig, [parcelOf(['a'], 1500)])).toEqual([delivered]);
  expect(rig.upstream.requests).toHaveLength(2);
});

test.each([302, 404])('%i is a misconfiguration: tried again, then refused, never told as it is', async (status) => {
  const rig = await makeRig((_request, _index, response) => answer(response, status, '', { location: '/elsewhere' }));
  const [outcome] = await deliver(rig, [parcelOf(['a'], 100)]);
  expect(outcome).toMatchObject({ kind: 'refused', reason: 'delivery_timeout' });
  expect(rig.upstream.requests.every(({ path }) => path === '/workspaces/ws-1/api/v1/remote_write')).toBe(true);
});

test('an upstream that is down is tried until the deadline, then the parcels are refused', async () => {
  const rig = await makeRig(() => {}, {});
  const port = await closedPort();
  const url = new URL(`http://127.0.0.1:${port}/`);
  const client = new DirectUpstream({ url, connections: 1, timeoutMs: 1000, tls: { insecureSkipVerify: false } });
  cleanups.push(async () => client.destroy());
  const down = await makeRig(() => {}, { post: (headers, body) => client.post(headers, body) });
  const [outcome] = await deliver(down, [parcelOf(['a'], 100)]);
  expect(outcome).toMatchObject({ kind: 'refused', reason: 'delivery_timeout' });
  expect(down.metrics.responses.get('connect_refused')).toBeGreaterThan(0);
  expect(rig.upstream.requests).toHaveLength(0);
});

test('a parcel that is settled between two attempts is not sent again', async () => {
  const gone = parcelOf(['gone']);
  const rig = await makeRig(
    judge((_names, _bytes, index) => {
      if (index > 0) return 200;
      gone.trySettle({ kind: 'refused', reason: 'sender_gone', message: '' });
      return 500;
    }),
  );
  await deliver(rig, [gone, parcelOf(['here'])]);
  expect(sent(rig)).toEqual([['gone', 'here'], ['here']]);
});

test('a parcel that has gone leaves the others the time that they have themselves', async () => {
  const gone = parcelOf(['gone'], 20_000);
  const rig = await makeRig((_request, index, response) => {
    gone.trySettle({ kind: 'refused', reason: 'sender_gone', message: '' });
    // A wrong URL: no throttling, and nothing that lies in the data. Without a cap the wait is that of the one gone.
    answer(response, index === 0 ? 404 : 200, '', { 'retry-after': 60 });
  });
  const [, outcome] = await deliver(rig, [gone, parcelOf(['here'], 2000)]);
  expect(outcome).toEqual(delivered);
  expect(sent(rig)).toEqual([['gone', 'here'], ['here']]);
});

test('a parcel is tried every 500 ms while the upstream is down, whatever the backoff and Retry-After', async () => {
  let atMs = 0;
  let verdict: Verdict = RETRY;
  const backoff = { minMs: 5000, maxMs: 60_000 };
  const settings = { minShards: 1, maxShards: 8, maxSamples: 1000, backoff, deliveryTimeoutMs: 25_000 };
  const watch = { log: QUIET, wentDown: () => {}, hasWork: () => false, nowMs: () => atMs, random };
  const health = new UpstreamHealth(settings, watch);
  const rig = await makeRig(() => {}, { backoff });
  const deps = {
    ...rig.deps,
    health,
    nowMs: () => atMs,
    learn: () => {},
    send: async () => Promise.resolve({ verdict, date: undefined }),
  };
  const deliveryOf = (): BatchDelivery => new BatchDelivery(deps, [makeRealParcel(['a'])], 'shared');
  const waitMs = async (): Promise<number> => {
    const [next] = await deliveryOf().attempt();
    return (next?.dueAtMs ?? Number.NaN) - atMs;
  };
  expect(await waitMs()).toBe(5000);
  for (atMs of [0, 3000, 6000]) health.learn(deliveryOf(), RETRY);
  expect(health.isDown).toBe(true);
  expect(await waitMs()).toBe(500);
  verdict = { ...RETRY, code: '503', retryAfterMs: 10_000 };
  expect(await waitMs()).toBe(500);
});

test('nothing is sent when no sender waits any more', async () => {
  const rig = await makeRig(judge(() => 200));
  const gone = parcelOf(['gone']);
  gone.trySettle({ kind: 'refused', reason: 'sender_gone', message: '' });
  await deliver(rig, [gone]);
  expect(rig.upstream.requests).toHaveLength(0);
});

test('a parcel is told what came of it, though another of its batch was settled long before', async () => {
  const early = parcelOf(['early']);
  const rig = await makeRig(judge((_names, _bytes, index) => (index < 2 ? 503 : 200)));
  const late = parcelOf(['late']);
  early.trySettle({ kind: 'refused', reason: 'delivery_timeout', message: 'first' });
  const outcomes = await deliver(rig, [early, late]);
  expect(outcomes).toEqual([{ kind: 'refused', reason: 'delivery_timeout', message: 'first' }, delivered]);
});

test('a batch that waits for its next attempt ends at once when its parcels are refused as draining', async () => {
  const rig = await makeRig(
    judge(() => 500),
    { backoff: { minMs: 5000, maxMs: 5000 } },
  );
  const parcel = parcelOf(['a'], 20_000);
  const done = rig.deliver([parcel]);
  await until(() => rig.retryQueue.batches === 1, 'the first attempt has failed');
  rig.stop();
  await done;
  expect(parcel.outcome).toMatchObject({ kind: 'refused', reason: 'draining' });
  expect(rig.retryQueue.batches).toBe(0);
  expect(() => parcel.body).toThrow('its memory was released');
});

test('nothing is sent without credentials, and the refusal says why', async () => {
  const credentials = new Credentials(
    () => async () => Promise.reject(new Error('no token file')),
    credentialsSource({}, {}),
    new CredentialsMetrics(),
    QUIET,
    () => wallMs,
    () => 0,
  );
  await credentials.refresh();
  cleanups.push(async () => Promise.resolve(credentials.stop()));
  const rig = await makeRig(
    judge(() => 200),
    { credentials },
  );
  const [outcome] = await deliver(rig, [parcelOf(['a'], 50)]);
  expect(outcome).toMatchObject({ kind: 'refused', message: expect.stringContaining('no token file') });
  expect(rig.upstream.requests).toHaveLength(0);
});

test('a fault of our own refuses the parcels instead of losing their senders', async () => {
  const rig = await makeRig(
    judge(() => 200),
    {
      post: async () => Promise.reject(new Error('a bug')),
    },
  );
  const [outcome] = await deliver(rig, [parcelOf(['a'])]);
  expect(outcome).toMatchObject({ kind: 'refused', reason: 'internal' });
});

test('the memory of a joined body no longer counts as held after an internal error', async () => {
  const rig = await makeRig(
    judge(() => 200),
    { post: async () => Promise.reject(new Error('a bug')) },
  );
  // Looks at the held bytes, too.
  const outcomes = await deliver(rig, [parcelOf(['a']), parcelOf(['b'])]);
  expect(outcomes).toEqual(Array.from({ length: 2 }, () => expect.objectContaining({ reason: 'internal' })));
  expect(rig.memory.mostBytes).toBeGreaterThan(0);
});

test('a batch between two attempts holds no shard', async () => {
  const rig = await makeRig(
    judge((names) => (names.includes('fails') ? 500 : 200)),
    { backoff: { minMs: 10_000, maxMs: 10_000 } },
  );
  const failing = Array.from({ length: 10 }, () => parcelOf(['fails'], 20_000));
  const deliveries = failing.map((parcel) => rig.deliver([parcel]));
  // There are more of them than shards.
  await until(() => rig.retryQueue.batches === 10, 'all wait for their second attempt');
  expect(await deliver(rig, [parcelOf(['good'])])).toEqual([delivered]);
  rig.stop();
  await Promise.all(deliveries);
  expect(rig.retryQueue.batches).toBe(0);
});

test('timestamps and order inside a series survive a cut', async () => {
  const series = Array.from({ length: 30 }, (_, index) => ({
    name: `same_${index % 3}`,
    timestamps: [index + 1, index + 2],
  }));
  const rig = await makeRig(
    judge(() => 200),
    { limits: { maxSamples: 7, maxBytes: 100_000 } },
  );
  await deliver(rig, [parcelOf(series)]);
  expect(rig.upstream.requests.flatMap(({ body }) => seriesIn(body))).toEqual(series);
});
