import { createHash, createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 as FirstSignatureV4 } from '@aws-sdk/signature-v4';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RemoteWriteSigner, type AwsIdentity } from '../../src/aws/sigv4.ts';

const IDENTITY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const NOW = new Date('2026-01-02T03:04:05.678Z');
const AMP = new URL('https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-EXAMPLE/api/v1/remote_write');

function asRecord(flat: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {};
  for (let index = 0; index < flat.length; index += 2) record[flat[index] ?? ''] = flat[index + 1] ?? '';
  return record;
}

/** The request's headers as a signer of the AWS SDK makes them, hashes included. */
async function bySdk(
  url: URL,
  region: string,
  body: Uint8Array,
  identity: AwsIdentity,
  now: Date,
  Signer: typeof SignatureV4 | typeof FirstSignatureV4 = SignatureV4,
): Promise<string[]> {
  const signer = new Signer({
    service: 'aps',
    region,
    credentials: { ...identity, sessionToken: identity.sessionToken ?? '' },
    sha256: Sha256,
    applyChecksum: false,
  });
  const sha256 = new Sha256();
  sha256.update(body);
  const request = {
    method: 'POST',
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    headers: {
      host: url.host,
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
      'x-amz-content-sha256': Buffer.from(await sha256.digest()).toString('hex'),
    },
    query: {},
  };
  const signed = await signer.sign(request, { signingDate: now });
  return Object.entries(signed.headers).flat();
}

const text = fc.stringMatching(/^[A-Za-z0-9+/=]{8,40}$/);
const region = fc.constantFrom('us-west-2', 'eu-central-1', 'us-gov-east-1');
const body = fc.uint8Array({ maxLength: 500 });
const time = fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true });
const identity = fc.record({
  accessKeyId: text,
  secretAccessKey: fc.oneof(text, fc.string({ minLength: 1 })),
  sessionToken: fc.option(fc.oneof(text, fc.constant(''), fc.constant(' of  two words ')), { nil: undefined }),
});
/** Plain and escaped segments, reserved characters, empty segments, dots, and with or without a slash at the end. */
const url = fc
  .record({
    origin: fc.oneof(
      fc.constantFrom(
        'https://aps-workspaces.eu-west-1.amazonaws.com',
        'http://127.0.0.1:9009',
        'https://x.example:443',
      ),
      fc.webUrl({ validSchemes: ['http', 'https'] }).map((any) => new URL(any).origin),
    ),
    segments: fc.array(
      fc.oneof(
        fc.stringMatching(/^[A-Za-z0-9._~-]{0,12}$/),
        fc.stringMatching(/^[!-~]{1,8}$/),
        fc.string({ maxLength: 6, unit: 'grapheme' }),
        fc.constantFrom('', '.', '..', '%2F', '%2e', 'a b', "!'()*", 'ü'),
      ),
      { maxLength: 6 },
    ),
  })
  .map(({ origin, segments }) => new URL(`${origin}/${segments.join('/').replaceAll(/[?#]/gu, '')}`));

test('sends a fixed small set of headers, host first, and signs all of them', () => {
  const body = Buffer.from('body');
  const headers = new RemoteWriteSigner(AMP, 'us-west-2').sign(body, IDENTITY, NOW);
  expect(headers.slice(0, 2)).toEqual(['host', 'aps-workspaces.us-west-2.amazonaws.com']);
  const { authorization, ...rest } = asRecord(headers);
  expect(rest).toEqual({
    host: 'aps-workspaces.us-west-2.amazonaws.com',
    'content-type': 'application/x-protobuf',
    'content-encoding': 'snappy',
    'x-prometheus-remote-write-version': '0.1.0',
    'x-amz-content-sha256': createHash('sha256').update(body).digest('hex'),
    'x-amz-date': '20260102T030405Z',
  });
  const signed = 'content-encoding;content-type;host;x-amz-content-sha256;x-amz-date;x-prometheus-remote-write-version';
  expect(authorization).toMatch(
    new RegExp(
      `^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-west-2/aps/aws4_request, ` +
        `SignedHeaders=${signed}, Signature=[0-9a-f]{64}$`,
    ),
  );
});

test("is byte for byte what the AWS SDK's own signer makes, for any URL, region, body, identity and time", async () => {
  await fc.assert(
    fc.asyncProperty(url, region, body, identity, time, async (url, region, body, identity, now) => {
      const ours = new RemoteWriteSigner(url, region).sign(body, identity, now);
      expect(ours).toEqual(await bySdk(url, region, body, identity, now));
    }),
    { numRuns: 300 },
  );
});

