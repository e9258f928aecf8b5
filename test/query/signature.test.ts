/**
 * Whatever a reader asks, as far as it is passed on, is signed so that two verifiers accept it: the sandbox's and botocore.
 */
import { request as httpRequest } from 'node:http';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SandboxClock } from '../../src/dev/sandbox/clock.ts';
import { KnownKeys } from '../../src/dev/sandbox/credentials.ts';
import { verifySignature } from '../../src/dev/sandbox/verify-signature.ts';
import { authorizationsOf, HAS_BOTOCORE } from '../support/botocore.ts';
import { answer } from '../support/loopback.ts';
import { SECRET, startReading } from '../support/querying.ts';

interface AskedQuery {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body: Uint8Array;
}

/** One text in one of the ways that clients encode it: all of it, as a form, or only what has to be. */
const encoded = fc
  .tuple(fc.string({ unit: 'binary', maxLength: 12 }), fc.constantFrom('whole', 'form', 'least'))
  .map(([text, way]) => {
    const whole = [...Buffer.from(text.toWellFormed())]
      .map((byte) => `%${byte.toString(16).padStart(2, '0')}`)
      .join('');
    if (way === 'whole') return whole;
    if (way === 'form') return new URLSearchParams([[text.toWellFormed(), '']]).toString().slice(0, -1);
    return encodeURIComponent(text.toWellFormed()).replaceAll(/%(?:2F|3A|40|2C|24|3F|7B|22|5B|5D)/g, (code) =>
      code === '%22' || code === '%7B' || code === '%5B' || code === '%5D' ? code : decodeURIComponent(code),
    );
  });
const names = fc.oneof(fc.constantFrom('query', 'match[]', 'match%5B%5D', 'time', 'constructor', 'a'), encoded);
const pair = fc.oneof(
  names,
  fc.tuple(names, encoded).map(([name, value]) => `${name}=${value}`),
  fc.constant(''),
);
const queryString = fc
  .array(pair, { maxLength: 6 })
  .map((pairs) => pairs.join('&'))
  .filter((text) => !/(?:^|&)(?:__proto__|x-amz-)/i.test(text));
const segment = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 8 })
  .map((text) => encodeURIComponent(text.toWellFormed()))
  .filter((text) => !/^\.{1,2}$/.test(text));
const asked: fc.Arbitrary<AskedQuery> = fc.oneof(
  queryString.map((text) => ({ method: 'GET' as const, path: `/api/v1/query?${text}`, body: new Uint8Array() })),
  fc.tuple(segment, queryString).map(([name, text]) => ({
    method: 'GET' as const,
    path: `/api/v1/label/${name}/values?${text}`,
    body: new Uint8Array(),
  })),
  fc.tuple(queryString, fc.uint8Array({ maxLength: 100 })).map(([text, body]) => ({
    method: 'POST' as const,
    path: `/second/api/v1/series?${text}`,
    body,
  })),
);

test('the signature of every query that is sent is accepted by both verifiers', async () => {
  const { url, upstream } = await startReading((_, __, response) => answer(response, 200, '{}'));
  await fc.assert(
    fc.asyncProperty(asked, async (query) => {
      expect(await ask(url, query)).toBe(200);
    }),
    { numRuns: 150 },
  );

  const clock = new SandboxClock();
  const keys = new KnownKeys(clock, 'AKIDEXAMPLE', SECRET);
  expect(upstream.requests.length).toBeGreaterThanOrEqual(150);
  for (const { method, path: target, rawHeaders, body } of upstream.requests) {
    const headers = Object.fromEntries(pairsOf(rawHeaders).map(([name, value]) => [name.toLowerCase(), value]));
    const region = target.startsWith('/workspaces/ws-2/') ? 'eu-central-1' : 'us-west-2';
    const rules = { region, service: 'aps' as const, maxClockSkewMs: 300_000 };
    const verdict = await verifySignature({ method, target, headers, body }, keys, clock, rules);
    expect({ target, ok: verdict.ok }).toEqual({ target, ok: true });
  }

  if (!HAS_BOTOCORE) return;
  for (const region of ['us-west-2', 'eu-central-1']) {
    const ofRegion = upstream.requests
      .filter(({ path }) => path.startsWith('/workspaces/ws-2/') === (region === 'eu-central-1'))
      .map(({ method, path, rawHeaders, body }) => ({
        method,
        url: `${upstream.url.origin}${path}`,
        headers: pairsOf(rawHeaders),
        body,
      }));
    const given = { region, accessKeyId: 'AKIDEXAMPLE', secretAccessKey: SECRET };
    expect(
      ofRegion.map(({ headers }) => headers.find(([name]) => name.toLowerCase() === 'authorization')?.[1]),
    ).toEqual(await authorizationsOf(ofRegion, given));
  }
}, 60_000);

test('a query reaches the upstream with the meaning that it had', async () => {
  const { url, upstream } = await startReading((_, __, response) => answer(response, 200, '{}'));
  await fc.assert(
    fc.asyncProperty(queryString, async (text) => {
      expect(await ask(url, { method: 'GET', path: `/api/v1/query?${text}`, body: new Uint8Array() })).toBe(200);
      const [, sent = ''] = upstream.requests.at(-1)?.path.split('?') ?? [];
      expect([...new URLSearchParams(sent)]).toEqual([...new URLSearchParams(text)]);
    }),
    { numRuns: 150 },
  );
}, 60_000);

async function ask(url: string, { method, path, body }: AskedQuery): Promise<number> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length };
    httpRequest({ hostname, port, path, method, headers: method === 'POST' ? headers : {} }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    })
      .once('error', reject)
      .end(body);
  });
}

function pairsOf(rawHeaders: readonly string[]): [string, string][] {
  return rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? ''] satisfies [string, string]] : [],
  );
}
