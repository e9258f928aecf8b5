import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { formatAmzDate } from '../../../src/dev/sandbox/clock.ts';
import type { Sandbox } from '../../../src/dev/sandbox/sandbox.ts';
import { startSandbox } from '../../../src/dev/sandbox/sandbox.ts';
import type { Keys, Reply, SigningOptions } from '../../support/sandbox-request.ts';
import { encodeBody, post, signHeaders, WRITE_HEADERS } from '../../support/sandbox-request.ts';

const BODY = encodeBody([{ labels: { __name__: 'up' }, samples: [[1_700_000_000_000, 1]] }]);

let sandbox: Sandbox;

beforeAll(async () => {
  sandbox = await startSandbox();
});

afterAll(async () => {
  await sandbox.close();
});

afterEach(() => {
  sandbox.reset();
  sandbox.clock.offsetMs = 0;
});

async function signed(options: SigningOptions = {}, keys: Keys = sandbox): Promise<Record<string, string>> {
  return signHeaders(sandbox.remoteWriteUrl, BODY, keysOf(keys), WRITE_HEADERS, options);
}

function send(headers: Record<string, string>, body: Uint8Array = BODY): Promise<Reply> {
  return post(sandbox.remoteWriteUrl, body, headers);
}

function without(headers: Record<string, string>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([other]) => other !== name));
}

function messageOf({ text }: Reply): string {
  const answer: { message: string } = JSON.parse(text);
  expect(answer).toEqual({ message: expect.any(String) });
  return answer.message;
}

describe('a request that another implementation has signed', () => {
  test('is accepted from @smithy/signature-v4', async () => {
    expect((await send(await signed())).status).toBe(200);
  });

  test('is accepted with a session token, and refused without it or with another', async () => {
    const key = sandbox.keys.issueTemporary('arn:aws:sts::123456789012:assumed-role/r/s', 60);
    expect((await send(await signed({}, key))).status).toBe(200);
    const bare = await send(await signed({}, { accessKeyId: key.accessKeyId, secretAccessKey: key.secretAccessKey }));
    expect([bare.status, messageOf(bare)]).toEqual([403, 'The security token included in the request is invalid.']);
    expect((await send(await signed({}, { ...keysOf(key), sessionToken: 'other' }))).status).toBe(403);
  });

  test('may leave headers unsigned that a hop adds', async () => {
    const headers = await signed();
    expect((await send({ ...headers, 'x-forwarded-for': '10.0.0.1', 'user-agent': 'hop' })).status).toBe(200);
  });

  const hasBotocore = spawnSync('python3', ['-c', 'import botocore']).status === 0;
  test.skipIf(!hasBotocore)(
    'is accepted from botocore, the signer of the AWS CLI (skipped without python3-botocore)',
    async () => {
      const key = sandbox.keys.issueTemporary('arn:aws:sts::123456789012:assumed-role/r/s', 60);
      const script = [
        'import sys, json',
        'from botocore.auth import SigV4Auth',
        'from botocore.awsrequest import AWSRequest',
        'from botocore.credentials import Credentials',
        'job = json.load(sys.stdin)',
        'request = AWSRequest("POST", job["url"], headers=job["headers"], data=bytes.fromhex(job["body"]))',
        'SigV4Auth(Credentials(*job["keys"]), "aps", "us-west-2").add_auth(request)',
        'print(json.dumps(dict(request.headers)))',
      ].join('\n');
      const { accessKeyId, secretAccessKey, sessionToken } = key;
      const job = {
        url: sandbox.remoteWriteUrl,
        headers: WRITE_HEADERS,
        body: BODY.toString('hex'),
        keys: [accessKeyId, secretAccessKey, sessionToken],
      };
      const output = execFileSync('python3', ['-c', script], { input: JSON.stringify(job), encoding: 'utf8' });
      const headers: Record<string, string> = JSON.parse(output);
      expect((await send(headers)).status).toBe(200);
      expect((await send(headers, Buffer.concat([BODY, Buffer.of(0)]))).status).toBe(403);
    },
  );
});

