/**
 * DestinationSnapshot: everything that anybody is shown about one destination, at one moment. It is plain data, and JSON
 * as it is: codes and numbers, which whoever shows them puts into words. /metrics (destination-exposition.ts), the status
 * page (admin/status-page/) and the reports of workers (serve/workers/) are views of it, and nothing else reads the
 * stages for that.
 *
 * A new gauge is counted in its stage, read here, and shown in a view: the compiler asks for its line in FIELDS, which
 * says how the gauges of several workers become one.
 */
import type { DestinationMetrics } from './counts.ts';
import { WORKER_DIED } from './known-labels.ts';
import type { Observed } from './observations.ts';
import {
  addTallies,
  credentialsState,
  deliveryTimes,
  either,
  firstFailure,
  firstKnown,
  greatest,
  label,
  observed,
  problemList,
  rejectedSamples,
  sum,
  tally,
  total,
  type CredentialsSnapshot,
  type DeliveryTimes,
  type Field,
  type Problem,
  type RejectedSamples,
  type Tally,
} from './snapshot-fields.ts';

/** Plain counts since the start (counts.ts). */
const TOTALS = [
  'received',
  'delivered',
  'deduplicated',
  'sentSamples',
  'sentHistograms',
  'sentExemplars',
  'sentMetadata',
  'sentBytes',
  'retriedSamples',
  'retriedHistograms',
  'failedSamples',
  'failedHistograms',
  'enqueueRetries',
  'cutParcels',
  'batchesTakenApart',
  'batches',
  'batchedParcels',
] as const satisfies readonly (keyof DestinationMetrics)[];

/** The pending requests and samples, counted like the totals. */
const PENDING = [
  'pending',
  'pendingSamples',
  'pendingHistograms',
] as const satisfies readonly (keyof DestinationMetrics)[];

export interface DestinationSnapshot extends Readonly<
  Pick<DestinationMetrics, (typeof TOTALS)[number] | (typeof PENDING)[number]>
> {
  readonly name: string;
  readonly url: string;

  // Since the start.
  readonly rejected: readonly RejectedSamples[];
  /** Samples by reason. */
  readonly refused: Tally;
  /** Attempts upstream by status or failure. */
  readonly responses: Tally;
  /** Seconds, as are `queueWait` and `sentBatch`. */
  readonly delivery: DeliveryTimes;
  readonly queueWait: Observed;
  readonly batchParcels: Observed;
  readonly batchSamples: Observed;
  readonly sentBatch: Observed;
  /** Newest timestamp received, and acknowledged by the upstream; ms since the epoch, 0 before the first sample. */
  readonly highestTimestampMs: number;
  readonly highestSentTimestampMs: number;

  // Now.
  /** Samples that wait for a batch, those between two attempts included. */
  readonly queuedSamples: number;
  readonly queueCapacity: number;
  /** Merge keys with parcels that wait. */
  readonly queuedKeys: number;
  /** Batches that wait for another attempt, and samples in them. */
  readonly retryBatches: number;
  readonly retrySamples: number;
  /** Requests that may be in flight upstream. */
  readonly shards: number;
  /** The number of those that are in flight. */
  readonly shardsBusy: number;
  /** Shards that the load asks for. */
  readonly shardsDesired: number;
  /** The upstream answers nothing but failures, and senders are refused. */
  readonly isDown: boolean;
  /** Senders whose requests keep failing, and are batched separately. */
  readonly sendersIsolated: number;
  /** How far the upstream's clock is ahead of ours. */
  readonly clockSkewMs: number;
  /** Code of the latest attempt when it failed. */
  readonly failing: string | null;
  /** The latest first. */
  readonly problems: readonly Problem[];
  readonly credentials: CredentialsSnapshot;

  // Settings.
  readonly minShards: number;
  readonly maxShards: number;
  readonly shardCapacity: number;
  readonly maxSamplesPerSend: number;
}

/** The stages of one destination, as far as they are shown. */
export interface ShownStages {
  readonly settings: Pick<DestinationSnapshot, 'minShards' | 'maxShards' | 'shardCapacity' | 'maxSamplesPerSend'>;
  readonly queue: { readonly capacityUsed: number; readonly capacity: number; readonly keys: number };
  readonly retryQueue: { readonly batches: number; readonly samples: number };
  readonly shards: { readonly inFlight: number };
  readonly health: {
    readonly shards: number;
    readonly isDown: boolean;
    readonly isolated: { readonly size: number };
  };
  readonly clock: { readonly skewMs: number };
  /** The credentials themselves are opaque here; undefined without valid ones. */
  readonly credentials: { tryCurrent: () => unknown; readonly lastError: string };
  readonly problems: { readonly failing: string | undefined; list: () => readonly Problem[] };
}

