/** Queue to outcome in one piece, against the sandbox. Time is the monotonic clock's, which a test can move on. */
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Kernel } from '../../src/codec/kernel.ts';
import { KernelTurns } from '../../src/codec/kernel-turns.ts';
import { parseConfig } from '../../src/config/load.ts';
import { decodeWriteRequest } from '../../src/decode/remote-write-1.ts';
import { DestinationPipeline } from '../../src/serve/destination.ts';
import { monotonicMs } from '../../src/platform/clock.ts';
import { exposeDestinations } from '../../src/metrics/destination-exposition.ts';
import { Metrics } from '../../src/metrics/metrics.ts';
import type { ConnectionActivity } from '../../src/parcel/connection-activity.ts';
import type { Parcel } from '../../src/parcel/parcel.ts';
import type { FaultAction, FaultSpec } from '../../src/dev/sandbox/faults.ts';
import { startSandbox, type Sandbox } from '../../src/dev/sandbox/sandbox.ts';
import { CountingPool } from '../support/counting-pool.ts';
import { Exposition } from '../support/exposition.ts';
import { until } from '../support/loopback.ts';
import { makeConnection, outcomeOf } from '../support/parcels.ts';
import { encodeBody, type SeriesInput } from '../support/sandbox-request.ts';

const QUICK = { min_backoff: '1ms', max_backoff: '5ms', batch_send_deadline: '1ms' };
const DELIVERED = { kind: 'delivered', deduplicated: false };
const DOWN = { kind: 'refused', reason: 'upstream_down' };

const kernel = new Kernel({ maxBodyBytes: 1 << 20, maxDecodedBytes: 1 << 24 });
const turns = new KernelTurns(kernel, monotonicMs);
let pool = new CountingPool(1 << 20);

interface Rig {
  readonly sandbox: Sandbox;
  readonly destination: DestinationPipeline;
  /** Hands in a request, of a connection of its own unless one is given. */
  readonly send: (
    sender: string,
    labels?: Readonly<Record<string, string>>,
    connection?: ConnectionActivity,
    timestampMs?: number,
  ) => Parcel;
  readonly scrape: () => Promise<Exposition>;
  /** The senders in each request that the sandbox has seen. */
  readonly seen: () => string[][];
  /** Warnings and errors, as JSON. */
  readonly logged: readonly string[];
}

let rigs: Rig[] = [];
let made = 0;

beforeEach(() => {
  pool = new CountingPool(1 << 20);
  // Sockets and timers are real, and so is the pace of the clock.
  vi.useFakeTimers({ toFake: ['performance'], shouldAdvanceTime: true });
});

afterEach(async () => {
  for (const { destination, sandbox } of rigs) {
    await destination.stop();
    await sandbox.close();
  }
  rigs = [];
  vi.restoreAllMocks();
  vi.useRealTimers();
});

async function start(queue: Readonly<Record<string, unknown>> = {}): Promise<Rig> {
  const sandbox = await startSandbox();
  const { remoteWriteUrl: url, region, accessKeyId, secretAccessKey } = sandbox;
  const sigv4 = { region, access_key: accessKeyId, secret_key: secretAccessKey };
  const entry = { url, sigv4, queue_config: { ...QUICK, ...queue } };
  const { config } = parseConfig(JSON.stringify({ remote_write: [entry] }), {});
  const metrics = new Metrics({ version: 'test' });
  const logged: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line) => logged.push(line) });
  const destination = new DestinationPipeline(config.remote_write[0], turns, pool, metrics, { hold: () => {} }, log);
  exposeDestinations(metrics.registry, () => [destination.snapshot()]);
  await destination.credentials.refresh();
  const send: Rig['send'] = (sender, labels = {}, connection = makeConnection(sender), timestampMs = Date.now()) => {
    made += 1;
    const series: SeriesInput = {
      labels: { __name__: 'm', made: `${made}`, sender, ...labels },
      samples: [[timestampMs, made]],
    };
    const body = encodeBody([series]);
    const lease = pool.take(body.length);
    lease.buffer.set(body);
    const contents = decodeWriteRequest(kernel, lease);
    const parcel = destination.accept(contents, connection, monotonicMs(), () => {});
    return parcel;
  };
  const rig: Rig = {
    sandbox,
    destination,
    send,
    logged,
    scrape: async () => new Exposition(await metrics.registry.metrics()),
    seen: () =>
      sandbox.ledger
        .requests()
        .map(({ seriesKeys }) => seriesKeys.map((key) => /sender="([^"]*)"/.exec(key)?.[1] ?? '')),
  };
  rigs.push(rig);
  return rig;
}

