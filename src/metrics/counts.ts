/**
 * The counts of the stages, as plain numbers: counting costs the data path an addition, and prom-client reads them when
 * it is scraped. Samples include histograms where the name says nothing else.
 */
import type { Outcome } from '../outcome/outcome.ts';
import type { RejectionReason } from '../outcome/rejection-reason.ts';
import { LATENCY_BOUNDS, PARCEL_BOUNDS, SAMPLE_BOUNDS } from './histogram-bounds.ts';
import { Observations } from './observations.ts';

/** The content of a request, in numbers. */
export interface RequestCounts {
  readonly samples: number;
  readonly histograms: number;
  /** Samples and histograms together. */
  readonly sampleCount: number;
}

/** The counts of one destination. */
export class DestinationMetrics {
  readonly name: string;
  readonly url: string;
  /** All in samples and histograms: received = delivered + rejected + refused + pending. */
  received = 0;
  delivered = 0;
  deduplicated = 0;
  pending = 0;
  pendingSamples = 0;
  pendingHistograms = 0;
  exemplarsReceived = 0;
  readonly rejected: Map<number, number> = new Map();
  /** The same by status, then by reason. */
  readonly rejectedByReason: Map<number, Map<RejectionReason, number>> = new Map();
  readonly refused: Map<string, number> = new Map();
  /** Samples in attempts, counted as Prometheus does. */
  sentSamples = 0;
  sentHistograms = 0;
  sentExemplars = 0;
  sentMetadata = 0;
  sentBytes = 0;
  retriedSamples = 0;
  retriedHistograms = 0;
  failedSamples = 0;
  failedHistograms = 0;
  /** Ms since the epoch; -Infinity before the first sample. */
  highestTimestampMs = -Infinity;
  highestSentTimestampMs = -Infinity;
  /** Requests that found the queue full. */
  enqueueRetries = 0;
  cutParcels = 0;
  batchesTakenApart = 0;
  batches = 0;
  batchedParcels = 0;
  readonly responses: Map<string, number> = new Map();
  readonly credentials: CredentialsMetrics = new CredentialsMetrics();
  /** Seconds from the head of a request to its outcome. */
  readonly delivery: Readonly<Record<Outcome['kind'], Observations>> = {
    delivered: new Observations(LATENCY_BOUNDS),
    rejected: new Observations(LATENCY_BOUNDS),
    refused: new Observations(LATENCY_BOUNDS),
  };
  /** Seconds that the first request of a batch waited in the queue. */
  readonly queueWait: Observations = new Observations(LATENCY_BOUNDS);
  readonly batchParcels: Observations = new Observations(PARCEL_BOUNDS);
  readonly batchSamples: Observations = new Observations(SAMPLE_BOUNDS);
  /** Seconds of an attempt upstream. */
  readonly sentBatch: Observations = new Observations(LATENCY_BOUNDS);

  constructor(name: string, url: string) {
    this.name = name;
    this.url = url;
  }

  countRejected(status: number, reason: RejectionReason, request: RequestCounts): void {
    this.rejected.set(status, (this.rejected.get(status) ?? 0) + request.sampleCount);
    const byReason = this.rejectedByReason.get(status) ?? new Map<RejectionReason, number>();
    this.rejectedByReason.set(status, byReason);
    byReason.set(reason, (byReason.get(reason) ?? 0) + request.sampleCount);
    this.failedSamples += request.samples;
    this.failedHistograms += request.histograms;
  }

  countRefused(reason: string, request: RequestCounts): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + request.sampleCount);
    if (reason === 'queue_full') this.enqueueRetries += 1;
  }

  countResponse(code: string): void {
    this.responses.set(code, (this.responses.get(code) ?? 0) + 1);
  }

  observeDelivery(outcome: Outcome['kind'], elapsedMs: number): void {
    this.delivery[outcome].observe(elapsedMs / 1000);
  }

  observeQueueWait(elapsedMs: number): void {
    this.queueWait.observe(elapsedMs / 1000);
  }

  observeBatch(parcels: number, samples: number): void {
    this.batches += 1;
    this.batchedParcels += parcels;
    this.batchParcels.observe(parcels);
    this.batchSamples.observe(samples);
  }

  observeAttempt(elapsedMs: number): void {
    this.sentBatch.observe(elapsedMs / 1000);
  }
}

/** The counts of one destination's credentials. */
export class CredentialsMetrics {
  /** Seconds since the epoch; 0 while unknown or without expiry. */
  expirationSeconds = 0;
  success = 0;
  failure = 0;
  lastDurationSeconds = 0;

  refreshed(result: 'success' | 'failure', elapsedMs: number, expiration: Date | undefined): void {
    this.lastDurationSeconds = elapsedMs / 1000;
    if (result === 'failure') {
      this.failure += 1;
      return;
    }
    this.success += 1;
    this.expirationSeconds = expiration === undefined ? 0 : expiration.getTime() / 1000;
  }
}