/** Reads all of it within one turn of the event loop, so that the ledger of samples is balanced in it. */
export function takeSnapshot(metrics: DestinationMetrics, stages: ShownStages): DestinationSnapshot {
  const { settings, queue, retryQueue, shards, health, clock, credentials, problems } = stages;
  return {
    name: metrics.name,
    url: metrics.url,
    ...pick(metrics, TOTALS),
    ...pick(metrics, PENDING),
    rejected: [...metrics.rejectedByReason].flatMap(([status, byReason]) =>
      [...byReason].map(([reason, samples]) => ({ status, reason, samples })),
    ),
    refused: [...metrics.refused],
    responses: [...metrics.responses],
    delivery: {
      delivered: metrics.delivery.delivered.observed,
      rejected: metrics.delivery.rejected.observed,
      refused: metrics.delivery.refused.observed,
    },
    queueWait: metrics.queueWait.observed,
    batchParcels: metrics.batchParcels.observed,
    batchSamples: metrics.batchSamples.observed,
    sentBatch: metrics.sentBatch.observed,
    highestTimestampMs: known(metrics.highestTimestampMs),
    highestSentTimestampMs: known(metrics.highestSentTimestampMs),
    queuedSamples: queue.capacityUsed,
    queueCapacity: queue.capacity,
    queuedKeys: queue.keys,
    retryBatches: retryQueue.batches,
    retrySamples: retryQueue.samples,
    shards: health.shards,
    shardsBusy: shards.inFlight,
    shardsDesired: shards.inFlight + Math.ceil(queue.capacityUsed / settings.maxSamplesPerSend),
    isDown: health.isDown,
    sendersIsolated: health.isolated.size,
    clockSkewMs: clock.skewMs,
    failing: problems.failing ?? null,
    problems: problems.list(),
    credentials: {
      valid: credentials.tryCurrent() !== undefined,
      lastError: credentials.lastError,
      expirationSeconds: metrics.credentials.expirationSeconds,
      refreshes: metrics.credentials.success,
      failures: metrics.credentials.failure,
      refreshSeconds: metrics.credentials.lastDurationSeconds,
    },
    ...settings,
  };
}

/** Both as one: those of two workers. */
export function merge(a: DestinationSnapshot, b: DestinationSnapshot): DestinationSnapshot {
  return perField((key) => mergeField(key, a, b));
}

/**
 * Returns the lasting part of a worker that has gone: its totals. Pending requests count as refused, since their
 * senders' connections broke.
 */
export function lastingOf(snapshot: DestinationSnapshot): DestinationSnapshot {
  const { pending } = snapshot;
  const lasting = perField((key) => lastingField(key, snapshot));
  if (pending === 0) return lasting;
  return { ...lasting, refused: addTallies(lasting.refused, [[WORKER_DIED, pending]]) };
}

/** A destination without any counts: merging it with another leaves the other unchanged. */
export function emptySnapshot(name: string, url: string): DestinationSnapshot {
  return { ...perField((key) => FIELDS[key].none), name, url };
}

/** How each field of two workers becomes one. */
const FIELDS: { readonly [K in keyof DestinationSnapshot]: Field<DestinationSnapshot[K]> } = {
  name: label,
  url: label,
  received: total,
  delivered: total,
  deduplicated: total,
  sentSamples: total,
  sentHistograms: total,
  sentExemplars: total,
  sentMetadata: total,
  sentBytes: total,
  retriedSamples: total,
  retriedHistograms: total,
  failedSamples: total,
  failedHistograms: total,
  enqueueRetries: total,
  cutParcels: total,
  batchesTakenApart: total,
  batches: total,
  batchedParcels: total,
  pending: sum,
  pendingSamples: sum,
  pendingHistograms: sum,
  rejected: rejectedSamples,
  refused: tally,
  responses: tally,
  delivery: deliveryTimes,
  queueWait: observed,
  batchParcels: observed,
  batchSamples: observed,
  sentBatch: observed,
  highestTimestampMs: greatest,
  highestSentTimestampMs: greatest,
  queuedSamples: sum,
  queueCapacity: sum,
  queuedKeys: sum,
  retryBatches: sum,
  retrySamples: sum,
  shards: sum,
  shardsBusy: sum,
  shardsDesired: sum,
  isDown: either,
  sendersIsolated: sum,
  // A worker that has sent nothing knows none.
  clockSkewMs: firstKnown,
  failing: firstFailure,
  problems: problemList,
  credentials: credentialsState,
  minShards: sum,
  maxShards: sum,
  shardCapacity: greatest,
  maxSamplesPerSend: greatest,
};

function mergeField<K extends keyof DestinationSnapshot>(
  key: K,
  a: DestinationSnapshot,
  b: DestinationSnapshot,
): DestinationSnapshot[K] {
  return FIELDS[key].merge(a[key], b[key]);
}

function lastingField<K extends keyof DestinationSnapshot>(key: K, of: DestinationSnapshot): DestinationSnapshot[K] {
  return FIELDS[key].lasting(of[key]);
}

/** A snapshot made of one value for each field. */
function perField(make: <K extends keyof DestinationSnapshot>(key: K) => DestinationSnapshot[K]): DestinationSnapshot {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of FIELDS are those of DestinationSnapshot
  const keys = Object.keys(FIELDS) as (keyof DestinationSnapshot)[];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- and each has its value
  return Object.fromEntries(keys.map((key) => [key, make(key)])) as unknown as DestinationSnapshot;
}

function pick<K extends keyof DestinationMetrics>(
  metrics: DestinationMetrics,
  keys: readonly K[],
): Pick<DestinationMetrics, K> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each of the keys has its value
  return Object.fromEntries(keys.map((key) => [key, metrics[key]])) as Pick<DestinationMetrics, K>;
}

/** JSON has no -Infinity; and Prometheus's own timestamps are 0 before the first sample. */
function known(timestampMs: number): number {
  return Number.isFinite(timestampMs) ? timestampMs : 0;
}