const outcomesOf = async (parcels: readonly Parcel[]): Promise<unknown[]> => Promise.all(parcels.map(outcomeOf));

const sleep = async (ms: number): Promise<void> => {
  await new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
};

const shardsOf = async ({ scrape }: Rig): Promise<number> => (await scrape()).sum('prometheus_remote_storage_shards');

/** Requests that went out together are in no order. */
const byFirst = ([a = '']: string[], [b = '']: string[]): number => (a < b ? -1 : 1);

/** received = delivered + rejected + refused + pending. */
async function expectBalanced({ scrape }: Rig, received: number): Promise<void> {
  const metrics = await scrape();
  const of = (name: string): number => metrics.sum(`amp_write_proxy_samples_${name}`);
  expect(of('received_total')).toBe(received);
  expect(of('delivered_total') + of('rejected_total') + of('refused_total') + of('pending')).toBe(received);
}

describe('a sender that earns a 400', () => {
  /** A label name that Prometheus's data model does not know. */
  const BAD = { 'not-a-name': 'x' };

  test('is told alone, and from then on its requests are batched separately', async () => {
    const rig = await start();
    const round = async (): Promise<unknown[]> =>
      outcomesOf([rig.send('good'), rig.send('bad', BAD), rig.send('fair')]);
    const rejected = expect.objectContaining({ kind: 'rejected', status: 400 });
    expect(await round()).toEqual([DELIVERED, rejected, DELIVERED]);
    const [joined, ...alone] = rig.seen();
    expect(joined).toEqual(['good', 'bad', 'fair']);
    expect(alone.toSorted(byFirst)).toEqual([['bad'], ['fair'], ['good']]);

    rig.sandbox.ledger.reset();
    expect(await round()).toEqual([DELIVERED, rejected, DELIVERED]);
    expect(rig.seen().toSorted(byFirst)).toEqual([['bad'], ['good', 'fair']]);
    expect((await rig.scrape()).sum('amp_write_proxy_senders_isolated')).toBe(1);
    await expectBalanced(rig, 6);
  });

  test('is in the log with what AMP said of it, once in ten seconds', async () => {
    const rig = await start();
    for (let round = 0; round < 3; round += 1) await outcomesOf([rig.send('good'), rig.send('bad', BAD)]);
    const rejections = rig.logged.filter((line) => line.includes('rejected a request'));
    expect(rejections).toHaveLength(1);
    expect(JSON.parse(rejections[0] ?? '')).toMatchObject({
      sender: 'bad',
      status: 400,
      samples: 1,
      answer: expect.stringContaining('not-a-name'),
    });
  });

  test('is joined again five minutes after its last', async () => {
    const rig = await start();
    await outcomesOf([rig.send('good'), rig.send('bad', BAD)]);
    vi.advanceTimersByTime(5 * 60_000 - 1000);
    rig.sandbox.ledger.reset();
    await outcomesOf([rig.send('good'), rig.send('bad')]);
    expect(rig.seen().toSorted(byFirst)).toEqual([['bad'], ['good']]);
    vi.advanceTimersByTime(1000);
    rig.sandbox.ledger.reset();
    await outcomesOf([rig.send('good'), rig.send('bad')]);
    expect(rig.seen()).toEqual([['good', 'bad']]);
  });

  test('is not isolated for the requests that it sends as another replica', async () => {
    const rig = await start();
    await outcomesOf([rig.send('both', { ...BAD, cluster: 'eks', __replica__: 'a' })]);
    rig.sandbox.ledger.reset();
    await outcomesOf([rig.send('both'), rig.send('good')]);
    expect(rig.seen()).toEqual([['both', 'good']]);
  });
});

