/**
 * A strict reader of WriteRequests by the encoding spec (https://protobuf.dev/programming-guides/encoding/) and
 * proto/*.proto: simple, slow, and sharing nothing with the kernel. protobufjs is the second opinion on what it takes,
 * but forgives what Go's decoder does not: wrong wire types, lengths over the border of a nested message.
 */

type Kind = 'varint' | 'fixed64' | 'bytes' | 'varints' | 'doubles' | 'timestamp' | MessageName;
type MessageName = 'Request' | 'TimeSeries' | 'Label' | 'Sample' | 'Exemplar' | 'Histogram' | 'Span' | 'Metadata';

const FIELDS: Record<MessageName, Record<string, Kind>> = {
  Request: { 1: 'TimeSeries', 3: 'Metadata' },
  TimeSeries: { 1: 'Label', 2: 'Sample', 3: 'Exemplar', 4: 'Histogram' },
  Label: { 1: 'bytes', 2: 'bytes' },
  Sample: { 1: 'fixed64', 2: 'timestamp' },
  Exemplar: { 1: 'Label', 2: 'fixed64', 3: 'varint' },
  Span: { 1: 'varint', 2: 'varint' },
  Metadata: { 1: 'varint', 2: 'bytes', 4: 'bytes', 5: 'bytes' },
  Histogram: {
    1: 'varint',
    2: 'fixed64',
    3: 'fixed64',
    4: 'varint',
    5: 'fixed64',
    6: 'varint',
    7: 'fixed64',
    8: 'Span',
    9: 'varints',
    10: 'doubles',
    11: 'Span',
    12: 'varints',
    13: 'doubles',
    14: 'varint',
    15: 'timestamp',
    16: 'doubles',
  },
};

export interface StrictCounts {
  series: number;
  samples: number;
  histograms: number;
  exemplars: number;
  metadata: number;
  timestamps: bigint[];
}

/** Returns its counts, or undefined if it is not valid or holds a TimeSeries without labels. */
export function tryReadStrictly(raw: Uint8Array): StrictCounts | undefined {
  const reader = new Reader();
  try {
    reader.message('Request', raw);
    return reader.counts;
  } catch (error) {
    if (error instanceof Refused) return undefined;
    throw error;
  }
}

class Refused extends Error {}

class Reader {
  readonly counts: StrictCounts = { series: 0, samples: 0, histograms: 0, exemplars: 0, metadata: 0, timestamps: [] };

  message(name: MessageName, bytes: Uint8Array): void {
    const cursor = new Cursor(bytes);
    let labels = 0;
    let timestamp = 0n;
    while (!cursor.atEnd) {
      const { number, wireType } = cursor.tag();
      const kind = FIELDS[name][number];
      const value = cursor.value(number, wireType, 0);
      if (kind === undefined) continue;
      if (!wireTypesOf(kind).includes(wireType)) throw new Refused();
      if (kind === 'timestamp') timestamp = BigInt.asIntN(64, value.integer);
      if (kind === 'varints' && wireType === 2) {
        for (const packed = new Cursor(value.bytes); !packed.atEnd;) packed.varint();
      }
      if (kind === 'doubles' && wireType === 2 && value.bytes.length % 8 !== 0) throw new Refused();
      if (isMessage(kind)) this.message(kind, value.bytes);
      if (kind === 'Label') labels += 1;
    }
    if (name === 'TimeSeries') {
      if (labels === 0) throw new Refused();
      this.counts.series += 1;
    }
    if (name === 'Sample') this.counts.samples += 1;
    if (name === 'Histogram') this.counts.histograms += 1;
    if (name === 'Sample' || name === 'Histogram') this.counts.timestamps.push(timestamp);
    if (name === 'Exemplar') this.counts.exemplars += 1;
    if (name === 'Metadata') this.counts.metadata += 1;
  }
}

function isMessage(kind: Kind): kind is MessageName {
  return kind in FIELDS;
}

function wireTypesOf(kind: Kind): number[] {
  if (kind === 'varint' || kind === 'timestamp') return [0];
  if (kind === 'fixed64') return [1];
  if (kind === 'varints') return [0, 2];
  if (kind === 'doubles') return [1, 2];
  return [2];
}

class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(length: bigint): Uint8Array {
    if (length > BigInt(this.#bytes.length - this.#at)) throw new Refused();
    const start = this.#at;
    this.#at += Number(length);
    return this.#bytes.subarray(start, this.#at);
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.take(1n)[0] ?? 0;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new Refused();
  }

  tag(): { number: number; wireType: number } {
    const tag = this.varint();
    if (tag > 0xffffffffn || tag < 8n) throw new Refused();
    return { number: Number(tag >> 3n), wireType: Number(tag & 7n) };
  }

  value(number: number, wireType: number, depth: number): { integer: bigint; bytes: Uint8Array } {
    const none = { integer: 0n, bytes: new Uint8Array() };
    if (wireType === 0) return { ...none, integer: this.varint() };
    if (wireType === 1) return { ...none, bytes: this.take(8n) };
    if (wireType === 2) return { ...none, bytes: this.take(this.varint()) };
    if (wireType === 5) return { ...none, bytes: this.take(4n) };
    if (wireType !== 3 || depth === 100) throw new Refused();
    for (;;) {
      const inner = this.tag();
      if (inner.wireType === 4) {
        if (inner.number !== number) throw new Refused();
        return none;
      }
      this.value(inner.number, inner.wireType, depth + 1);
    }
  }
}