test('is so too when identities and days come and go, whatever was signed before', async () => {
  const secret = fc.constantFrom('first', 'second');
  const identities = fc.array(fc.record({ accessKeyId: secret, secretAccessKey: secret, sessionToken: secret }), {
    minLength: 2,
    maxLength: 3,
  });
  // A few minutes around two midnights.
  const times = fc
    .record({ day: fc.constantFrom('2026-01-01', '2026-01-02'), offMs: fc.integer({ min: -3e5, max: 3e5 }) })
    .map(({ day, offMs }) => new Date(Date.parse(day) + offMs));
  const steps = fc.array(fc.record({ turn: fc.nat({ max: 2 }), now: times, body }), { minLength: 2, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(identities, steps, async (identities, steps) => {
      const signer = new RemoteWriteSigner(AMP, 'us-west-2');
      for (const { turn, now, body } of steps) {
        const identity = identities[turn % identities.length] ?? IDENTITY;
        const ours = signer.sign(body, identity, now);
        for (const Signer of [SignatureV4, FirstSignatureV4]) {
          expect(ours).toEqual(await bySdk(AMP, 'us-west-2', body, identity, now, Signer));
        }
      }
    }),
  );
});

test.each([
  ['https://x.example/work spaces/a%2Fb/ü', 'escapes'],
  ['https://x.example//workspaces///ws-1/', 'empty segments and a slash at its end'],
  ['https://x.example/', 'nothing in it'],
  ["https://x.example/a!'()*+,;=:@&$~/b", 'reserved characters'],
])('a path is signed as it is sent: %s, with %s', async (href) => {
  const url = new URL(href);
  const ours = new RemoteWriteSigner(url, 'us-west-2').sign(Buffer.alloc(0), IDENTITY, NOW);
  expect(ours).toEqual(await bySdk(url, 'us-west-2', Buffer.alloc(0), IDENTITY, NOW));
});

test('the session token of temporary credentials is sent and signed', () => {
  const identity = { ...IDENTITY, sessionToken: 'token' };
  const headers = asRecord(new RemoteWriteSigner(AMP, 'us-west-2').sign(Buffer.alloc(0), identity, NOW));
  expect(headers['x-amz-security-token']).toBe('token');
  expect(headers['authorization']).toContain(';x-amz-security-token;');
});

test('a new identity is used from the next signature on', () => {
  const signer = new RemoteWriteSigner(AMP, 'us-west-2');
  const first = asRecord(signer.sign(Buffer.alloc(0), IDENTITY, NOW));
  const second = asRecord(signer.sign(Buffer.alloc(0), { ...IDENTITY, accessKeyId: 'AKIDNEW' }, NOW));
  const again = asRecord(signer.sign(Buffer.alloc(0), { ...IDENTITY }, NOW));
  expect(second['authorization']).toContain('Credential=AKIDNEW/');
  expect(again['authorization']).toBe(first['authorization']);
});

test('a body that is a view into a larger buffer is hashed by its own bytes', () => {
  const view = Buffer.from('0123456789').subarray(3, 6);
  const headers = asRecord(new RemoteWriteSigner(AMP, 'us-west-2').sign(view, IDENTITY, NOW));
  expect(headers['x-amz-content-sha256']).toBe(createHash('sha256').update('345').digest('hex'));
});

test('neither the secret nor the derived key shows when the signer is inspected or turned into JSON', () => {
  const signer = new RemoteWriteSigner(AMP, 'us-west-2');
  signer.sign(Buffer.alloc(0), { ...IDENTITY, sessionToken: 'token-of-the-session' }, NOW);
  const shown = JSON.stringify(signer) + inspect(signer, { depth: Infinity, showHidden: true });
  const key = ['20260102', 'us-west-2', 'aps', 'aws4_request'].reduce(
    (above, part) => createHmac('sha256', above).update(part).digest(),
    Buffer.from(`AWS4${IDENTITY.secretAccessKey}`),
  );
  expect(shown).not.toContain(IDENTITY.secretAccessKey);
  expect(shown).not.toContain('token-of-the-session');
  expect(shown.replace(/[^0-9a-f]/giu, '')).not.toContain(key.toString('hex', 0, 4));
  expect(shown).not.toContain(key.subarray(0, 4).join(','));
});