describe('company', () => {
  /** The deadline is so long that a test whose parcels wait for nobody ends before it. */
  const PATIENT = { batch_send_deadline: '100s', delivery_timeout: '101s', min_shards: 5 };

  test('is waited for while somebody who was answered lately has not sent again', async () => {
    const rig = await start(PATIENT);
    const connection = makeConnection('first');
    await outcomeOf(rig.send('first', {}, connection));
    const other = rig.send('other');
    await sleep(30);
    expect(other.settled).toBe(false);
    expect(await outcomesOf([other, rig.send('second', {}, connection)])).toEqual([DELIVERED, DELIVERED]);
    expect(rig.seen()).toEqual([['first'], ['other', 'second']]);
  });

  test('is waited for however many requests are on their way to a slow upstream', async () => {
    const rig = await start(PATIENT);
    rig.sandbox.faults.add({ action: { kind: 'hang' }, times: 3 });
    for (let count = 1; count <= 3; count += 1) {
      rig.send('slow');
      await until(() => rig.sandbox.ledger.stats().requests >= count, 'a request upstream');
    }
    vi.advanceTimersByTime(1000);
    await outcomeOf(rig.send('first'));
    const other = rig.send('other');
    await sleep(30);
    expect(other.settled).toBe(false);
    rig.destination.drain();
    expect(await outcomeOf(other)).toEqual(DELIVERED);
  });

  test('is not waited for by one who sends once in a while', async () => {
    const rig = await start(PATIENT);
    for (let count = 0; count < 3; count += 1) {
      expect(await outcomeOf(rig.send('lone'))).toEqual(DELIVERED);
      vi.advanceTimersByTime(5000);
    }
  });

  test('is not waited for by what a full batch leaves behind, when nobody else is expected', async () => {
    const rig = await start({ ...PATIENT, max_samples_per_send: 2 });
    const all = ['one', 'two', 'three'].map((sender) => rig.send(sender));
    expect(await outcomesOf(all)).toEqual([DELIVERED, DELIVERED, DELIVERED]);
    expect(rig.seen().toSorted(byFirst)).toEqual([['one', 'two'], ['three']]);
  });

  test('is not expected of a sender that was refused, which comes again after its Retry-After', async () => {
    const rig = await start(PATIENT);
    rig.send('refused').trySettle({ kind: 'refused', reason: 'queue_full', message: 'full' });
    expect(await outcomeOf(rig.send('other'))).toEqual(DELIVERED);
  });

  test('is expected of a sender that was told 400', async () => {
    const rig = await start(PATIENT);
    const connection = makeConnection('bad');
    const bad = { 'not-a-name': 'x' };
    expect(await outcomeOf(rig.send('bad', bad, connection))).toMatchObject({ kind: 'rejected', status: 400 });
    const other = rig.send('other');
    await sleep(30);
    expect(other.settled).toBe(false);
    rig.send('bad', bad, connection);
    expect(await outcomeOf(other)).toEqual(DELIVERED);
  });
});

