import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AMP_RULES } from '../../../src/dev/sandbox/rules.ts';
import type { Sandbox } from '../../../src/dev/sandbox/sandbox.ts';
import { startSandbox } from '../../../src/dev/sandbox/sandbox.ts';
import type { SeriesInput } from '../../support/sandbox-request.ts';
import { encodeBody, postSigned } from '../../support/sandbox-request.ts';

const T = 1_700_000_000_000;
const STALE_MARKER = 0x7ff0000000000002n;
const SIGNALLING_NAN = 0x7ff0dead00000001n;

let sandbox: Sandbox;

beforeAll(async () => {
  sandbox = await startSandbox();
});

afterAll(async () => {
  await sandbox.close();
});

beforeEach(() => {
  sandbox.reset();
  Object.assign(sandbox.rules, AMP_RULES);
  sandbox.clock.offsetMs = 0;
});

async function write(...series: SeriesInput[]): Promise<{ status: number; text: string }> {
  const { status, text } = await postSigned(sandbox, encodeBody(series));
  return { status, text };
}

function up(samples: SeriesInput['samples'] = [[T, 1]], labels: Record<string, string> = {}): SeriesInput {
  return { labels: { __name__: 'up', ...labels }, samples };
}

describe('a faulty series or sample', () => {
  const bad: [string, SeriesInput['labels'], RegExp][] = [
    ['has no metric name', { job: 'x' }, /^sample missing metric name\n$/u],
    ['has an invalid metric name', { __name__: 'u-p' }, /^sample invalid metric name: "u-p"\n$/u],
    ['has an invalid label name', { __name__: 'up', 'a-b': 'x' }, /^sample invalid label: "a-b" metric /u],
    ['repeats a label name', [...pairs('a'), ...pairs('a')], /^duplicate label name: "a" metric "up\{a=/u],
    ['has unsorted labels', [...pairs('b'), ...pairs('a')], /^labels not sorted: "a" metric /u],
  ];
  test.each(bad)('that %s gets 400, and the rest is stored', async (_what, labels, message) => {
    const sent = Array.isArray(labels) ? [['__name__', 'up'], ...labels] : labels;
    sandbox.rules.refuseUnsortedLabels = true;
    const { status, text } = await write({ labels: sent as SeriesInput['labels'], samples: [[T, 1]] }, up());
    expect(status).toBe(400);
    expect(text).toMatch(message);
    expect(sandbox.store.sampleCount).toBe(1);
    expect(sandbox.ledger.stats().rejected.invalid_labels).toBe(1);
  });

  test('that is older than the out-of-order window gets 400 in the words of Cortex, and the rest is stored', async () => {
    await write(up([[T, 1]], { job: 'x' }));
    const { status, text } = await write(up([[T - 60_001, 2]], { job: 'x' }), up([[T, 5]], { job: 'y' }));
    expect(status).toBe(400);
    expect(text).toBe(
      'user=123456789012_ws-sandbox: err: too old sample. timestamp=2023-11-14T22:12:19.999Z, series={__name__="up", job="x"}\n',
    );
    expect(sandbox.store.samplesOf('{__name__="up", job="y"}')).toHaveLength(1);
    expect(sandbox.ledger.stats().rejected.out_of_order).toBe(1);
  });

  test('that is out of order is refused at all without a window, and stored in order of arrival inside one', async () => {
    sandbox.rules.outOfOrderWindowMs = 0;
    await write(up([[T, 1]]));
    expect((await write(up([[T - 1, 2]]))).text).toContain('err: out of order sample. timestamp=');
    sandbox.rules.outOfOrderWindowMs = 60_000;
    expect((await write(up([[T - 60_000, 2]]))).status).toBe(200);
    expect(sandbox.store.samplesOf('{__name__="up"}').map(({ timestampMs }) => timestampMs)).toEqual([
      BigInt(T),
      BigInt(T - 60_000),
    ]);
  });

  test('that is out of order inside one request is judged like one between requests', async () => {
    const { status } = await write(
      up([
        [T, 1],
        [T - 120_000, 1],
        [T + 1, 1],
      ]),
    );
    expect(status).toBe(400);
    expect(sandbox.store.sampleCount).toBe(2);
  });

  test('that repeats a timestamp is accepted with the same value, and gets 400 with another', async () => {
    await write(up([[T, STALE_MARKER]]));
    expect(await write(up([[T, STALE_MARKER]]))).toEqual({ status: 200, text: '' });
    const { status, text } = await write(up([[T, SIGNALLING_NAN]]));
    expect(status).toBe(400);
    expect(text).toContain('err: duplicate sample for timestamp. timestamp=2023-11-14T22:13:20Z, series=');
    expect(sandbox.store.samplesOf('{__name__="up"}')).toEqual([{ timestampMs: BigInt(T), valueBits: STALE_MARKER }]);
    expect(sandbox.ledger.stats().repeated).toBe(1);
  });

  test('that repeats an older timestamp inside the window is judged the same way', async () => {
    await write(
      up([
        [T, 1],
        [T + 1, 2],
      ]),
    );
    expect((await write(up([[T, 1]]))).status).toBe(200);
    expect((await write(up([[T, 9]]))).status).toBe(400);
    expect(sandbox.store.sampleCount).toBe(2);
  });

  test('that is too old or too new gets 400 when those rules are on', async () => {
    Object.assign(sandbox.rules, { maxSampleAgeMs: 3_600_000, maxSampleFutureMs: 600_000 });
    const now = Date.now();
    expect((await write(up([[now - 3_700_000, 1]]))).text).toContain('err: out of bounds. timestamp=');
    expect((await write(up([[now + 700_000, 1]]))).text).toBe(`timestamp too new: ${now + 700_000} metric: "up"\n`);
    expect((await write(up([[now, 1]]))).status).toBe(200);
  });

  test('that has an exemplar gets 400 when that rule is on', async () => {
    sandbox.rules.refuseExemplars = true;
    expect((await write({ ...up(), exemplars: [[T, 1]] }, up([[T, 1]], { job: 'y' }))).status).toBe(400);
    expect(sandbox.store.sampleCount).toBe(1);
  });
});

describe('high availability', () => {
  test('elects the first replica of a cluster, and answers 202 to another without storing anything of it', async () => {
    expect((await write(from('a', T))).status).toBe(200);
    const { status, text } = await write(from('b', T + 1), up([[T, 1]], { job: 'plain' }));
    expect([status, text]).toEqual([202, 'replicas did not mach, rejecting sample: replica=b, elected=a\n']);
    expect([...sandbox.store.series()].map(({ key }) => key)).toEqual(['{__name__="up", cluster="prod"}']);
    expect(sandbox.ledger.stats().deduplicated).toBe(2);
    expect((await write(from('b', T, 'other'))).status).toBe(200);
  });

  test('decides by the first series alone, so a mixed request keeps what it should not', async () => {
    await write(from('a', T));
    expect((await write(up(), from('b', T + 1))).status).toBe(200);
    expect(sandbox.store.hasSeries('{__name__="up", __replica__="b", cluster="prod"}')).toBe(true);
  });

  test('fails over after 30 s of silence, by the clock of the sandbox', async () => {
    await write(from('a', T));
    sandbox.clock.offsetMs = 29_000;
    expect((await write(from('b', T + 1))).status).toBe(202);
    sandbox.clock.offsetMs = 30_500;
    expect((await write(from('b', T + 2))).status).toBe(200);
    expect((await write(from('a', T + 3))).status).toBe(202);
  });
});

function pairs(name: string): [string, string][] {
  return [[name, 'x']];
}

/** A series of one replica of an HA pair. */
function from(replica: string, timestampMs: number, cluster = 'prod'): SeriesInput {
  return { labels: { __name__: 'up', __replica__: replica, cluster }, samples: [[timestampMs, 1]] };
}

describe('the limit of active series', () => {
  test('refuses new series with 429 in the words of Cortex, and stores what belongs to known ones', async () => {
    sandbox.rules.maxActiveSeries = 1;
    await write(up([[T, 1]], { job: 'known' }));
    const { status, text } = await write(up([[T, 1]], { job: 'new' }), up([[T + 1, 2]], { job: 'known' }));
    expect(status).toBe(429);
    expect(text).toBe(
      'user=123456789012_ws-sandbox: per-user series limit of 1 exceeded, please contact administrator to raise it ' +
        '(local limit: 0 global limit: 1 actual local limit: 1)\n',
    );
    expect(sandbox.store.samplesOf('{__name__="up", job="known"}')).toHaveLength(2);
    expect(sandbox.store.hasSeries('{__name__="up", job="new"}')).toBe(false);
    expect(sandbox.ledger.stats().rejected.series_limit).toBe(1);
  });
});

describe('the order of exemplars', () => {
  test('refuses one that is older than the newest of its series with 400, and takes the newest again', async () => {
    sandbox.rules.enforceExemplarOrder = true;
    const both = {
      ...up(),
      exemplars: [
        [T, 1],
        [T + 1, 1],
      ] as const,
    };
    expect(await write(both)).toEqual({ status: 200, text: '' });
    expect(await write({ ...up([[T + 2, 1]]), exemplars: [[T + 1, 1]] })).toEqual({ status: 200, text: '' });
    // Prometheus sends them like this, apart from the samples.
    const { status, text } = await write({ labels: both.labels, exemplars: both.exemplars });
    expect(status).toBe(400);
    expect(text).toMatch(/^user=123456789012_ws-sandbox: err: out of order exemplar\. timestamp=/u);
  });
});
