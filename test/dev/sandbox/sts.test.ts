import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromHttp, fromTemporaryCredentials, fromTokenFile, fromWebToken } from '@aws-sdk/credential-providers';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Sandbox } from '../../../src/dev/sandbox/sandbox.ts';
import { startSandbox } from '../../../src/dev/sandbox/sandbox.ts';
import { POD_IDENTITY_AUDIENCE } from '../../../src/dev/sandbox/sts.ts';
import { encodeBody, post, postSigned, signHeaders } from '../../support/sandbox-request.ts';

const ROLE = 'arn:aws:iam::123456789012:role/writer';
const BODY = encodeBody([{ labels: { __name__: 'up' }, samples: [[1_700_000_000_000, 1]] }]);

let sandbox: Sandbox;
let folder: string;

beforeAll(async () => {
  sandbox = await startSandbox({ roleArn: ROLE, externalId: 'agreed' });
  folder = mkdtempSync(join(tmpdir(), 'sandbox-sts-'));
});

afterAll(async () => {
  await sandbox.close();
  rmSync(folder, { recursive: true });
});

afterEach(async () => {
  vi.unstubAllEnvs();
  sandbox.reset();
  sandbox.clock.offsetMs = 0;
  await sandbox.settled();
});

type Provider = ReturnType<typeof fromWebToken>;

function clientConfig(): { endpoint: string; region: string; maxAttempts: number } {
  return { endpoint: sandbox.stsUrl, region: 'us-west-2', maxAttempts: 1 };
}

function withToken(webIdentityToken: string, roleArn = ROLE): Provider {
  return fromWebToken({ webIdentityToken, roleArn, roleSessionName: 's', clientConfig: clientConfig() });
}

async function canWrite(keys: {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}): Promise<number> {
  const { accessKeyId, secretAccessKey, sessionToken } = keys;
  const signing = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  return (await postSigned({ remoteWriteUrl: sandbox.remoteWriteUrl, ...signing }, BODY)).status;
}

function own(): { accessKeyId: string; secretAccessKey: string } {
  return { accessKeyId: sandbox.accessKeyId, secretAccessKey: sandbox.secretAccessKey };
}