describe('an upstream that is down', () => {
  const FAILS = { action: { kind: 'status', status: 500 } } as const;

  /** Some that fail, and 5 s. */
  async function open(rig: Rig, count: number): Promise<Parcel[]> {
    rig.sandbox.faults.add(FAILS);
    const waiting = Array.from({ length: count }, (_, index) => rig.send(`early ${index}`));
    await until(() => rig.sandbox.ledger.stats().requests >= 3, 'three attempts');
    expect(waiting.filter(({ settled }) => settled)).toEqual([]);
    vi.advanceTimersByTime(5_001);
    await until(() => waiting.some(({ settled }) => settled), 'the breaker opens');
    return waiting;
  }

  test('a few parcels probe after 5 s of failures, and all others are refused immediately', async () => {
    const rig = await start();
    const waiting = await open(rig, 10);
    const refused = waiting.filter(({ settled }) => settled);
    expect(refused).toHaveLength(6);
    for (const outcome of await outcomesOf(refused)) expect(outcome).toMatchObject(DOWN);
    const all = [...waiting, rig.send('late'), rig.send('later')];
    const refusedNow = all.filter(({ settled }) => settled);
    expect(refusedNow).toHaveLength(8);
    for (const outcome of await outcomesOf(refusedNow)) {
      expect(outcome).toMatchObject({ ...DOWN, message: expect.stringContaining('500') });
    }
    expect((await rig.scrape()).sum('amp_write_proxy_upstream_down')).toBe(1);
    await expectBalanced(rig, 12);
  });

  test('the first success opens the way for everybody, and the probes are delivered', async () => {
    const rig = await start();
    const probes = (await open(rig, 10)).filter(({ settled }) => !settled);
    rig.sandbox.faults.clear();
    expect(await outcomesOf(probes)).toEqual(Array.from({ length: 4 }, () => DELIVERED));
    const after = Array.from({ length: 20 }, (_, index) => rig.send(`after ${index}`));
    expect(await outcomesOf(after)).toEqual(Array.from({ length: 20 }, () => DELIVERED));
    expect((await rig.scrape()).sum('amp_write_proxy_upstream_down')).toBe(0);
    await expectBalanced(rig, 30);
  });

  test('parcels that wait in the queue or between two attempts when it opens are refused as well', async () => {
    const rig = await start({ min_shards: 1, max_shards: 1 });
    rig.sandbox.faults.add(FAILS);
    const all = [rig.send('first')];
    await until(() => rig.sandbox.ledger.stats().requests >= 1, 'an attempt');
    for (let index = 0; index < 7; index += 1) all.push(rig.send(`queued ${index}`));
    await until(() => rig.sandbox.ledger.stats().requests >= 4, 'three more');
    vi.advanceTimersByTime(5_001);
    await until(() => all.filter(({ settled }) => settled).length === 4, 'all but four are refused');
    for (const outcome of await outcomesOf(all.filter(({ settled }) => settled))) expect(outcome).toMatchObject(DOWN);
    const metrics = await rig.scrape();
    const waiting = metrics.sum('amp_write_proxy_queued_samples');
    expect(waiting).toBeLessThanOrEqual(4);
    expect(metrics.sum('amp_write_proxy_retry_samples')).toBe(waiting);
    rig.sandbox.faults.clear();
    expect(await outcomesOf(all.filter(({ outcome }) => outcome?.kind !== 'refused'))).toHaveLength(4);
    expect((await rig.scrape()).sum('amp_write_proxy_queued_samples')).toBe(0);
  });

  test('flow is there again within a second of its end, however long the attempts had been waiting by then', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.99);
    // Waits of 0.6, 1.2 and 2.4 s.
    const rig = await start({ min_backoff: '300ms', max_backoff: '5s', min_shards: 20, max_shards: 20 });
    rig.sandbox.faults.add(FAILS);
    for (let index = 0; index < 6; index += 1) rig.send('pair', { cluster: 'eks', __replica__: `${index}` });
    await until(() => rig.sandbox.ledger.stats().requests >= 18, 'three attempts of each');
    await sleep(200); // All wait for their fourth.
    vi.advanceTimersByTime(5_001);
    rig.send('opens');
    await until(() => rig.destination.snapshot().isDown, 'the upstream is down');
    rig.sandbox.faults.clear();
    const clearedAtMs = performance.now();
    let deliveredAfterMs: number | undefined;
    for (let count = 0; count < 100 && deliveredAfterMs === undefined; count += 1) {
      const outcome = await Promise.race([outcomeOf(rig.send('after')), sleep(50)]);
      if (outcome?.kind === 'delivered') deliveredAfterMs = performance.now() - clearedAtMs;
    }
    // Half a second between the attempts of a probe, and as much again for a busy machine.
    expect(deliveredAfterMs).toBeLessThan(1_000);
  });

  test('an upstream that throttles is not down', async () => {
    const rig = await start();
    rig.sandbox.faults.add({ action: { kind: 'status', status: 429 } });
    const waiting = rig.send('a');
    await until(() => rig.sandbox.ledger.stats().requests >= 5, 'some attempts');
    vi.advanceTimersByTime(10_000);
    await sleep(50);
    expect([waiting.settled, rig.send('b').settled]).toEqual([false, false]);
    rig.sandbox.faults.clear();
    expect(await outcomeOf(waiting)).toEqual(DELIVERED);
  });
});

