/** P3 and P5: what a sender is told when its request cannot be taken, and that nobody else notices. */
import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { expectNothingLost } from '../support/judge.ts';
import { sleep, until } from '../support/processes.ts';
import { expectLedgerBalanced, startPair, type ProxyProcess, type SandboxProcess } from '../support/proxy.ts';
import { compress, encodeBody } from '../support/sandbox-request.ts';
import { LedgerSender, postBody, type PostOptions } from '../support/sending.ts';

interface Refusal {
  readonly name: string;
  readonly path?: string;
  readonly body?: Uint8Array;
  readonly options?: PostOptions;
  readonly status: number;
  readonly text: RegExp;
}

const SERIES = [{ labels: { __name__: 'refused' }, samples: [[1, 1]] }] as const;
const BODY = encodeBody(SERIES);
/** 256 MiB by its preamble, and a copy of what is not there. */
const BOMB = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x01, 0xfe, 0x01]);
const LARGE = Buffer.alloc(70_000, 1);

const REFUSALS: readonly Refusal[] = [
  {
    name: 'another content type',
    options: { headers: { 'content-type': 'application/json' } },
    status: 415,
    text: /"application\/json".*remote write 1\.0/,
  },
  {
    name: 'remote write 2.0',
    options: { headers: { 'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request' } },
    status: 415,
    text: /remote write 2\.0.*protobuf_message: prometheus\.WriteRequest/,
  },
  {
    name: 'another encoding',
    options: { headers: { 'content-encoding': 'zstd' } },
    status: 415,
    text: /"zstd".*snappy/,
  },
  { name: 'a body that is not snappy', body: Buffer.from('not snappy at all'), status: 400, text: /snappy.*byte \d+/i },
  { name: 'a body cut short', body: BODY.subarray(0, -3), status: 400, text: /byte \d+/ },
  {
    name: 'a body that is no WriteRequest',
    body: compress(Buffer.from([0x0a, 0x7f, 0x01])),
    status: 400,
    text: /byte \d+/,
  },
  {
    name: 'a series without labels',
    body: encodeBody([{ labels: {}, samples: [[1, 1]] }]),
    status: 400,
    text: /label/,
  },
  { name: 'seven bytes that claim 256 MiB', body: BOMB, status: 400, text: /\d/ },
  { name: 'a body over the limit', body: LARGE, status: 413, text: /limits\.max_body_bytes.*max_samples_per_send/ },
  {
    name: 'a chunked body over the limit, before its end',
    body: LARGE,
    options: { endless: true },
    status: 413,
    text: /limits\.max_body_bytes/,
  },
  {
    name: 'more than max_decoded_bytes',
    body: compress(Buffer.alloc(600_000)),
    status: 413,
    text: /limits\.max_decoded_bytes/,
  },
  { name: 'an unknown route', path: '/api/v1/push', status: 404, text: /\/api\/v1\/write/ },
  { name: 'an unknown entry', path: '/api/v1/write/nobody', status: 503, text: /"nobody".*default/ },
  { name: 'an unknown workspace', path: '/workspaces/ws-other/api/v1/remote_write', status: 503, text: /"ws-other"/ },
];

const LIMITS = { max_body_bytes: '50KB', max_decoded_bytes: '500KB' };

test('answers what cannot be taken with its reason, while other senders notice nothing', async () => {
  const { sandbox, proxy } = await startPair({}, { limits: LIMITS });
  const others = ['one', 'two'].map((name) => new LedgerSender(proxy.writeUrl, { name }));
  let over = false;
  onTestFinished(() => {
    over = true;
  });
  const sending = Promise.all(others.map(async (sender) => sendUntil(sender, () => over)));
  while (others.some(({ requests }) => requests.length < 10)) {
    for (const refusal of REFUSALS) await expectRefused(proxy, refusal);
  }
  over = true;
  await sending;

  await expectSteadySenders(others, sandbox);
  const { received } = await expectLedgerBalanced(proxy, acknowledgedBy(others));
  expect(received).toBe(acknowledgedBy(others).acknowledged);
  expect((await sandbox.client.series('refused')).length).toBe(0);
});