function assume(ExternalId: string, masterCredentials: { accessKeyId: string; secretAccessKey: string }): Provider {
  const params = { RoleArn: ROLE, RoleSessionName: 's', ExternalId };
  return fromTemporaryCredentials({ params, masterCredentials, clientConfig: clientConfig() });
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

describe('AssumeRoleWithWebIdentity', () => {
  test('serves the real SDK chain of IRSA: environment, token file, AWS_ENDPOINT_URL_STS', async () => {
    const file = join(folder, 'token');
    writeFileSync(file, sandbox.issueWebIdentityToken());
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', file);
    vi.stubEnv('AWS_ROLE_ARN', ROLE);
    vi.stubEnv('AWS_REGION', 'us-west-2');
    vi.stubEnv('AWS_ENDPOINT_URL_STS', sandbox.stsUrl);
    const credentials = await fromTokenFile()();
    expect(credentials.accessKeyId).toMatch(/^ASIA[A-Z2-7]{16}$/u);
    expect(Math.abs((credentials.expiration?.getTime() ?? 0) - Date.now() - 3_600_000)).toBeLessThan(5000);
    expect(await canWrite(credentials)).toBe(200);
    expect(sandbox.ledger.stats().stsCalls).toEqual({ 'AssumeRoleWithWebIdentity:ok': 1 });
  });

  test.each<[string, () => Record<string, unknown>, string, RegExp]>([
    [
      'another issuer',
      () => ({ iss: 'https://other' }),
      'InvalidIdentityToken',
      /^No OpenIDConnect provider found in your account for https:\/\/other$/u,
    ],
    ['another audience', () => ({ aud: ['other'] }), 'InvalidIdentityToken', /^Incorrect token audience$/u],
    [
      'another subject',
      () => ({ sub: 'other' }),
      'AccessDenied',
      /^Not authorized to perform sts:AssumeRoleWithWebIdentity$/u,
    ],
    [
      'an expiry in the past',
      () => ({ exp: now() - 1 }),
      'ExpiredTokenException',
      /^Token expired: current date\/time \d+ must be before the expiration date\/time \d+$/u,
    ],
    ['no expiry', () => ({ exp: undefined }), 'InvalidIdentityToken', /exp/u],
    ['a start in the future', () => ({ nbf: now() + 60 }), 'InvalidIdentityToken', /not yet valid/u],
  ])('refuses a token with %s in the words of AWS', async (_what, claims, name, message) => {
    await expect(withToken(sandbox.issueWebIdentityToken(claims()))()).rejects.toMatchObject({
      name: expect.stringMatching(new RegExp(`^${name}(?:Exception)?$`, 'u')),
      message: expect.stringMatching(message),
    });
  });

  test('refuses a token that is forged, unsigned or no JWT', async () => {
    const [head, body, signature = ''] = sandbox.issueWebIdentityToken().split('.');
    const unsigned = Buffer.from('{"alg":"none"}').toString('base64url');
    const tokens = [
      `${head}.${body}.${signature.replace(/^./u, (first) => (first === 'A' ? 'B' : 'A'))}`,
      `${unsigned}.${body}.AAAA`,
      'x',
    ];
    for (const token of tokens) {
      await expect(withToken(token)()).rejects.toMatchObject({ name: expect.stringMatching(/^InvalidIdentityToken/u) });
    }
  });

  test('judges a token by the clock of the sandbox', async () => {
    const token = sandbox.issueWebIdentityToken();
    sandbox.clock.offsetMs = 3_601_000;
    await expect(withToken(token)()).rejects.toMatchObject({ name: 'ExpiredTokenException' });
  });

  test('refuses another role than the one configured', async () => {
    await expect(withToken(sandbox.issueWebIdentityToken(), `${ROLE}2`)()).rejects.toMatchObject({
      message: /Not authorized/u,
    });
  });

  test('tells in XML which parameter is missing', async () => {
    const reply = await fetch(`${sandbox.stsUrl}/?Action=AssumeRoleWithWebIdentity&Version=2011-06-15`);
    expect(reply.status).toBe(400);
    expect(await reply.text()).toMatch(/<Code>ValidationError<\/Code><Message>.*roleArn/u);
  });
});

describe('AssumeRole', () => {
  test('gives a known caller with the right external id keys that can write', async () => {
    expect(await canWrite(await assume('agreed', own())())).toBe(200);
  });

  test('refuses a wrong external id, a wrong secret and an unknown key', async () => {
    await expect(assume('other', own())()).rejects.toMatchObject({
      message: /is not authorized to perform: sts:AssumeRole/u,
    });
    await expect(assume('agreed', { ...own(), secretAccessKey: 'x' })()).rejects.toMatchObject({
      name: 'SignatureDoesNotMatch',
    });
    const stranger = { accessKeyId: 'AKIASTRANGER', secretAccessKey: 'x' };
    await expect(assume('agreed', stranger)()).rejects.toMatchObject({ name: 'InvalidClientTokenId' });
  });
});

test('GetCallerIdentity tells who signed', async () => {
  const body = Buffer.from('Action=GetCallerIdentity&Version=2011-06-15');
  const { accessKeyId, secretAccessKey } = sandbox;
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const headers = await signHeaders(`${sandbox.stsUrl}/`, body, { accessKeyId, secretAccessKey }, form, {
    service: 'sts',
  });
  const { status, text } = await post(`${sandbox.stsUrl}/`, body, headers);
  expect(status).toBe(200);
  expect(text).toContain('<Arn>arn:aws:iam::123456789012:user/sandbox</Arn>');
});

describe('container credentials, as EKS Pod Identity', () => {
  test('serve the real SDK provider, and refuse a token for another audience', async () => {
    const at = (token: string): Provider =>
      fromHttp({
        awsContainerCredentialsFullUri: sandbox.containerCredentialsUrl,
        awsContainerAuthorizationToken: token,
        maxRetries: 0,
      });
    expect(await canWrite(await at(sandbox.issueWebIdentityToken({ aud: POD_IDENTITY_AUDIENCE }))())).toBe(200);
    await expect(at(sandbox.issueWebIdentityToken())()).rejects.toThrow(/./u);
  });
});

test('the OIDC documents lead to the key that verifies the tokens', async () => {
  const discovery: unknown = await (await fetch(`${sandbox.stsUrl}/.well-known/openid-configuration`)).json();
  expect(discovery).toMatchObject({ issuer: sandbox.stsUrl, jwks_uri: `${sandbox.stsUrl}/keys` });
  const { keys }: { keys: Record<string, string>[] } = JSON.parse(await (await fetch(`${sandbox.stsUrl}/keys`)).text());
  const key = await crypto.subtle.importKey(
    'jwk',
    keys[0] ?? {},
    { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    false,
    ['verify'],
  );
  const [head, body, signature = ''] = sandbox.issueWebIdentityToken().split('.');
  const bytes = Buffer.from(`${head}.${body}`);
  expect(await crypto.subtle.verify('RSASSA-PKCS1-v1_5', key, Buffer.from(signature, 'base64url'), bytes)).toBe(true);
});

describe('faults of STS', () => {
  test('down refuses connections, and leaves the workspace up', async () => {
    sandbox.faults.add({ target: 'sts', action: { kind: 'down' } });
    await sandbox.settled();
    await expect(withToken(sandbox.issueWebIdentityToken())()).rejects.toThrow(/./u);
    expect(await canWrite(sandbox)).toBe(200);
    sandbox.faults.clear('sts');
    await sandbox.settled();
    expect((await withToken(sandbox.issueWebIdentityToken())()).accessKeyId).toMatch(/^ASIA/u);
  });

  test('short-lived credentials expire when they say', async () => {
    sandbox.faults.add({ target: 'sts', action: { kind: 'credentials', lifetimeSeconds: 2 } });
    const credentials = await withToken(sandbox.issueWebIdentityToken())();
    expect((credentials.expiration?.getTime() ?? 0) - Date.now()).toBeLessThan(2001);
    expect(await canWrite(credentials)).toBe(200);
    sandbox.clock.offsetMs = 2001;
    expect(await canWrite(credentials)).toBe(403);
  });

  test('empty credentials and an error status reach the SDK as such', async () => {
    sandbox.faults.add({ target: 'sts', times: 1, action: { kind: 'credentials', empty: true } });
    await expect(withToken(sandbox.issueWebIdentityToken())()).rejects.toThrow(/Invalid response/u);
    sandbox.faults.add({ target: 'sts', times: 1, action: { kind: 'status', status: 500 } });
    await expect(withToken(sandbox.issueWebIdentityToken())()).rejects.toMatchObject({
      $metadata: { httpStatusCode: 500 },
    });
    expect(await canWrite(await withToken(sandbox.issueWebIdentityToken())())).toBe(200);
  });

  test('slow answers are late, and faults of the workspace do not touch STS', async () => {
    sandbox.faults.add({ target: 'sts', action: { kind: 'delay', ms: 80 } });
    sandbox.faults.add({ target: 'amp', action: { kind: 'status', status: 500 } });
    const started = performance.now();
    await withToken(sandbox.issueWebIdentityToken())();
    expect(performance.now() - started).toBeGreaterThan(75);
  });
});
