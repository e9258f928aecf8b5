/**
 * Signing: what each stage costs, and a whole signature beside the signers of the AWS SDK: @smithy/signature-v4 with
 * node:crypto, and by the book @aws-sdk/signature-v4 with @aws-crypto/sha256-js.
 *
 *     node bench/micro/sign.ts [seconds for each figure]
 */
import assert from 'node:assert/strict';
import { createHash, createHmac, createSecretKey, hash, randomBytes, type Hash, type Hmac } from 'node:crypto';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 as FirstSignatureV4 } from '@aws-sdk/signature-v4';
import { SignatureV4 } from '@smithy/signature-v4';
import { RemoteWriteSigner } from '../../src/aws/sigv4.ts';
import { SigningKey } from '../../src/aws/signing-key.ts';
import { ACCESS_KEY, REGION, SECRET_KEY } from '../rig/tool.ts';
import { compare } from './measure.ts';

const URL_OF_AMP = new URL('https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-bench/api/v1/remote_write');
/** Temporary, with a token about as long as that of a role on EKS. */
const IDENTITY = {
  accessKeyId: ACCESS_KEY,
  secretAccessKey: SECRET_KEY,
  sessionToken: randomBytes(720).toString('base64'),
};
const SMITHY = '@smithy + node:crypto';
const BY_THE_BOOK = '@aws-sdk + sha256-js';

type SourceData = string | ArrayBuffer | ArrayBufferView;

/** The hash that a signer of the SDK asks for, by node:crypto. */
class NodeSha256 {
  readonly #hash: Hash | Hmac;

  constructor(secret?: SourceData) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }

  update(data: SourceData): void {
    this.#hash.update(bytesOf(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }

  reset(): void {
    throw new Error('a NodeSha256 is used once');
  }
}

function bytesOf(data: SourceData): string | Uint8Array {
  if (typeof data === 'string') return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Uint8Array(data);
}

async function hashByTheBook(body: Uint8Array): Promise<string> {
  const sha256 = new Sha256();
  sha256.update(body);
  return Buffer.from(await sha256.digest()).toString('hex');
}

/** The request's headers as a signer of the SDK makes them. */
async function signBySdk(signer: SignatureV4 | FirstSignatureV4, bodyHash: string, now: Date): Promise<string[]> {
  const request = {
    method: 'POST',
    protocol: URL_OF_AMP.protocol,
    hostname: URL_OF_AMP.hostname,
    path: URL_OF_AMP.pathname,
    query: {},
    headers: {
      host: URL_OF_AMP.host,
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
      'x-amz-content-sha256': bodyHash,
    },
  };
  const { headers } = await signer.sign(request, { signingDate: now });
  return Object.entries(headers).flat();
}

async function measureStages(): Promise<void> {
  const key = new SigningKey(SECRET_KEY, '20260102', REGION, 'aps');
  const keyBytes = randomBytes(32);
  const keyObject = createSecretKey(keyBytes);
  // The texts are as long as with a session token.
  const canonicalRequest = 'c'.repeat(420 + IDENTITY.sessionToken.length);
  const stringToSign = 's'.repeat(135);
  await compare({ title: 'stages of a signature but the hash of its body', unit: 'stage', operations: 1 }, [
    { name: 'canonical request, hash()', work: () => hash('sha256', canonicalRequest) },
    {
      name: 'canonical request, createHash()',
      work: () => createHash('sha256').update(canonicalRequest).digest('hex'),
    },
    { name: 'HMAC, two hashes', work: () => key.sign(stringToSign) },
    { name: 'HMAC, KeyObject', work: () => createHmac('sha256', keyObject).update(stringToSign).digest('hex') },
    { name: 'HMAC, bytes', work: () => createHmac('sha256', keyBytes).update(stringToSign).digest('hex') },
    {
      name: 'signing key, once an identity and day',
      work: () => new SigningKey(SECRET_KEY, '20260102', REGION, 'aps'),
    },
  ]);
}

async function measureBody(bytes: number): Promise<void> {
  const body = randomBytes(bytes);
  const now = new Date();
  await compare(
    {
      title: `hash of a body of ${bytes} bytes`,
      unit: 'body',
      operations: 1,
      throughput: { bytes, of: 'body' },
      beside: ['sha256-js', 'createHash()'],
    },
    [
      { name: 'sha256-js', work: () => hashByTheBook(body) },
      { name: 'createHash()', work: () => createHash('sha256').update(body).digest('hex') },
      { name: 'hash()', work: () => hash('sha256', body) },
    ],
  );

  const scope = { service: 'aps', region: REGION, credentials: IDENTITY, applyChecksum: false };
  const smithy = new SignatureV4({ ...scope, sha256: NodeSha256 });
  const byTheBook = new FirstSignatureV4({ ...scope, sha256: Sha256 });
  const ours = new RemoteWriteSigner(URL_OF_AMP, REGION);
  const signBySmithy = (): Promise<string[]> => signBySdk(smithy, hash('sha256', body), now);
  const signByTheBook = async (): Promise<string[]> => signBySdk(byTheBook, await hashByTheBook(body), now);
  const sign = (): string[] => ours.sign(body, IDENTITY, now);
  assert.deepEqual(sign(), await signBySmithy());
  assert.deepEqual(sign(), await signByTheBook());
  await compare(
    { title: `signature over ${bytes} bytes`, unit: 'signature', operations: 1, beside: [BY_THE_BOOK, SMITHY] },
    [
      { name: BY_THE_BOOK, work: signByTheBook },
      { name: SMITHY, work: signBySmithy },
      { name: 'ours', work: sign },
    ],
  );
}

await measureStages();
for (const bytes of [6_000, 30_000, 250_000]) await measureBody(bytes);
