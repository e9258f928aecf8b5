/**
 * Decodes a remote write 1.0 body by the book: snappyjs, then protobufjs on proto/*.proto.
 *
 * Two fields are read through a derived schema that is wire compatible with the real one, because a JS number or an
 * object would not keep their bytes: Sample.value as fixed64 (a signalling NaN survives), and each Histogram as bytes.
 */
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import snappyjs from 'snappyjs';

export interface Label {
  readonly name: string;
  readonly value: string;
}

/** 64 bits as protobufjs' Long gives them: both halves are signed 32-bit integers. */
export interface Int64 {
  readonly low: number;
  readonly high: number;
}

export interface DecodedSample {
  /** The 8 bytes of the IEEE 754 value. */
  readonly value: Int64;
  /** Milliseconds since the epoch. */
  readonly timestamp: Int64;
}

/** The fields of an Exemplar that the rules need. */
export interface DecodedExemplar {
  readonly timestamp: Int64;
}

export interface DecodedSeries {
  readonly labels: readonly Label[];
  readonly samples: readonly DecodedSample[];
  readonly exemplars: readonly DecodedExemplar[];
  /** Each Histogram message as its encoded bytes. */
  readonly histograms: readonly Uint8Array[];
}

export interface DecodedMetadata {
  readonly type: number;
  readonly metricFamilyName: string;
  readonly help: string;
  readonly unit: string;
}

export interface DecodedWriteRequest {
  readonly timeseries: readonly DecodedSeries[];
  readonly metadata: readonly DecodedMetadata[];
}

/** A body that is not snappy, or not a WriteRequest. The message is what Cortex would tell. */
export class MalformedBodyError extends Error {
  override name = 'MalformedBodyError';
}

/** No body under AMP's 1 MB can decode to more than 64/3 of its size; this is for rules that lift the limit. */
const MAX_DECODED_BYTES = 256 * 1024 * 1024;

const schema = loadDerivedSchema();

/** @throws MalformedBodyError */
export function decodeWriteRequest(body: Buffer): DecodedWriteRequest {
  const raw = decompress(body);
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- protobufjs types decode() as a bare Message; the fields are the schema's
    return schema.writeRequest.decode(raw) as unknown as DecodedWriteRequest;
  } catch (cause) {
    throw new MalformedBodyError(`proto: ${messageOf(cause)}`, { cause });
  }
}

/** Timestamp of an encoded Histogram, in milliseconds since the epoch. @throws MalformedBodyError */
export function readHistogramTimestamp(encoded: Uint8Array): Int64 {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- protobufjs types decode() as a bare Message; the fields are the schema's
    const histogram = schema.histogram.decode(encoded) as unknown as { timestamp: Int64 };
    return histogram.timestamp;
  } catch (cause) {
    throw new MalformedBodyError(`proto: histogram: ${messageOf(cause)}`, { cause });
  }
}

function loadDerivedSchema(): { writeRequest: protobuf.Type; histogram: protobuf.Type } {
  const root = new protobuf.Root();
  root.loadSync(fileURLToPath(new URL('../../../proto/remote.proto', import.meta.url)), { keepCase: false });
  replaceField(root.lookupType('prometheus.Sample'), new protobuf.Field('value', 1, 'fixed64'));
  replaceField(root.lookupType('prometheus.TimeSeries'), new protobuf.Field('histograms', 4, 'bytes', 'repeated'));
  root.resolveAll();
  return {
    writeRequest: root.lookupType('prometheus.WriteRequest'),
    histogram: root.lookupType('prometheus.Histogram'),
  };
}

function replaceField(type: protobuf.Type, field: protobuf.Field): void {
  const known = type.fields[field.name];
  if (known?.id !== field.id)
    throw new Error(`${type.name}.${field.name} is not field ${field.id} in proto/types.proto`);
  type.remove(known);
  type.add(field);
}

function decompress(body: Buffer): Uint8Array {
  try {
    const raw = snappyjs.uncompress<Uint8Array>(body, MAX_DECODED_BYTES);
    // snappyjs neither notices elements that end short of the declared length nor those that go past it.
    if (sumOfElements(body) !== raw.length) throw new Error('elements do not add up to the declared length');
    return raw;
  } catch (cause) {
    throw new MalformedBodyError('snappy: corrupt input', { cause });
  }
}

/** Bytes that the elements of a snappy block produce (https://github.com/google/snappy/blob/main/format_description.txt). */
function sumOfElements(body: Buffer): number {
  let position = 0;
  while ((body[position] ?? 0) >= 0x80) position += 1;
  position += 1;
  let total = 0;
  while (position < body.length) {
    const tag = body.readUInt8(position);
    const kind = tag & 3;
    if (kind === 0) {
      const short = tag >>> 2;
      const extraBytes = short < 60 ? 0 : short - 59;
      const length = 1 + (extraBytes === 0 ? short : body.readUIntLE(position + 1, extraBytes));
      total += length;
      position += 1 + extraBytes + length;
    } else if (kind === 1) {
      total += ((tag >>> 2) & 7) + 4;
      position += 2;
    } else {
      total += (tag >>> 2) + 1;
      position += kind === 2 ? 3 : 5;
    }
  }
  if (position !== body.length) throw new Error('the last element is cut');
  return total;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
