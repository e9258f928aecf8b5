/**
 * Parcels for tests. `makeParcel` gives one of any size without content; `makeRealParcel` one whose body is a
 * WriteRequest, encoded by the book (protobufjs on proto/, snappyjs), and `seriesIn` reads such a body again.
 */
import { NO_KERNEL_COST } from '../../src/codec/kernel-turns.ts';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import snappyjs from 'snappyjs';
import { BufferPool, type Lease } from '../../src/memory/buffer-pool.ts';
import { DestinationMetrics } from '../../src/metrics/counts.ts';
import { NEW_CONNECTION, type ConnectionActivity } from '../../src/parcel/connection-activity.ts';
import { sharedKey, type MergeKey } from '../../src/parcel/merge-key.ts';
import { Parcel, type ParcelContents, type ParcelLedger, type ParcelTimes } from '../../src/parcel/parcel.ts';
import type { Outcome } from '../../src/outcome/outcome.ts';

export interface TestLedger extends ParcelLedger {
  open?(parcel: Parcel): void;
}

/** A ledger that keeps no account; it remembers what each parcel was settled with. */
export class OpenBook implements ParcelLedger {
  readonly outcomes: Map<Parcel, Outcome> = new Map();
  close(parcel: Parcel, outcome: Outcome): void {
    this.outcomes.set(parcel, outcome);
  }
}

/** Resolves with the parcel's outcome, when it is settled. */
export async function outcomeOf(parcel: Parcel): Promise<Outcome> {
  const { outcome, onSettled } = parcel;
  if (outcome !== undefined) return outcome;
  return new Promise((resolve) => {
    parcel.onSettled = (settled) => {
      onSettled?.(settled);
      resolve(settled);
    };
  });
}

export interface ParcelShape {
  readonly key?: string;
  /** Replaces the merge key that `key` makes. */
  readonly mergeKey?: MergeKey;
  /** Address. */
  readonly sender?: string;
  readonly samples?: number;
  readonly histograms?: number;
  readonly exemplars?: number;
  /** Compressed. */
  readonly bytes?: number;
  readonly maxTimestampMs?: number;
  /** The connection that it came on; one of its own unless one is given. */
  readonly connection?: ConnectionActivity;
  readonly arrivedAtMs?: number;
  readonly queuedAtMs?: number;
  readonly deadlineAtMs?: number;
}

/** A connection that has sent nothing yet. */
export function makeConnection(address = ''): ConnectionActivity {
  return { ...NEW_CONNECTION, sender: { address, isolatedAtMs: -Infinity, ...NO_KERNEL_COST } };
}

export function makeParcel(shape: ParcelShape = {}, ledger: TestLedger = new OpenBook()): Parcel {
  const bytes = shape.bytes ?? 10;
  const contents: ParcelContents = {
    lease: lend(Buffer.alloc(bytes)),
    rawBytes: bytes * 4,
    reachBytes: 0,
    elementsAt: 1,
    series: 1,
    samples: shape.samples ?? 1,
    histograms: shape.histograms ?? 0,
    exemplars: shape.exemplars ?? 0,
    metadata: 0,
    minTimestampMs: Number.NaN,
    maxTimestampMs: shape.maxTimestampMs ?? Number.NaN,
    unknownFields: 0,
    dedupKey: shape.key ?? '',
  };
  return parcelOf(contents, shape, ledger);
}

const pool = new BufferPool(0);

/** The same bytes as a parcel holds them. */
function lend(body: Buffer): Lease {
  const lease = pool.take(body.length);
  lease.buffer.set(body);
  return lease;
}

export interface TestSeries {
  readonly name: string;
  /** Timestamps in ms since the epoch; the value of a sample is 1. */
  readonly timestamps: readonly number[];
}

/** @param series one sample each where only names are given */
export function makeRealParcel(
  series: readonly (string | TestSeries)[],
  shape: ParcelShape = {},
  ledger: TestLedger = new OpenBook(),
): Parcel {
  const full = series.map((each) => (typeof each === 'string' ? { name: each, timestamps: [1000] } : each));
  const body = encodeBody(full);
  const rawBytes = rawBytesOf(body);
  const samples = full.reduce((sum, { timestamps }) => sum + timestamps.length, 0);
  const contents: ParcelContents = {
    lease: lend(body),
    rawBytes,
    reachBytes: rawBytes,
    elementsAt: varintLength(rawBytes),
    series: full.length,
    samples,
    histograms: 0,
    exemplars: 0,
    metadata: 0,
    minTimestampMs: Math.min(...full.flatMap(({ timestamps }) => timestamps)),
    maxTimestampMs: Math.max(...full.flatMap(({ timestamps }) => timestamps)),
    unknownFields: 0,
    dedupKey: shape.key ?? '',
  };
  return parcelOf(contents, shape, ledger);
}

/** Opened in a ledger that keeps account of open parcels. */
function parcelOf(contents: ParcelContents, shape: ParcelShape, ledger: TestLedger): Parcel {
  const connection = shape.connection ?? makeConnection(shape.sender);
  const parcel = new Parcel(
    contents,
    timesOf(shape),
    shape.mergeKey ?? sharedKey(contents.dedupKey),
    connection,
    ledger,
  );
  ledger.open?.(parcel);
  return parcel;
}

const root = protobuf.loadSync(fileURLToPath(new URL('../../proto/remote.proto', import.meta.url)));
const writeRequest = root.lookupType('prometheus.WriteRequest');

/** A snappy block of a WriteRequest. */
export function encodeBody(series: readonly TestSeries[]): Buffer {
  const message = writeRequest.fromObject({
    timeseries: series.map(({ name, timestamps }) => ({
      labels: [{ name: '__name__', value: name }],
      samples: timestamps.map((timestamp) => ({ value: 1, timestamp })),
    })),
  });
  return Buffer.from(snappyjs.compress(Buffer.from(writeRequest.encode(message).finish())));
}

/** Names and timestamps of the TimeSeries in a body, in their order. */
export function seriesIn(body: Buffer): TestSeries[] {
  const decoded = writeRequest.decode(snappyjs.uncompress(body));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- protobufjs types toObject() as a bare record; the fields are the schema's
  const { timeseries } = writeRequest.toObject(decoded, { longs: Number, arrays: true }) as {
    timeseries: { labels: { value: string }[]; samples: { timestamp: number }[] }[];
  };
  return timeseries.map(({ labels, samples }) => ({
    name: labels[0]?.value ?? '',
    timestamps: samples.map(({ timestamp }) => timestamp),
  }));
}

export function namesIn(body: Buffer): string[] {
  return seriesIn(body).map(({ name }) => name);
}

export function rawBytesOf(body: Buffer): number {
  return snappyjs.uncompress(body).length;
}

/** Length of the varint that a snappy block starts with: 7 bits a byte. */
export function varintLength(value: number): number {
  let length = 1;
  while (value >= 128 ** length) length += 1;
  return length;
}

/** Counters of a destination, with histograms of their own registry. */
export function makeDestinationMetrics(): DestinationMetrics {
  return new DestinationMetrics('default', 'http://upstream.example/api/v1/remote_write');
}

function timesOf(shape: ParcelShape): ParcelTimes {
  const arrivedAtMs = shape.arrivedAtMs ?? 0;
  return {
    arrivedAtMs,
    deadlineAtMs: shape.deadlineAtMs ?? arrivedAtMs + 25_000,
    queuedAtMs: shape.queuedAtMs ?? arrivedAtMs,
  };
}