test('takes the routes of the first entry, of a named entry and of a workspace', async () => {
  const { sandbox, proxy } = await startPair({ name: 'main' });
  const routes = ['/api/v1/write', '/api/v1/write/main', '/workspaces/ws-sandbox/api/v1/remote_write'];
  const senders = routes.map((route, index) => new LedgerSender(`${proxy.url}${route}`, { name: `route-${index}` }));
  for (const sender of senders) expect(await sender.send(sender.makeSeries(5))).toMatchObject({ status: 204 });
  await expectNothingLost(sandbox.client, senders);
  await expectLedgerBalanced(proxy, acknowledgedBy(senders));
});

test('refuses a request over max_inflight_bytes with 503 and Retry-After, and accepts it once bytes are free again', async () => {
  const { sandbox, proxy } = await startPair({}, { limits: { ...LIMITS, max_inflight_bytes: '60KB' } });
  const [first, second] = [
    new LedgerSender(proxy.writeUrl, { name: 'first' }),
    new LedgerSender(proxy.writeUrl, { name: 'second' }),
  ];
  // Hex of random bytes hardly compresses: two such bodies are over 60 KB.
  const bulk = [{ family: 'bulk', type: 1, help: randomBytes(20_000).toString('hex') }];
  await sandbox.client.addFaults({ action: { kind: 'delay', ms: 1_500 }, times: 1 });
  const held = first.send(first.makeSeries(10), bulk);
  await until('the first request is held', async () => (await heldBytes(proxy)) > 30_000);
  const refused = await second.send(second.makeSeries(10), bulk);
  expect(refused).toMatchObject({ status: 503 });
  expect(refused.text).toMatch(/limits\.max_inflight_bytes/);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect(await held).toMatchObject({ status: 204 });
  expect(await second.send(second.makeSeries(10), bulk)).toMatchObject({ status: 204 });
  await expectNothingLost(sandbox.client, [first, second]);
  await expectLedgerBalanced(proxy, acknowledgedBy([first, second]));
  await until('all bytes are given back', async () => (await heldBytes(proxy)) === 0);
});

test('refuses a request over the capacity of the queue with 503 and Retry-After', async () => {
  const { sandbox, proxy } = await startPair({
    queue_config: { capacity: 200, max_samples_per_send: 200, max_shards: 1, min_shards: 1 },
  });
  await sandbox.client.addFaults({ action: { kind: 'delay', ms: 300 } });
  const senders = Array.from(
    { length: 8 },
    (_, index) => new LedgerSender(proxy.writeUrl, { name: `sender-${index}` }),
  );
  const answers = await Promise.all(senders.map(async (sender) => sender.send(sender.makeSeries(90))));
  const refused = answers.filter(({ status }) => status === 503);
  expect(refused.length).toBeGreaterThan(0);
  for (const { text, headers } of refused) {
    expect(text).toMatch(/capacity is 200/);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  }
  await sandbox.client.clearFaults();
  await Promise.all(senders.map(async (sender) => sender.deliver(sender.makeSeries(90))));
  await expectNothingLost(sandbox.client, senders);
  const { refused: samples } = await expectLedgerBalanced(proxy, acknowledgedBy(senders));
  expect(samples).toBe((await proxy.metrics()).sum('amp_write_proxy_samples_refused_total', { reason: 'queue_full' }));
  expect(samples).toBeGreaterThanOrEqual(refused.length * 90);
});

async function expectRefused(proxy: ProxyProcess, refusal: Refusal): Promise<void> {
  const { name, path = '/api/v1/write', body = BODY, options = {}, status, text } = refusal;
  const startedAtMs = performance.now();
  const answer = await postBody(`${proxy.url}${path}`, body, options);
  expect(answer.status, `${name}: ${answer.text}`).toBe(status);
  expect(answer.text, `text for ${name}`).toMatch(text);
  expect(performance.now() - startedAtMs, `${name} is answered at once`).toBeLessThan(2_000);
}

async function sendUntil(sender: LedgerSender, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await sender.send(sender.makeSeries(10));
    await sleep(5);
  }
}

async function expectSteadySenders(senders: readonly LedgerSender[], sandbox: SandboxProcess): Promise<void> {
  for (const { statuses } of senders) {
    expect(new Set(statuses)).toEqual(new Set([204]));
  }
  await expectNothingLost(sandbox.client, senders);
}

async function heldBytes(proxy: ProxyProcess): Promise<number> {
  return (await proxy.metrics()).sum('amp_write_proxy_inflight_bytes');
}

function acknowledgedBy(senders: readonly LedgerSender[]): { acknowledged: number } {
  return { acknowledged: senders.reduce((sum, { acknowledged }) => sum + acknowledged, 0) };
}
