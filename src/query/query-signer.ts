/**
 * Signs queries with @smithy/signature-v4, which knows every form of query string; writes have a signer of their own
 * (aws/sigv4.ts), which is faster and knows one URL.
 */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import type { AwsIdentity } from '../aws/sigv4.ts';
import type { Parameters } from './query-string.ts';

export interface UnsignedQuery {
  readonly method: string;
  /** Percent-encoded, as it is sent. */
  readonly path: string;
  readonly parameters: Parameters;
  /** Lower-case names. Of these, content-type is signed: a hop may change the others. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

type Bytes = string | ArrayBuffer | ArrayBufferView;

/** SHA-256 and its HMAC by node:crypto, in the form that the signer takes. */
class Sha256 {
  readonly #hash: Hash | Hmac;

  constructor(secret?: Bytes) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }

  update(data: Bytes): void {
    this.#hash.update(bytesOf(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
}

export class QuerySigner {
  readonly #host: string;
  readonly #region: string;
  readonly #service: string;

  /** @param url of the workspace @param region and service for the credential scope */
  constructor(url: URL, region: string, service: string) {
    this.#service = service;
    this.#host = url.host;
    this.#region = region;
  }

  /** @param now as the upstream's clock has it @returns the headers to send */
  async sign(query: UnsignedQuery, identity: AwsIdentity, now: Date): Promise<Record<string, string>> {
    const { method, path, parameters, headers, body } = query;
    const { accessKeyId, secretAccessKey, sessionToken } = identity;
    const signer = new SignatureV4({
      service: this.#service,
      region: this.#region,
      credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
      sha256: Sha256,
    });
    const request = {
      method,
      protocol: 'https:',
      hostname: this.#host,
      path,
      query: bagOf(parameters),
      headers: { ...headers, host: this.#host },
      body,
    };
    const signed = await signer.sign(request, { signingDate: now, unsignableHeaders: UNSIGNED });
    return signed.headers;
  }
}

const UNSIGNED: Set<string> = new Set(['accept', 'accept-encoding']);

/** Values by name, without a prototype: a parameter may have any name. */
function bagOf(parameters: Parameters): Record<string, string[]> {
  const bag: Record<string, string[]> = Object.create(null);
  for (const [name, value] of parameters) (bag[name] ??= []).push(value);
  return bag;
}

function bytesOf(data: Bytes): string | Uint8Array {
  if (typeof data === 'string') return data;
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
