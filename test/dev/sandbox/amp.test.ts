import { readFileSync } from 'node:fs';
import snappyjs from 'snappyjs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AMP_RULES } from '../../../src/dev/sandbox/rules.ts';
import type { Sandbox } from '../../../src/dev/sandbox/sandbox.ts';
import { startSandbox } from '../../../src/dev/sandbox/sandbox.ts';
import type { SeriesInput } from '../../support/sandbox-request.ts';
import {
  compress,
  encodeBody,
  encodeHistogram,
  postSigned,
  signHeaders,
  WRITE_HEADERS,
} from '../../support/sandbox-request.ts';

const T = 1_700_000_000_000;
const STALE_MARKER = 0x7ff0000000000002n;
/** The NaN that Prometheus itself writes; the captured bodies hold these and no stale marker. */
const PROMETHEUS_NAN = 0x7ff8000000000001n;
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

describe('a write that AMP accepts', () => {
  test('gets 200, an empty body and the headers of AWS', async () => {
    const { status, text, headers } = await postSigned(sandbox, encodeBody([up()]));
    expect([status, text]).toEqual([200, '']);
    expect(headers.get('x-amzn-requestid')).toMatch(/^[0-9a-f-]{36}$/u);
    expect(Date.parse(headers.get('date') ?? '')).toBeCloseTo(Date.now(), -4);
  });

  test('keeps the 8 bytes of every value, signalling NaNs and stale markers too, and 64-bit timestamps', async () => {
    const samples = [
      [-(2n ** 63n), 0x8000000000000000n],
      [T, STALE_MARKER],
      [T + 1, SIGNALLING_NAN],
      [T + 2, 0xfff0000000000001n],
      [2n ** 63n - 1n, 0x7ff8000000000001n],
    ] as const;
    expect(await write(up(samples))).toEqual({ status: 200, text: '' });
    expect(sandbox.store.samplesOf('{__name__="up"}')).toEqual(
      samples.map(([timestampMs, valueBits]) => ({ timestampMs: BigInt(timestampMs), valueBits })),
    );
  });

  test('keeps native histograms as they were encoded', async () => {
    const histogram = encodeHistogram(T, 2.5);
    await write({ labels: { __name__: 'latency' }, histograms: [histogram] });
    const [series] = sandbox.store.series();
    expect(series?.histograms).toEqual([{ timestampMs: BigInt(T), hex: histogram.toString('hex') }]);
  });

  test('keeps metadata by family, and ignores exemplars', async () => {
    const body = encodeBody([{ ...up(), exemplars: [[T, 1]] }], [{ family: 'up', type: 2, help: 'Is it up' }]);
    expect((await postSigned(sandbox, body)).status).toBe(200);
    expect(sandbox.store.metadata.get('up')).toEqual({ metricFamilyName: 'up', type: 2, help: 'Is it up', unit: '' });
    expect(sandbox.ledger.stats().received).toMatchObject({ samples: 1, exemplars: 1, metadata: 1 });
  });

  test('may have its labels in any order, as vmagent sends them: they are sorted', async () => {
    await write({
      labels: [
        ['job', 'x'],
        ['__name__', 'up'],
      ],
      samples: [[T, 1]],
    });
    expect(sandbox.store.hasSeries('{__name__="up", job="x"}')).toBe(true);
  });

  test('may be empty', async () => {
    expect((await write()).status).toBe(200);
  });
});