describe('shards', () => {
  test('go up to max_shards while work waits, are halved by 429, and go up again', async () => {
    const rig = await start({ max_samples_per_send: 1, min_shards: 1, max_shards: 8 });
    expect(await shardsOf(rig)).toBe(1);
    const flood = async (): Promise<unknown[]> =>
      outcomesOf(Array.from({ length: 40 }, (_, index) => rig.send(`sender ${index}`)));
    expect(await flood()).toEqual(Array.from({ length: 40 }, () => DELIVERED));
    expect(await shardsOf(rig)).toBe(8);

    const throttle = { action: { kind: 'status', status: 429 }, times: 3 } as const;
    rig.sandbox.faults.add(throttle);
    // The answers are within a second, by the clock: halved once.
    expect(await outcomesOf([rig.send('a'), rig.send('b')])).toEqual([DELIVERED, DELIVERED]);
    expect(await shardsOf(rig)).toBe(4);
    vi.advanceTimersByTime(1_001);
    rig.sandbox.faults.add(throttle);
    expect(await outcomesOf([rig.send('a'), rig.send('b')])).toEqual([DELIVERED, DELIVERED]);
    expect(await shardsOf(rig)).toBe(2);
    await flood();
    expect(await shardsOf(rig)).toBeGreaterThan(4);
  });

  test('go up for requests that have waited long enough for others to share their batch, too', async () => {
    const rig = await start({ min_shards: 1 });
    await outcomeOf(rig.send('expected'));
    rig.sandbox.faults.add({ action: { kind: 'delay', ms: 200 } });
    const first = rig.send('first');
    await until(() => rig.destination.snapshot().queuedSamples === 0, 'the first is on its way');
    const second = rig.send('second');
    await outcomeOf(first);
    expect(await shardsOf(rig)).toBe(2);
    expect(await outcomeOf(second)).toEqual(DELIVERED);
  });

  test('no more requests are in flight than there are shards, and shards_desired tells what the load asks for', async () => {
    const rig = await start({ max_samples_per_send: 1, min_shards: 3, max_shards: 3 });
    rig.sandbox.faults.add({ action: { kind: 'hang' } });
    for (let index = 0; index < 12; index += 1) rig.send(`sender ${index}`);
    await until(() => rig.sandbox.ledger.stats().requests >= 3, 'three requests');
    await sleep(100);
    expect(rig.sandbox.ledger.stats().requests).toBe(3);
    const metrics = await rig.scrape();
    expect(metrics.sum('prometheus_remote_storage_shards')).toBe(3);
    expect(metrics.sum('prometheus_remote_storage_shards_desired')).toBe(12);
  });
});

const fault = (action: FaultAction): FaultSpec => ({ action, label: { name: 'poison', value: 'yes' } });

describe('a sender at whose data AMP fails', () => {
  const POISON = { poison: 'yes' };
  test.each([
    ['500', { kind: 'status', status: 500 }],
    ['429 in unknown words', { kind: 'status', status: 429 }],
    ['a reset', { kind: 'reset', at: 'after-body' }],
  ] as const)(
    'with %s harms nobody in its batch, is isolated, and is not taken for an outage',
    async (_what, action) => {
      const rig = await start();
      rig.sandbox.faults.add(fault(action));
      const bad = makeConnection('bad');
      const culprit = rig.send('bad', POISON, bad);
      const good = ['a', 'b', 'c', 'd'].map((sender) => rig.send(sender));
      expect(await outcomesOf(good)).toEqual(good.map(() => DELIVERED));
      // This lasts as long as other senders deliver.
      for (let count = 0; count < 200 && rig.destination.snapshot().sendersIsolated === 0; count += 1) {
        expect(await outcomeOf(rig.send('a'))).toEqual(DELIVERED);
      }
      expect(rig.destination.snapshot().sendersIsolated).toBe(1);
      const shards = rig.destination.snapshot().shards;
      for (let second = 0; second < 10; second += 1) {
        vi.advanceTimersByTime(1000);
        await sleep(10);
      }
      expect([rig.destination.snapshot().isDown, rig.destination.snapshot().shards, culprit.settled]).toEqual([
        false,
        shards,
        false,
      ]);
      culprit.trySettle({ kind: 'refused', reason: 'sender_gone', message: '' });
      await until(() => rig.destination.snapshot().shardsBusy === 0, 'its last attempt is over');

      rig.sandbox.ledger.reset();
      rig.sandbox.faults.clear();
      expect(await outcomesOf([rig.send('e'), rig.send('bad', {}, bad), rig.send('f')])).toEqual([
        DELIVERED,
        DELIVERED,
        DELIVERED,
      ]);
      expect(rig.seen().filter((senders) => senders.includes('bad'))).toEqual([['bad']]);
    },
  );

  test('has to show on each new connection that it is good, as everybody at its address', async () => {
    const rig = await start();
    const culprit = { 'not-a-name': 'x' };
    expect(await outcomeOf(rig.send('nat', culprit))).toMatchObject({ kind: 'rejected' });
    rig.sandbox.ledger.reset();
    const neighbour = makeConnection('nat');
    await outcomesOf([rig.send('nat', {}, neighbour), rig.send('good')]);
    expect(rig.seen().toSorted(byFirst)).toEqual([['good'], ['nat']]);
    // The clock goes in steps here.
    vi.advanceTimersByTime(100);
    await outcomeOf(rig.send('nat', {}, neighbour));
    rig.sandbox.ledger.reset();
    await outcomesOf([rig.send('nat', {}, neighbour), rig.send('good')]);
    expect(rig.seen()).toEqual([['nat', 'good']]);
  });

  test('that runs into a quota of series is told 400 and isolated', async () => {
    const rig = await start();
    const body = 'per-user series limit of 10000000 exceeded, please contact administrator to raise it';
    rig.sandbox.faults.add(fault({ kind: 'status', status: 429, body }));
    const shards = await shardsOf(rig);
    const [bad, ...good] = [rig.send('bad', POISON), rig.send('a'), rig.send('b')];
    expect(await outcomesOf(good)).toEqual([DELIVERED, DELIVERED]);
    expect(await outcomesOf([bad])).toEqual([
      expect.objectContaining({ kind: 'rejected', status: 429, reason: 'series_limit' }),
    ]);
    expect([rig.destination.snapshot().sendersIsolated, await shardsOf(rig)]).toEqual([1, shards]);
  });
});

