/** The texts of an upstream, as senders, the log, the metrics and the status page pass them on. */
import { expect, onTestFinished, test } from 'vitest';
import { answer, startUpstream, type LoopbackUpstream, type ReceivedRequest } from '../support/loopback.ts';
import { startProxy, type ProxyProcess } from '../support/proxy.ts';
import { LedgerSender } from '../support/sending.ts';
import { findSecret } from '../support/secrets.ts';

const TOKEN = `IQoJb3JpZ2luX2Vj${'Q4fK9zT7wXbL2mNc'.repeat(30)}==`;

/** A gateway on the way that answers in the place of AMP. */
async function startBehind(
  body: (request: ReceivedRequest) => string,
  status: number,
): Promise<{ upstream: LoopbackUpstream; proxy: ProxyProcess }> {
  const upstream = await startUpstream((request, _index, response) => answer(response, status, body(request)));
  onTestFinished(async () => upstream[Symbol.asyncDispose]());
  const proxy = await startProxy({
    remoteWrite: [
      {
        url: `${upstream.url.href}workspaces/ws/api/v1/remote_write`,
        sigv4: { region: 'us-west-2' },
        queue_config: { delivery_timeout: '2s' },
      },
    ],
    log: { format: 'json', level: 'debug' },
    env: {
      AWS_ACCESS_KEY_ID: 'ASIAIOSFODNN7EXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      AWS_SESSION_TOKEN: TOKEN,
    },
  });
  return { upstream, proxy };
}

/** The first event of the status page's stream. */
async function statusOf(proxy: ProxyProcess): Promise<string> {
  const { body } = await fetch(`${proxy.adminUrl}/status/stream`);
  if (body === null) throw new Error('the stream has no body');
  let text = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes('\n\n')) break;
  }
  return text;
}

const ECHOES: readonly (readonly [form: string, status: number, body: (request: ReceivedRequest) => string])[] = [
  ['JSON', 500, ({ headers }) => JSON.stringify({ error: 'bad gateway', headers })],
  [
    'headers',
    502,
    ({ headers }) =>
      Object.entries(headers)
        .map((pair) => pair.join(': '))
        .join('\r\n'),
  ],
  [
    'headers',
    400,
    ({ headers }) =>
      Object.entries(headers)
        .map((pair) => pair.join(': '))
        .join('\r\n'),
  ],
  ['a query string', 429, ({ rawHeaders }) => rawHeaders.map(encodeURIComponent).join('&')],
  ['base64', 503, ({ headers }) => Buffer.from(JSON.stringify(headers)).toString('base64')],
];

test.each(ECHOES)(
  'an upstream that quotes the request as %s in a %i tells nobody its credentials',
  async (_form, status, body) => {
    const { upstream, proxy } = await startBehind(body, status);
    const sender = new LedgerSender(proxy.writeUrl, { name: 'a' });
    onTestFinished(() => sender.close());
    await sender.send(sender.makeSeries(3));
    const [request] = upstream.requests;
    expect(request?.headers['x-amz-security-token']).toBe(TOKEN);
    const told = sender.requests.map(({ answer: given }) => given?.text ?? '').join('\n');
    expect(told).not.toBe('');
    const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text();
    const pages = [metrics, await statusOf(proxy)];
    const signature = /Signature=([0-9a-f]{64})/.exec(request?.headers.authorization ?? '')?.[1] ?? 'none';
    for (const shown of [told, ...pages, proxy.child.stdout, proxy.child.stderr]) {
      for (const secret of [TOKEN.slice(16, 40), signature, 'IOSFODNN7', 'SU9TRk9ETk4'])
        expect(shown).not.toContain(secret);
    }
    expect(findSecret(proxy.child, [TOKEN])).toBeUndefined();
  },
);

test.each([
  [400, '<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head>'],
  [400, '{"message":"The security token included in the request is expired"}'],
  [400, '{"__type":"ThrottlingException","message":"Rate exceeded"}'],
])('a %i that is no verdict on data is told as 503: %s', async (status, body) => {
  const { proxy } = await startBehind(() => body, status);
  const sender = new LedgerSender(proxy.writeUrl, { name: 'a' });
  onTestFinished(() => sender.close());
  await sender.send(sender.makeSeries(3));
  expect(sender.statuses).toEqual([503]);
});

test('a 429 about a quota of series is told as 400 with the words of AMP, and counted with its reason', async () => {
  const body = 'user=1: per-user series limit of 10 exceeded, please contact administrator to raise it';
  const { upstream, proxy } = await startBehind(() => body, 429);
  const sender = new LedgerSender(proxy.writeUrl, { name: 'a' });
  onTestFinished(() => sender.close());
  const given = await sender.send(sender.makeSeries(3));
  expect({ status: given.status, text: given.text.trimEnd() }).toEqual({ status: 400, text: body });
  expect(upstream.requests).toHaveLength(1);
  const metrics = await proxy.metrics();
  expect(metrics.sum('amp_write_proxy_samples_rejected_total', { code: '429', reason: 'series_limit' })).toBe(3);
});
