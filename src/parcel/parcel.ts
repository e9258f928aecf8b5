/**
 * A parcel: one checked request of one sender on its way to the upstream. It owns the compressed body as it came
 * (never written to after this), its counts, and who is to be told its outcome. The stages hand the parcel forward, and
 * one of them settles it, once.
 *
 * Settled is not finished with: an attempt may still be reading the body when the sender has had its answer. So the
 * memory is given back by the room that holds the parcel last: the queue, for one that was settled as it waited, or
 * the sender.
 */
import type { Lease } from '../memory/buffer-pool.ts';
import type { JoinPart } from '../codec/snappy/join.ts';
import type { Outcome } from '../outcome/outcome.ts';
import type { ConnectionActivity } from './connection-activity.ts';
import type { MergeKey } from './merge-key.ts';

export interface ParcelContents {
  /** The compressed body as received, in memory that is lent. */
  readonly lease: Lease;
  /** Bytes after decompression. */
  readonly rawBytes: number;
  /** How far back the copies in the body reach, in decoded bytes. */
  readonly reachBytes: number;
  /** Where the snappy elements start in `body`. */
  readonly elementsAt: number;
  readonly series: number;
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
  readonly metadata: number;
  /** Lowest and highest timestamp of samples and histograms, ms since the epoch; NaN without any. */
  readonly minTimestampMs: number;
  readonly maxTimestampMs: number;
  /** Fields of the request that remote write 1.0 does not define; each may hold for the whole request. */
  readonly unknownFields: number;
  /** The labels by which AMP deduplicates the whole request; '' when it does not. */
  readonly dedupKey: string;
}

/** All in ms of the monotonic clock. */
export interface ParcelTimes {
  readonly arrivedAtMs: number;
  readonly deadlineAtMs: number;
  readonly queuedAtMs: number;
}

/** Told of every parcel's outcome, once. */
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
  /** Samples and histograms: what `max_samples_per_send` and `capacity` count. */
  readonly weight: number;
  /** What it counts against `capacity`: samples, histograms and metadata entries, and something even without any. */
  readonly room: number;
  /** When the request's head was read. */
  readonly arrivedAtMs: number;
  /** The sender is answered by then. */
  readonly deadlineAtMs: number;
  /** The connection that it came on. */
  readonly connection: ConnectionActivity;
  /** When it was checked and ready to queue. */
  readonly queuedAtMs: number;
  /** Its neighbours in the list that it is in (open-parcels.ts). */
  older: Parcel | undefined = undefined;
  newer: Parcel | undefined = undefined;
  readonly #ledger: ParcelLedger;
  #lease: Lease | undefined;
  #outcome: Outcome | undefined;
  /** Told the outcome, once, when it is settled. Must not throw. */
  onSettled: ((outcome: Outcome) => void) | undefined;
  /** The queue that it waits in, for a batch or for another attempt. It is told when the parcel is settled there. */
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
    this.weight = contents.samples + contents.histograms;
    this.room = Math.max(1, this.weight + contents.metadata);
    this.arrivedAtMs = times.arrivedAtMs;
    this.deadlineAtMs = times.deadlineAtMs;
    this.queuedAtMs = times.queuedAtMs;
    this.#ledger = ledger;
  }

  /** Address of its sender. */
  get sender(): string {
    return this.connection.sender.address;
  }

  /** The compressed body. Throws once its memory was given back. */
  get body(): Buffer {
    if (this.#lease === undefined) throw new Error('the body of a parcel was used after it was given back');
    return this.#lease.buffer;
  }

  /** Gives the body's memory back; nobody reads it from here on. */
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

  /** False when it was settled before: the first outcome stands. */
  trySettle(outcome: Outcome): boolean {
    if (this.#outcome !== undefined) return false;
    this.#outcome = outcome;
    this.waitingIn?.forget(this);
    this.#ledger.close(this, outcome);
    this.onSettled?.(outcome);
    return true;
  }
}