describe('a request that may not be repeated', () => {
  test('for its samples older than out_of_order_window travels alone', async () => {
    const rig = await start({ out_of_order_window: '60s' });
    const [recent, old] = [Date.now() - 50_000, Date.now() - 61_000];
    await outcomesOf([
      rig.send('a', {}, undefined, recent),
      rig.send('old', {}, undefined, old),
      rig.send('b', {}, undefined, recent),
    ]);
    expect(rig.seen().toSorted(byFirst)).toEqual([['a', 'b'], ['old']]);
    expect(rig.destination.snapshot().sendersIsolated).toBe(0);
  });

  test('is not isolated for a 400, which harms nobody', async () => {
    const rig = await start();
    const old = rig.send('old', { 'not-a-name': 'x' }, undefined, Date.now() - 120_000);
    expect(await outcomeOf(old)).toMatchObject({ kind: 'rejected', status: 400 });
    expect(rig.destination.snapshot().sendersIsolated).toBe(0);
  });
});

test('requests that are each within the burst get in though they are over it when joined', async () => {
  const rig = await start();
  const body = 'ingestion rate limit (10) exceeded while adding 4 samples and 0 metadata';
  const label = { name: 'team', value: 'a' };
  rig.sandbox.faults.add({ action: { kind: 'status', status: 429, body }, label, times: 2 });
  const all = ['a', 'b', 'c', 'd'].map((sender) => rig.send(sender, { team: 'a' }));
  expect(await outcomesOf(all)).toEqual(all.map(() => DELIVERED));
  const [joined, ...parts] = rig.seen();
  expect(joined).toEqual(['a', 'b', 'c', 'd']);
  expect(parts.map(({ length }) => length).toSorted((a, b) => a - b)).toEqual([1, 1, 2, 2]);
});

test('a sender that floods does not starve another merge key: they take turns', async () => {
  const rig = await start({ max_samples_per_send: 1, min_shards: 1, max_shards: 1 });
  const flood = Array.from({ length: 100 }, () => rig.send('flood'));
  const pair = { cluster: 'eks', __replica__: 'a' };
  const other = [rig.send('other', pair), rig.send('other', pair), rig.send('other', pair)];
  await outcomesOf([...flood, ...other]);
  const order = rig.seen().map(([sender]) => sender);
  expect(order).toHaveLength(103);
  expect(order.lastIndexOf('other')).toBeLessThan(7);
});

