/**
 * A parcel: one checked request of one sender on its way to the upstream. It owns the compressed body as it came (never
 * written to after this), its counts, and the callback that tells its outcome. The stages hand the parcel forward, and
 * one of them settles it, once.
 *
 * A settled parcel may still be in use: an attempt may be reading the body when the sender has had its answer. So the
 * memory is released by the stage that holds the parcel last: the queue, for a parcel that was settled while it waited,
 * or the delivery.
 */
import type { Lease } from '../memory/buffer-pool.ts';
import type { JoinPart } from '../codec/snappy/join.ts';
import type { Outcome } from '../outcome/outcome.ts';
import type { ConnectionActivity } from './connection-activity.ts';
import type { MergeKey } from './merge-key.ts';

export interface ParcelContents {
  /** The compressed body as received, in leased memory. */
  readonly lease: Lease;
  /** The size after decompression, in bytes. */
  readonly rawBytes: number;
  /** The most decoded bytes that a copy in the body reaches back. */
  readonly reachBytes: number;
  /** The offset in `body` where the snappy elements start. */
  readonly elementsAt: number;
  readonly series: number;
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
  readonly metadata: number;
  /** The lowest and highest timestamp of samples and histograms, ms since the epoch; NaN if there are none. */
  readonly minTimestampMs: number;
  readonly maxTimestampMs: number;
  /** The number of fields that remote write 1.0 does not define; each may apply to the whole request. */
  readonly unknownFields: number;
  /** The labels by which AMP deduplicates the whole request; '' when it does not. */
  readonly dedupKey: string;
}

/** The times of a parcel, all in ms of the monotonic clock. */
export interface ParcelTimes {
  readonly arrivedAtMs: number;
  readonly deadlineAtMs: number;
  readonly queuedAtMs: number;
}

/** Records every parcel's outcome, once. */
export interface ParcelLedger {
  close(parcel: Parcel, outcome: Outcome): void;
}

export class Parcel implements JoinPart {
  readonly bodyBytes: number;
  readonly rawBytes: number;
  readonly reachBytes: number;
  readonly elementsAt: number;
  readonly series: number;
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
  readonly metadata: number;
  readonly maxTimestampMs: number;
  readonly dedupKey: string;
  readonly mergeKey: MergeKey;
  /** The number of samples and histograms, which `max_samples_per_send` and `capacity` count. */
  readonly sampleCount: number;
  /** The cost against `capacity`: samples, histograms and metadata entries; at least 1. */
  readonly capacityCost: number;
  /** The time when the request's head was read. */
  readonly arrivedAtMs: number;
  /** The time by which the sender is answered. */
  readonly deadlineAtMs: number;
  /** The connection on which it came. */
  readonly connection: ConnectionActivity;
  /** The time when it was checked and ready to queue. */
  readonly queuedAtMs: number;
  /** The next older and newer parcels in the list that contains it (open-parcels.ts). */
  older: Parcel | undefined = undefined;
  newer: Parcel | undefined = undefined;
  readonly #ledger: ParcelLedger;
  #lease: Lease | undefined;
  #outcome: Outcome | undefined;
  /** Called with the outcome, once, when it is settled. Must not throw. */
  onSettled: ((outcome: Outcome) => void) | undefined;
  /**
   * The queue in which it waits, for a batch or for another attempt. The queue is told when the parcel is settled
   * there.
   */
  waitingIn: { forget(parcel: Parcel): void } | undefined;

  constructor(
    contents: ParcelContents,
    times: ParcelTimes,
    mergeKey: MergeKey,
    connection: ConnectionActivity,
    ledger: ParcelLedger,
  ) {
    this.connection = connection;
    this.#lease = contents.lease;
    this.bodyBytes = contents.lease.buffer.length;
    this.rawBytes = contents.rawBytes;
    this.reachBytes = contents.reachBytes;
    this.elementsAt = contents.elementsAt;
    this.series = contents.series;
    this.samples = contents.samples;
    this.histograms = contents.histograms;
    this.exemplars = contents.exemplars;
    this.metadata = contents.metadata;
    this.maxTimestampMs = contents.maxTimestampMs;
    this.dedupKey = contents.dedupKey;
    this.mergeKey = mergeKey;
    this.sampleCount = contents.samples + contents.histograms;
    this.capacityCost = Math.max(1, this.sampleCount + contents.metadata);
    this.arrivedAtMs = times.arrivedAtMs;
    this.deadlineAtMs = times.deadlineAtMs;
    this.queuedAtMs = times.queuedAtMs;
    this.#ledger = ledger;
  }

  /** The address of its sender. */
  get sender(): string {
    return this.connection.sender.address;
  }

  /** The compressed body. Throws once its memory was released. */
  get body(): Buffer {
    if (this.#lease === undefined) throw new Error('the body of a parcel was used after its memory was released');
    return this.#lease.buffer;
  }

  /** Releases the body's memory; nobody may read the body from then on. */
  releaseBody(): void {
    this.#lease?.release();
    this.#lease = undefined;
  }

  get settled(): boolean {
    return this.#outcome !== undefined;
  }

  /** Undefined until it is settled. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** Settles it; returns false if it was settled before, since the first outcome stands. */
  trySettle(outcome: Outcome): boolean {
    if (this.#outcome !== undefined) return false;
    this.#outcome = outcome;
    this.waitingIn?.forget(this);
    this.#ledger.close(this, outcome);
    this.onSettled?.(outcome);
    return true;
  }
}
