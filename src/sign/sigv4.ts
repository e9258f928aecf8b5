/**
 * sign: SigV4 over a fixed small set of headers, fresh for every attempt.
 *
 * Nothing of a sender's request is signed or forwarded: host, content type and encoding, the remote-write version and
 * x-amz-* are all there is, so that no hop that touches other headers can break the signature.
 * `@smithy/signature-v4` does the signing; `node:crypto` does the hashing (13 times the speed of
 * `@aws-crypto/sha256-js`, bench/micro/sign.ts).
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
import { createHash, createHmac, hash, type Hash, type Hmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';

export interface AwsIdentity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

type SourceData = string | ArrayBuffer | ArrayBufferView;

/** The hash that the signer asks for, by node:crypto. */
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

/** Signs remote_write requests to one URL. */
export class RemoteWriteSigner {
  readonly #url: URL;
  readonly #region: string;
  #signer: SignatureV4 | undefined;
  #identity: AwsIdentity | undefined;

  /** @param region of the workspace, for the credential scope */
  constructor(url: URL, region: string) {
    this.#url = url;
    this.#region = region;
  }

  /**
   * @param now as the upstream's clock has it
   * @returns the request's headers as a flat list of names and values, `host` first
   */
  async sign(body: Uint8Array, identity: AwsIdentity, now: Date): Promise<string[]> {
    const signed = await this.#signerFor(identity).sign(
      {
        method: 'POST',
        protocol: this.#url.protocol,
        hostname: this.#url.hostname,
        path: this.#url.pathname,
        query: {},
        headers: {
          host: this.#url.host,
          'content-type': 'application/x-protobuf',
          'content-encoding': 'snappy',
          'x-prometheus-remote-write-version': '0.1.0',
          'x-amz-content-sha256': hash('sha256', body),
        },
      },
      { signingDate: now },
    );
    const headers: string[] = [];
    for (const name in signed.headers) headers.push(name, signed.headers[name] ?? '');
    return headers;
  }

  #signerFor(identity: AwsIdentity): SignatureV4 {
    if (this.#signer === undefined || this.#identity !== identity) {
      this.#identity = identity;
      this.#signer = new SignatureV4({
        service: 'aps',
        region: this.#region,
        credentials: {
          accessKeyId: identity.accessKeyId,
          secretAccessKey: identity.secretAccessKey,
          ...(identity.sessionToken === undefined ? {} : { sessionToken: identity.sessionToken }),
        },
        sha256: NodeSha256,
        applyChecksum: false,
      });
    }
    return this.#signer;
  }
}