describe('bodies captured from real senders', () => {
  test.each([
    ['prometheus-3.5-rw1-01', { series: 500, samples: 500, histograms: 0, metadata: 0, nan: 14 }],
    ['prometheus-3.5-rw1-04', { series: 0, samples: 0, histograms: 0, metadata: 258, nan: 0 }],
    ['prometheus-3.5-rw1-08', { series: 0, samples: 0, histograms: 0, metadata: 258, nan: 0 }],
    ['prometheus-3.5-rw1-12', { series: 117, samples: 111, histograms: 6, metadata: 0, nan: 3 }],
    ['vmagent-1.145-rw1-01', { series: 0, samples: 0, histograms: 0, metadata: 240, nan: 0 }],
    ['vmagent-1.145-rw1-02', { series: 581, samples: 581, histograms: 0, metadata: 0, nan: 26 }],
  ])('%s is stored whole', async (name, expected) => {
    const { body, headers } = fixture(name);
    expect((await postSigned(sandbox, body, headers)).status).toBe(200);
    const { store, ledger } = sandbox;
    const all = [...store.series()].flatMap(({ samples }) => samples);
    const nan = all.filter(({ valueBits }) => valueBits === PROMETHEUS_NAN).length;
    const { exemplars: _exemplars, ...received } = ledger.stats().received;
    expect({ ...received, nan }).toEqual(expected);
    expect([store.sampleCount, store.histogramCount]).toEqual([expected.samples, expected.histograms]);
  });

  test('drops __replica__ from the series of an elected replica', async () => {
    const { body, headers } = fixture('prometheus-3.5-rw1-01');
    await postSigned(sandbox, body, headers);
    const names = new Set([...sandbox.store.series()].flatMap(({ labels }) => labels.map(({ name }) => name)));
    expect(names.has('cluster')).toBe(true);
    expect(names.has('__replica__')).toBe(false);
  });

  test.each(['prometheus-3.5-rw2-01', 'vmagent-1.145-zstd-01'])('%s gets 415', async (name) => {
    const { body, headers } = fixture(name);
    expect((await postSigned(sandbox, body, headers)).status).toBe(415);
  });
});

describe('the request as a whole', () => {
  test('gets 404 as JSON on another path, workspace or method', async () => {
    const other = sandbox.remoteWriteUrl.replace('ws-sandbox', 'ws-other');
    const { status, text } = await postSigned({ ...keys(), remoteWriteUrl: other }, encodeBody([up()]));
    expect([status, text]).toEqual([404, '{"Message":"Workspace not found"}']);
    const slash = await postSigned({ ...keys(), remoteWriteUrl: `${sandbox.remoteWriteUrl}/` }, encodeBody([up()]));
    expect(slash.status).toBe(404);
    expect((await fetch(sandbox.remoteWriteUrl)).status).toBe(404);
    expect(sandbox.store.sampleCount).toBe(0);
  });

  test('gets 413 over 1 MB as sent, and 200 just under it', async () => {
    const noise = Array.from({ length: 4000 }, (_, index) =>
      up([[T, index]], { id: `${index}-${(index * 7919) % 99_991}` }),
    );
    const body = encodeBody(noise);
    sandbox.rules.maxRequestBytes = body.length;
    expect((await postSigned(sandbox, body)).status).toBe(200);
    sandbox.rules.maxRequestBytes = body.length - 1;
    expect((await postSigned(sandbox, body)).status).toBe(413);
    expect(AMP_RULES.maxRequestBytes).toBe(1_000_000);
  });

  test('gets 400 for a body that is not snappy, is cut, or is not a WriteRequest', async () => {
    const whole = encodeBody([up()]);
    const bodies = [
      Buffer.from('not snappy'),
      whole.subarray(0, -1),
      Buffer.concat([Buffer.of((whole[0] ?? 0) + 1), whole.subarray(1)]),
      compress(Buffer.from('0aff', 'hex')),
      overflowing(),
    ];
    for (const body of bodies) expect((await postSigned(sandbox, body)).status).toBe(400);
    expect(sandbox.store.sampleCount).toBe(0);
  });

  test('is refused whole, 400, for one series without labels', async () => {
    expect((await write(up(), { labels: {}, samples: [[T, 1]] })).status).toBe(400);
    expect(sandbox.store.sampleCount).toBe(0);
  });

  test('is refused whole, 429, over the ingestion rate, and accepted when the bucket has filled again', async () => {
    Object.assign(sandbox.rules, { ingestionRateSamples: 1, ingestionBurstSamples: 3 });
    const three = up([
      [T, 1],
      [T + 1, 1],
      [T + 2, 1],
    ]);
    expect((await write(three)).status).toBe(200);
    const more = up([
      [T + 3, 1],
      [T + 4, 1],
      [T + 5, 1],
    ]);
    const { status, text } = await write(more);
    expect([status, text]).toEqual([429, 'ingestion rate limit (1) exceeded while adding 3 samples and 0 metadata\n']);
    expect(sandbox.store.sampleCount).toBe(3);
    sandbox.clock.offsetMs = 3000;
    expect((await write(more)).status).toBe(200);
  });
});

