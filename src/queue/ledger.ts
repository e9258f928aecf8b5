/**
 * Ledger: every parcel from its acceptance to its outcome, so that at any moment
 * received = delivered + rejected + refused + pending, in samples (histograms included).
 *
 * It also keeps the promise that a sender is answered inside `delivery_timeout`: `sweep` refuses parcels whose deadline
 * has passed. It walks the open requests, whose number the server bounds.
 */
import type { DestinationMetrics } from '../metrics/counts.ts';
import type { Outcome } from '../outcome/outcome.ts';
import { OpenParcels } from './open-parcels.ts';
import type { Parcel } from '../parcel/parcel.ts';

export class Ledger {
  readonly #pending = new OpenParcels();
  readonly #metrics: DestinationMetrics;

  constructor(metrics: DestinationMetrics) {
    this.#metrics = metrics;
  }

  /** The number of requests that wait for their outcome. */
  get parcels(): number {
    return this.#pending.size;
  }

  open(parcel: Parcel): void {
    this.#pending.add(parcel);
    const metrics = this.#metrics;
    metrics.received += parcel.sampleCount;
    metrics.pending += parcel.sampleCount;
    metrics.pendingSamples += parcel.samples;
    metrics.pendingHistograms += parcel.histograms;
    metrics.exemplarsReceived += parcel.exemplars;
    if (parcel.maxTimestampMs > metrics.highestTimestampMs) metrics.highestTimestampMs = parcel.maxTimestampMs;
  }

  close(parcel: Parcel, outcome: Outcome): void {
    this.#pending.remove(parcel);
    const metrics = this.#metrics;
    metrics.pending -= parcel.sampleCount;
    metrics.pendingSamples -= parcel.samples;
    metrics.pendingHistograms -= parcel.histograms;
    switch (outcome.kind) {
      case 'delivered':
        metrics.delivered += parcel.sampleCount;
        if (outcome.deduplicated) metrics.deduplicated += parcel.sampleCount;
        if (parcel.maxTimestampMs > metrics.highestSentTimestampMs) {
          metrics.highestSentTimestampMs = parcel.maxTimestampMs;
        }
        break;
      case 'rejected':
        metrics.countRejected(outcome.status, outcome.reason, parcel);
        break;
      case 'refused':
        metrics.countRefused(outcome.reason, parcel);
        break;
    }
  }

  /**
   * Refuses every parcel whose deadline is not after `untilMs` (monotonic clock). @param why the reason, for the sender
   */
  sweep(untilMs: number, why: string): void {
    for (const parcel of this.#pending.filter(({ deadlineAtMs }) => deadlineAtMs <= untilMs)) {
      parcel.trySettle({
        kind: 'refused',
        reason: 'delivery_timeout',
        message: `not delivered within delivery_timeout; ${why}`,
      });
    }
  }

  /** The parcels that wait for their outcome, the oldest first. */
  pending(): readonly Parcel[] {
    return this.#pending.filter(() => true);
  }

  /** Refuses all pending parcels. */
  refuseAll(outcome: Extract<Outcome, { kind: 'refused' }>): void {
    for (const parcel of this.pending()) parcel.trySettle(outcome);
  }
}