/** All that was lent is there to be lent again, for so many bodies. */
async function expectGivenBack(bodies: number): Promise<void> {
  await until(() => pool.lentBytes === 0, 'nothing is lent');
  // Each of these bodies takes the smallest memory that there is.
  expect(pool.idleBytes).toBe(bodies * 4096);
}

describe('the memory of a body is given back', () => {
  const BAD = { 'not-a-name': 'x' };
  const GONE = { kind: 'refused', reason: 'sender_gone', message: '' } as const;
  const SLOW = { action: { kind: 'delay', ms: 300 } } as const;
  const FAILS = { action: { kind: 'status', status: 500 } } as const;

  test('when it is delivered alone', async () => {
    const rig = await start();
    expect(await outcomeOf(rig.send('a'))).toEqual(DELIVERED);
    await expectGivenBack(1);
  });

  test('when it is delivered with others, and that of the joined body', async () => {
    const rig = await start();
    const sent = [rig.send('a'), rig.send('b'), rig.send('c')];
    expect(await outcomesOf(sent)).toEqual([DELIVERED, DELIVERED, DELIVERED]);
    expect(rig.seen()).toEqual([['a', 'b', 'c']]);
    await expectGivenBack(3 + 1);
  });

  test('when it is rejected, with the others of its batch', async () => {
    const rig = await start();
    const outcomes = await outcomesOf([rig.send('a'), rig.send('bad', BAD)]);
    expect(outcomes).toMatchObject([DELIVERED, { kind: 'rejected', status: 400 }]);
    await expectGivenBack(2 + 1);
  });

  test('when the queue is full', async () => {
    const rig = await start({ min_shards: 1, max_shards: 1, capacity: 4, max_samples_per_send: 1 });
    rig.sandbox.faults.add(SLOW);
    const sender = makeConnection('a');
    const all = Array.from({ length: 30 }, () => rig.send('a', {}, sender));
    const refused = all.filter(({ outcome }) => outcome?.kind === 'refused');
    expect(refused.length).toBeGreaterThan(20);
    for (const { outcome } of refused) expect(outcome).toMatchObject({ reason: 'queue_full' });
    // The memory of refused parcels is leased again already; the others wait.
    expect(pool.lentBytes).toBe((all.length - refused.length) * 4096);
    rig.sandbox.faults.clear();
    await outcomesOf(all);
    await until(() => pool.lentBytes === 0, 'nothing is lent');
  });

  test('when its sender goes while it waits in the queue', async () => {
    const rig = await start({ batch_send_deadline: '5s', min_shards: 1, max_shards: 1 });
    rig.sandbox.faults.add(SLOW);
    const first = rig.send('first');
    await until(() => rig.destination.snapshot().shardsBusy === 1, 'the only shard is busy');
    const gone = rig.send('gone');
    expect(pool.lentBytes).toBe(2 * 4096);
    gone.trySettle(GONE);
    expect(pool.lentBytes).toBe(4096);
    expect(await outcomeOf(first)).toEqual(DELIVERED);
    await expectGivenBack(2);
  });

  test('when its sender goes while it is on its way, but not before AMP has answered', async () => {
    const rig = await start();
    rig.sandbox.faults.add(SLOW);
    const gone = rig.send('gone');
    await until(() => rig.destination.snapshot().shardsBusy === 1, 'it is on its way');
    gone.trySettle(GONE);
    expect(pool.lentBytes).toBe(4096);
    await expectGivenBack(1);
  });

  test('when its sender goes while it waits for its next attempt', async () => {
    const rig = await start({ min_backoff: '5s', max_backoff: '10s' });
    rig.sandbox.faults.add(FAILS);
    const gone = rig.send('gone');
    await expect.poll(async () => (await rig.scrape()).sum('amp_write_proxy_retry_samples')).toBe(1);
    expect(pool.lentBytes).toBe(4096);
    gone.trySettle(GONE);
    await expectGivenBack(1);
  });

  test('when its time does not suffice for another attempt', async () => {
    const rig = await start({ delivery_timeout: '1s', min_backoff: '30s', max_backoff: '30s' });
    rig.sandbox.faults.add(FAILS);
    expect(await outcomeOf(rig.send('late'))).toMatchObject({ kind: 'refused', reason: 'delivery_timeout' });
    await expectGivenBack(1);
  });
});
