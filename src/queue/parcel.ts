/**
 * A parcel: one checked request of one sender on its way to the upstream. It owns the compressed body as it came
 * (never written to after this), its counts, and who is to be told its outcome. The rooms hand the parcel forward, and
 * one of them settles it, once.
 *
 * Settled is not finished with: an attempt may still be reading the body when the sender has had its answer. So the
 * memory is given back by the room that holds the parcel last: the queue, for one that was settled as it waited, or
 * the sender.
 */
import type { Visitor } from '../batch/company.ts';
import type { Lease } from '../codec/buffer-pool.ts';
import type { JoinPart } from '../codec/snappy-join.ts';
import type { Outcome } from '../outcome/outcome.ts';

export interface ParcelContents {
  /** The compressed body as received, in memory that is lent. */
  readonly lease: Lease;
  /** Bytes after decompression. */
  readonly rawBytes: number;
  /** Where the snappy elements start in `body`. */
  readonly elementsAt: number;
  readonly series: number;
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
  readonly metadata: number;
  /** Highest timestamp of samples and histograms, ms since the epoch; NaN without any. */
  readonly maxTimestampMs: number;
  /** Only parcels of one key may share a batch. */
  mergeKey: string;
}

/** All in ms of the monotonic clock. */
export interface ParcelTimes {
  readonly arrivedAtMs: number;
  readonly deadlineAtMs: number;
  readonly queuedAtMs: number;
}

/** Keeps account of every parcel from its making to its outcome. */
export interface ParcelLedger {
  open(parcel: Parcel): void;
  close(parcel: Parcel, outcome: Outcome): void;
}

export class Parcel implements JoinPart {
  readonly bodyBytes: number;
  readonly rawBytes: number;
  readonly elementsAt: number;
  readonly series: number;
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
  readonly metadata: number;
  readonly maxTimestampMs: number;
  readonly mergeKey: string;
  /** Samples and histograms: what `max_samples_per_send` and `capacity` count. */
  readonly weight: number;
  /** What it counts against `capacity`: samples, histograms and metadata entries, and something even without any. */
  readonly room: number;
  /** When the request's head was read. */
  readonly arrivedAtMs: number;
  /** The sender is answered by then. */
  readonly deadlineAtMs: number;
  /** Address of who sent it. */
  readonly sender: string;
  /** The connection that it came on. */
  readonly visitor: Visitor;
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
  /** The queue that it waits in, which is told when it is settled there. */
  waitingIn: { forget(parcel: Parcel): void } | undefined;

  constructor(
    contents: ParcelContents,
    times: ParcelTimes,
    ledger: ParcelLedger,
    sender = '',
    visitor: Visitor = { expectedBy: undefined, window: 0 },
  ) {
    this.sender = sender;
    this.visitor = visitor;
    this.#lease = contents.lease;
    this.bodyBytes = contents.lease.buffer.length;
    this.rawBytes = contents.rawBytes;
    this.elementsAt = contents.elementsAt;
    this.series = contents.series;
    this.samples = contents.samples;
    this.histograms = contents.histograms;
    this.exemplars = contents.exemplars;
    this.metadata = contents.metadata;
    this.maxTimestampMs = contents.maxTimestampMs;
    this.mergeKey = contents.mergeKey;
    this.weight = contents.samples + contents.histograms;
    this.room = Math.max(1, this.weight + contents.metadata);
    this.arrivedAtMs = times.arrivedAtMs;
    this.deadlineAtMs = times.deadlineAtMs;
    this.queuedAtMs = times.queuedAtMs;
    this.#ledger = ledger;
    ledger.open(this);
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
