/**
 * History: the last quarter of an hour of one destination, one point per second, in memory that is allocated once.
 * Rates and latencies of a point are over the last few seconds, as senders send in bursts.
 */
import type { DestinationSnapshot } from '../../metrics/destination-snapshot.ts';
import { bucketsOf, quantileMs, type Buckets } from './latency.ts';
import type { HistoryColumns, HistoryPoint } from '../snapshot.ts';

export const HISTORY_POINTS = 900;
/** Prometheus sends its samples after at most 5 s. */
const WINDOW_POINTS = 5;

/** `at` is in seconds since the epoch, latencies are in ms, `rejected` is a total; rates are per second. */
export const COLUMNS = [
  'at',
  'received',
  'delivered',
  'p50Ms',
  'p99Ms',
  'parcelsPerBatch',
  'shards',
  'shardsBusy',
  'queued',
  'pending',
  'answersTaken',
  'answersThrottled',
  'answersRefused',
  'answersFailed',
  'rejected',
] as const;
export type Column = (typeof COLUMNS)[number];

type AnswerClass = 'answersTaken' | 'answersThrottled' | 'answersRefused' | 'answersFailed';

/** Totals at one moment. */
interface Reading extends Record<AnswerClass, number> {
  readonly atMs: number;
  readonly received: number;
  readonly delivered: number;
  readonly batches: number;
  readonly batchedParcels: number;
  readonly latency: Buckets;
}

export class History {
  readonly #columns = new Map(COLUMNS.map((name) => [name, new Float64Array(HISTORY_POINTS)]));
  /** The last few, oldest first. */
  readonly #readings: Reading[] = [];
  #written = 0;
  #latest: HistoryPoint = toPoint(() => Number.NaN);

  get latest(): HistoryPoint {
    return this.#latest;
  }

  /** The number of samples that were rejected for good within the history. */
  get rejectedLately(): number {
    const oldest = this.#written < HISTORY_POINTS ? 0 : (this.#at('rejected', this.#written - HISTORY_POINTS) ?? 0);
    return (this.#latest.rejected ?? 0) - oldest;
  }

  /** The mean of a column over the last so many seconds that are known; points without a value count as 0. */
  meanOf(name: Column, seconds: number): number {
    const values = this.#last(name, seconds);
    return values.reduce((total, value) => total + value, 0) / Math.max(1, values.length);
  }

  /** The greatest value of a column within the last so many seconds; 0 where there is none. */
  greatestOf(name: Column, seconds: number): number {
    return Math.max(0, ...this.#last(name, seconds));
  }

  /** By how much a column that holds a total has grown within the last so many seconds. */
  growthOf(name: Column, seconds: number): number {
    const values = this.#last(name, seconds + 1);
    return (values.at(-1) ?? 0) - (values[0] ?? 0);
  }

  #last(name: Column, seconds: number): number[] {
    const length = Math.min(this.#written, HISTORY_POINTS, seconds);
    return Array.from({ length }, (_, index) => this.#at(name, this.#written - length + index) ?? 0);
  }

  /** @param nowMs since the epoch */
  record(nowMs: number, snapshot: DestinationSnapshot): void {
    const { shards, shardsBusy, queuedSamples, pending, rejected } = snapshot;
    const after = takeReading(snapshot, nowMs);
    this.#readings.push(after);
    if (this.#readings.length > WINDOW_POINTS + 1) this.#readings.shift();
    const before = this.#readings[0] ?? after;
    const seconds = (after.atMs - before.atMs) / 1000;
    const rate = (name: 'received' | 'delivered' | AnswerClass): number =>
      seconds > 0 ? (after[name] - before[name]) / seconds : 0;
    const batches = after.batches - before.batches;
    const values: Record<Column, number> = {
      at: nowMs / 1000,
      received: rate('received'),
      delivered: rate('delivered'),
      p50Ms: quantileMs(0.5, after.latency, before.latency) ?? Number.NaN,
      p99Ms: quantileMs(0.99, after.latency, before.latency) ?? Number.NaN,
      parcelsPerBatch: batches > 0 ? (after.batchedParcels - before.batchedParcels) / batches : Number.NaN,
      shards,
      shardsBusy,
      queued: queuedSamples,
      pending,
      answersTaken: rate('answersTaken'),
      answersThrottled: rate('answersThrottled'),
      answersRefused: rate('answersRefused'),
      answersFailed: rate('answersFailed'),
      rejected: rejected.reduce((sum, { samples }) => sum + samples, 0),
    };
    for (const [name, column] of this.#columns) column[this.#written % HISTORY_POINTS] = values[name];
    this.#written += 1;
    this.#latest = toPoint((name) => values[name]);
  }

  columns(): HistoryColumns {
    const length = Math.min(this.#written, HISTORY_POINTS);
    const first = this.#written - length;
    return perColumn((name) => Array.from({ length }, (_, index) => this.#at(name, first + index)));
  }

  #at(name: Column, index: number): number | null {
    return rounded(this.#columns.get(name)?.[index % HISTORY_POINTS] ?? Number.NaN);
  }
}

function takeReading(snapshot: DestinationSnapshot, atMs: number): Reading {
  const { received, delivered, batches, batchedParcels, responses } = snapshot;
  const answers = { answersTaken: 0, answersThrottled: 0, answersRefused: 0, answersFailed: 0 };
  for (const [code, count] of responses) answers[classOf(code)] += count;
  const latency = bucketsOf(snapshot.delivery.delivered);
  return { atMs, received, delivered, batches, batchedParcels, latency, ...answers };
}

/** @param code an HTTP status or the name of a failure */
function classOf(code: string): AnswerClass {
  if (code === '408' || code === '429' || code.startsWith('throttled_')) return 'answersThrottled';
  if (code.startsWith('unauthorized_') || code.startsWith('quota_')) return 'answersRefused';
  if (code.startsWith('2')) return 'answersTaken';
  return code.startsWith('4') ? 'answersRefused' : 'answersFailed';
}

function toPoint(read: (name: Column) => number): HistoryPoint {
  return perColumn((name) => rounded(read(name)));
}

function perColumn<T>(read: (name: Column) => T): Record<Column, T> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- COLUMNS lists every key
  return Object.fromEntries(COLUMNS.map((name) => [name, read(name)])) as Record<Column, T>;
}

/** JSON has no NaN, and a plot needs no more digits. */
function rounded(value: number): number | null {
  return Number.isFinite(value) ? Math.round(value * 100) / 100 : null;
}
