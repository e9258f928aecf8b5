/**
 * Requests to the sandbox: encodes WriteRequests by hand, field by field, and signs with @smithy/signature-v4 and
 * node:crypto, so that nothing here is the sandbox's own decoding or verifying.
 */
import type { Hash, Hmac } from 'node:crypto';
import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import protobuf from 'protobufjs';
import snappyjs from 'snappyjs';

export type LabelSet = Readonly<Record<string, string>> | readonly (readonly [string, string])[];

export interface SeriesInput {
  readonly labels: LabelSet;
  /** Timestamp in ms; value as a number, or its 8 bytes as a bigint. */
  readonly samples?: readonly (readonly [timestampMs: number | bigint, value: number | bigint])[];
  /** Encoded Histogram messages. */
  readonly histograms?: readonly Uint8Array[];
  readonly exemplars?: readonly (readonly [timestampMs: number, value: number])[];
}

export interface MetadataInput {
  readonly family: string;
  readonly type: number;
  readonly help: string;
}

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface SigningOptions {
  readonly region?: string;
  readonly service?: string;
  readonly date?: Date;
  readonly method?: string;
}

export const WRITE_HEADERS = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
};

/** A WriteRequest as a snappy block. */
export function encodeBody(series: readonly SeriesInput[], metadata: readonly MetadataInput[] = []): Buffer {
  const writer = protobuf.Writer.create();
  for (const one of series) writeSeries(writer.uint32(tag(1, 2)).fork(), one).ldelim();
  for (const { family, type, help } of metadata) {
    writer.uint32(tag(3, 2)).fork();
    writer.uint32(tag(1, 0)).int32(type).uint32(tag(2, 2)).string(family).uint32(tag(4, 2)).string(help).ldelim();
  }
  return compress(writer.finish());
}

export function compress(raw: Uint8Array): Buffer {
  return Buffer.from(snappyjs.compress(new Uint8Array(raw)));
}

/** A native histogram of one sample, at a time in ms. */
export function encodeHistogram(timestampMs: number, sum = 1): Buffer {
  const writer = protobuf.Writer.create();
  writer.uint32(tag(1, 0)).uint64(1).uint32(tag(3, 1)).double(sum).uint32(tag(15, 0)).int64(timestampMs);
  return Buffer.from(writer.finish());
}

/** The headers of a signed request: those given, and what signing adds. */
export async function signHeaders(
  url: string,
  body: Uint8Array,
  keys: Keys,
  headers: Readonly<Record<string, string>> = WRITE_HEADERS,
  options: SigningOptions = {},
): Promise<Record<string, string>> {
  const { host, hostname, port, pathname, searchParams } = new URL(url);
  const signer = new SignatureV4({
    credentials: keys,
    region: options.region ?? 'us-west-2',
    service: options.service ?? 'aps',
    sha256: NodeSha256,
  });
  const signed = await signer.sign(
    {
      method: options.method ?? 'POST',
      protocol: 'http:',
      hostname,
      port: Number(port),
      path: pathname,
      query: Object.fromEntries(searchParams),
      headers: { ...headers, host },
      body,
    },
    { signingDate: options.date ?? new Date() },
  );
  return signed.headers;
}

export interface Reply {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

export async function post(url: string, body: Uint8Array, headers: Readonly<Record<string, string>>): Promise<Reply> {
  const { host: _host, ...sendable } = headers;
  const response = await fetch(url, { method: 'POST', body: Buffer.from(body), headers: sendable });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** Signs and posts a write request. */
export async function postSigned(
  target: { readonly remoteWriteUrl: string } & Keys,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = WRITE_HEADERS,
  options: SigningOptions = {},
): Promise<Reply> {
  const { remoteWriteUrl, accessKeyId, secretAccessKey, sessionToken } = target;
  const keys = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  return post(remoteWriteUrl, body, await signHeaders(remoteWriteUrl, body, keys, headers, options));
}

/** SHA-256 as the SDK's signer wants it, by node:crypto. */
class NodeSha256 {
  readonly #make: () => Hash | Hmac;
  #hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#make = () => (secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret)));
    this.#hash = this.#make();
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }

  reset(): void {
    this.#hash = this.#make();
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}

function writeSeries(writer: protobuf.Writer, series: SeriesInput): protobuf.Writer {
  const { labels, samples = [], histograms = [], exemplars = [] } = series;
  for (const [name, value] of Array.isArray(labels) ? labels : Object.entries(labels)) {
    writer.uint32(tag(1, 2)).fork().uint32(tag(1, 2)).string(name).uint32(tag(2, 2)).string(value).ldelim();
  }
  for (const [timestampMs, value] of samples) {
    writer
      .uint32(tag(2, 2))
      .fork()
      .uint32(tag(1, 1))
      .fixed64(longOf(bitsOf(value)));
    writer
      .uint32(tag(2, 0))
      .int64(longOf(BigInt(timestampMs)))
      .ldelim();
  }
  for (const [timestampMs, value] of exemplars) {
    writer.uint32(tag(3, 2)).fork().uint32(tag(2, 1)).double(value).uint32(tag(3, 0)).int64(timestampMs).ldelim();
  }
  for (const histogram of histograms) writer.uint32(tag(4, 2)).bytes(histogram);
  return writer;
}

function bitsOf(value: number | bigint): bigint {
  if (typeof value === 'bigint') return value;
  return new BigUint64Array(new Float64Array([value]).buffer)[0] ?? 0n;
}

/** protobufjs takes 64 bits as a signed decimal. */
function longOf(value: bigint): string {
  return BigInt.asIntN(64, value).toString();
}

function tag(field: number, wireType: number): number {
  return field * 8 + wireType;
}
