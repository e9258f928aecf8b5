/**
 * Encodes a remote write 1.0 body by the book: protobufjs on proto/*.proto, then snappyjs. For the demo and for tests;
 * it shares nothing with the data path.
 */
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import snappyjs from 'snappyjs';

export interface SeriesToSend {
  readonly labels: Readonly<Record<string, string>>;
  readonly samples: readonly { readonly value: number; readonly timestamp: number }[];
}

export interface MetadataToSend {
  readonly type: number;
  readonly metricFamilyName: string;
  readonly help: string;
}

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => fileURLToPath(new URL(`../../../proto/${target}`, import.meta.url));
root.loadSync('remote.proto');
const WriteRequest = root.lookupType('prometheus.WriteRequest');

/** Labels are sorted by name, as the protocol asks. @returns the compressed body */
export function encodeWriteRequest(series: readonly SeriesToSend[], metadata: readonly MetadataToSend[] = []): Buffer {
  const timeseries = series.map(({ labels, samples }) => ({
    labels: Object.entries(labels)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => ({ name, value })),
    samples,
  }));
  const message = WriteRequest.encode(WriteRequest.create({ timeseries, metadata })).finish();
  return Buffer.from(snappyjs.compress(message));
}