describe('a signature that AWS would refuse gets 403', () => {
  test('when there is none', async () => {
    const reply = await send(WRITE_HEADERS);
    expect([reply.status, reply.text]).toEqual([403, '{"message":"Missing Authentication Token"}']);
    expect(reply.headers.get('x-amzn-errortype')).toBe('MissingAuthenticationTokenException');
    expect(sandbox.ledger.stats().signatureFailures.missing).toBe(1);
    expect(sandbox.store.sampleCount).toBe(0);
  });

  test('when the body was changed, and shows the canonical request that AWS computes', async () => {
    const body = Buffer.from(BODY);
    body.writeUInt8(body.readUInt8(body.length - 1) ^ 1, body.length - 1);
    const reply = await send(without(await unsignedHash(), 'x-amz-content-sha256'), body);
    const message = messageOf(reply);
    expect(reply.status).toBe(403);
    expect(message).toMatch(
      /^The request signature we calculated does not match the signature you provided\. Check your/u,
    );
    expect(message).toContain(`'POST\n/workspaces/ws-sandbox/api/v1/remote_write\n\n`);
    expect(message).toContain(createHash('sha256').update(body).digest('hex'));
    expect(reply.headers.get('x-amzn-errortype')).toBe('InvalidSignatureException');
    expect(sandbox.ledger.stats().signatureFailures.mismatch).toBe(1);
  });

  test('when the body is not the one that x-amz-content-sha256 names', async () => {
    const reply = await send(await signed(), encodeBody([]));
    expect(reply.status).toBe(403);
    expect(sandbox.ledger.stats().signatureFailures.payload_hash).toBe(1);
  });

  test('when a signed header was changed, the secret is wrong, or the path is another', async () => {
    expect((await send({ ...(await signed()), 'content-type': 'application/json' })).status).toBe(403);
    expect((await send(await signed({}, { ...keysOf(sandbox), secretAccessKey: 'wrong' }))).status).toBe(403);
    expect((await post(`${sandbox.remoteWriteUrl}?a=1`, BODY, await signed())).status).toBe(403);
    expect(sandbox.ledger.stats().signatureFailures.mismatch).toBe(3);
  });

  test('when the key is unknown, or was rotated away', async () => {
    const unknown = await send(await signed({}, { accessKeyId: 'AKIAUNKNOWN', secretAccessKey: 'x' }));
    expect([unknown.status, messageOf(unknown)]).toEqual([
      403,
      'The security token included in the request is invalid.',
    ]);
    expect(unknown.headers.get('x-amzn-errortype')).toBe('UnrecognizedClientException');
    const before = await signed();
    const old = keysOf(sandbox);
    sandbox.keys.rotateStatic();
    expect((await send(before)).status).toBe(403);
    expect((await send(await signed())).status).toBe(200);
    sandbox.keys.rotateStatic(old.accessKeyId, old.secretAccessKey);
  });

  test('when the session has expired, by the clock of the sandbox', async () => {
    const key = sandbox.keys.issueTemporary('arn:aws:sts::123456789012:assumed-role/r/s', 60);
    sandbox.clock.offsetMs = 61_000;
    const reply = await send(await signed({}, key));
    expect([reply.status, messageOf(reply)]).toEqual([403, 'The security token included in the request is expired']);
    expect(reply.headers.get('x-amzn-errortype')).toBe('ExpiredTokenException');
  });

  test('when the clock is more than 5 minutes behind or ahead, and tells the right time', async () => {
    sandbox.clock.offsetMs = 600_000;
    const late = await send(await signed());
    expect(messageOf(late)).toMatch(
      /^Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 5 min\.\)$/u,
    );
    expect(Date.parse(late.headers.get('date') ?? '') - Date.now()).toBeGreaterThan(590_000);
    sandbox.clock.offsetMs = -600_000;
    const early = await send(await signed());
    expect(messageOf(early)).toMatch(/^Signature not yet current: \S+ is still later than \S+ \(\S+ \+ 5 min\.\)$/u);
    sandbox.clock.offsetMs = 240_000;
    expect((await send(await signed())).status).toBe(200);
  });

  test('when the credential scope is of another region, service or day', async () => {
    expect(messageOf(await send(await signed({ region: 'eu-west-1' })))).toBe(
      'Credential should be scoped to a valid region. ',
    );
    expect(messageOf(await send(await signed({ service: 's3' })))).toBe(
      "Credential should be scoped to correct service: 'aps'. ",
    );
    const moved = await signed();
    moved['x-amz-date'] = formatAmzDate(Date.now() - 86_400_000);
    expect(messageOf(await send(moved))).toMatch(/^Date in Credential scope does not match YYYYMMDD/u);
    expect(sandbox.ledger.stats().signatureFailures.scope).toBe(3);
  });

  test('when the Authorization header lacks a part', async () => {
    const headers = { ...WRITE_HEADERS, authorization: 'AWS4-HMAC-SHA256 Credential=a/b/c/d/e' };
    expect(messageOf(await send(headers))).toBe(
      "Authorization header requires 'SignedHeaders' parameter. Authorization header requires 'Signature' parameter.",
    );
  });
});

test('signatures can be switched off', async () => {
  sandbox.rules.verifySignatures = false;
  expect((await send(WRITE_HEADERS)).status).toBe(200);
  sandbox.rules.verifySignatures = true;
});

/** Signed without x-amz-content-sha256, as clients may for every service but S3. */
async function unsignedHash(): Promise<Record<string, string>> {
  const { SignatureV4 } = await import('@smithy/signature-v4');
  const { Sha256 } = await import('@aws-crypto/sha256-js');
  const { hostname, port, pathname, host } = new URL(sandbox.remoteWriteUrl);
  const signer = new SignatureV4({
    credentials: keysOf(sandbox),
    region: 'us-west-2',
    service: 'aps',
    sha256: Sha256,
    applyChecksum: false,
  });
  const request = { method: 'POST', protocol: 'http:', hostname, port: Number(port), path: pathname, body: BODY };
  return (await signer.sign({ ...request, query: {}, headers: { ...WRITE_HEADERS, host } })).headers;
}

function keysOf({ accessKeyId, secretAccessKey, sessionToken }: Keys): Keys {
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}
