import { createHash } from 'node:crypto';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@aws-sdk/signature-v4';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RemoteWriteSigner, type AwsIdentity } from '../../src/sign/sigv4.ts';

const IDENTITY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const NOW = new Date('2026-01-02T03:04:05.678Z');
const AMP = new URL('https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-EXAMPLE/api/v1/remote_write');

function asRecord(flat: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {};
  for (let index = 0; index < flat.length; index += 2) record[flat[index] ?? ''] = flat[index + 1] ?? '';
  return record;
}

/** The Authorization header as the AWS SDK's own signer makes it for the same request. */
async function bySdk(url: URL, region: string, identity: AwsIdentity, now: Date, headers: Record<string, string>) {
  const { authorization: _authorization, 'x-amz-date': _date, 'x-amz-security-token': _token, ...unsigned } = headers;
  const signer = new SignatureV4({
    service: 'aps',
    region,
    credentials: { ...identity, sessionToken: identity.sessionToken ?? '' },
    sha256: Sha256,
    applyChecksum: false,
  });
  const request = {
    method: 'POST',
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    headers: unsigned,
    query: {},
  };
  const signed = await signer.sign(request, { signingDate: now });
  return signed.headers;
}

test('sends a fixed small set of headers, host first, and signs all of them', async () => {
  const body = Buffer.from('body');
  const headers = await new RemoteWriteSigner(AMP, 'us-west-2').sign(body, IDENTITY, NOW);
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

test("is what the AWS SDK's own signer makes, for any body, time, region, path and identity", async () => {
  const text = fc.stringMatching(/^[A-Za-z0-9+/=]{8,40}$/);
  const segment = fc.stringMatching(/^[A-Za-z0-9._~-]{1,12}$/).filter((name) => !/^\.+$/.test(name));
  const hosts = fc.constantFrom(
    'https://aps-workspaces.eu-west-1.amazonaws.com',
    'http://127.0.0.1:9009',
    'https://x.example:8443',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 500 }),
      fc.date({ min: new Date('2020-01-01'), max: new Date('2099-01-01'), noInvalidDate: true }),
      fc.record({ accessKeyId: text, secretAccessKey: text, sessionToken: fc.option(text, { nil: undefined }) }),
      fc.constantFrom('us-west-2', 'eu-central-1'),
      hosts,
      fc.array(segment, { minLength: 1, maxLength: 4 }),
      async (body, now, identity, region, host, path) => {
        const url = new URL(`${host}/${path.join('/')}`);
        const ours = asRecord(await new RemoteWriteSigner(url, region).sign(body, identity, now));
        const theirs = await bySdk(url, region, identity, now, ours);
        expect(ours['authorization']).toBe(theirs['authorization']);
        expect(ours['x-amz-date']).toBe(theirs['x-amz-date']);
        expect(ours['x-amz-security-token']).toBe(identity.sessionToken);
      },
    ),
    { numRuns: 50 },
  );
});

test('a path with escapes is signed as it is sent', async () => {
  const url = new URL('https://x.example/work spaces/a%2Fb/ü');
  const ours = asRecord(await new RemoteWriteSigner(url, 'us-west-2').sign(Buffer.alloc(0), IDENTITY, NOW));
  const theirs = await bySdk(url, 'us-west-2', IDENTITY, NOW, ours);
  expect(ours['authorization']).toBe(theirs['authorization']);
});

test('the session token of temporary credentials is sent and signed', async () => {
  const identity = { ...IDENTITY, sessionToken: 'token' };
  const headers = asRecord(await new RemoteWriteSigner(AMP, 'us-west-2').sign(Buffer.alloc(0), identity, NOW));
  expect(headers['x-amz-security-token']).toBe('token');
  expect(headers['authorization']).toContain(';x-amz-security-token;');
});

test('a new identity is used from the next signature on', async () => {
  const signer = new RemoteWriteSigner(AMP, 'us-west-2');
  const first = asRecord(await signer.sign(Buffer.alloc(0), IDENTITY, NOW));
  const second = asRecord(await signer.sign(Buffer.alloc(0), { ...IDENTITY, accessKeyId: 'AKIDNEW' }, NOW));
  const again = asRecord(await signer.sign(Buffer.alloc(0), { ...IDENTITY }, NOW));
  expect(second['authorization']).toContain('Credential=AKIDNEW/');
  expect(again['authorization']).toBe(first['authorization']);
});

test('signatures under way at the same time do not disturb each other', async () => {
  const signer = new RemoteWriteSigner(AMP, 'us-west-2');
  const identities = Array.from({ length: 8 }, (_, index) => ({ ...IDENTITY, accessKeyId: `AKID${index}` }));
  const all = await Promise.all(
    identities.map(async (identity) => signer.sign(Buffer.from(identity.accessKeyId), identity, NOW)),
  );
  for (const [index, flat] of all.entries()) {
    const ours = asRecord(flat);
    const theirs = await bySdk(AMP, 'us-west-2', identities[index] ?? IDENTITY, NOW, ours);
    expect(ours['authorization']).toBe(theirs['authorization']);
  }
});

test('a body that is a view into a larger buffer is hashed by its own bytes', async () => {
  const view = Buffer.from('0123456789').subarray(3, 6);
  const headers = asRecord(await new RemoteWriteSigner(AMP, 'us-west-2').sign(view, IDENTITY, NOW));
  expect(headers['x-amz-content-sha256']).toBe(createHash('sha256').update('345').digest('hex'));
});