describe('queries', () => {
  test('answers an instant query of a bare selector, series, labels and label values', async () => {
    await write(up([[T, 0.5]], { job: 'x' }), up([[T, STALE_MARKER]], { job: 'y' }));
    expect(await query(`query?query=${encodeURIComponent('up{job="x"}')}&time=${T / 1000 + 1}`)).toEqual({
      resultType: 'vector',
      result: [{ metric: { __name__: 'up', job: 'x' }, value: [T / 1000 + 1, '0.5'] }],
    });
    expect(await query(`query?query=up&time=${T / 1000}`)).toMatchObject({ result: [{ metric: { job: 'x' } }] });
    expect(await query('series?match[]=up')).toHaveLength(2);
    expect(await query('labels')).toEqual(['__name__', 'job']);
    expect(await query('label/job/values')).toEqual(['x', 'y']);
  });
});

describe('the store', () => {
  test('holds samples across chunks with their bits', () => {
    const series = sandbox.store.ensureSeries([{ name: '__name__', value: 'many' }]);
    for (let index = 0; index < 150_000; index += 1) {
      sandbox.store.addSample(series, { low: index, high: 0 }, { low: index, high: index });
    }
    expect(sandbox.store.sampleCount).toBe(150_000);
    const samples = sandbox.store.samplesOf(series.key);
    expect(samples[149_999]).toEqual({ timestampMs: 149_999n, valueBits: (149_999n << 32n) | 149_999n });
  });
});

function keys(): { accessKeyId: string; secretAccessKey: string } {
  return { accessKeyId: sandbox.accessKeyId, secretAccessKey: sandbox.secretAccessKey };
}

function fixture(name: string): { body: Buffer; headers: Record<string, string> } {
  const folder = new URL('../../fixtures/wire/', import.meta.url);
  const recorded: { headers: Record<string, string> } = JSON.parse(
    readFileSync(new URL(`${name}.headers.json`, folder), 'utf8'),
  );
  const headers: Record<string, string> = { ...WRITE_HEADERS };
  const sent = Object.entries(recorded.headers);
  for (const [header, value] of sent) {
    if (/^(?:content-(?:type|encoding)|x-prometheus)/iu.test(header)) headers[header.toLowerCase()] = value;
  }
  return { body: readFileSync(new URL(`${name}.bin`, folder)), headers };
}

async function query(operation: string): Promise<unknown> {
  const url = `${sandbox.url}/workspaces/ws-sandbox/api/v1/${operation}`;
  const { host: _host, ...headers } = await signHeaders(url, Buffer.alloc(0), keys(), {}, { method: 'GET' });
  const answer: { status: string; data: unknown } = JSON.parse(await (await fetch(url, { headers })).text());
  expect(answer.status).toBe('success');
  return answer.data;
}

/** A block whose declared length ends with its first series, and whose elements go on to a second. */
function overflowing(): Buffer {
  const raw = snappyjs.uncompress(encodeBody([up()]));
  const literal = Buffer.concat([Buffer.of((raw.length - 1) << 2), raw]);
  return Buffer.concat([Buffer.of(raw.length), literal, literal]);
}
