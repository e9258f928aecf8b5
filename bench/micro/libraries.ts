// The libraries' counterparts for the micro-benches: snappy (the native addon), and protobufjs on proto/.
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { uncompressSync } from 'snappy';

const PROTO = fileURLToPath(new URL('../../proto/remote.proto', import.meta.url));
const writeRequest = protobuf.loadSync(PROTO).lookupType('prometheus.WriteRequest');

export type DecodedRequest = protobuf.Message & { readonly timeseries: readonly unknown[] };

/** Not copied. */
export function uncompressNative(body: Buffer): Buffer {
  const raw = uncompressSync(body);
  if (typeof raw === 'string') throw new Error('snappy gave a string, which it was not asked for');
  return raw;
}

export function decodeRequest(raw: Uint8Array): DecodedRequest {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the field is in the schema
  return writeRequest.decode(raw) as DecodedRequest;
}

export function encodeRequest(timeseries: readonly unknown[]): Uint8Array {
  return writeRequest.encode({ timeseries }).finish();
}
