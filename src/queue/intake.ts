/**
 * queue: accepts requests, or refuses them with the reason, and remembers what their outcomes say about their senders.
 *
 * Contract: every accepted request is entered in the ledger here, and `onSettled` is called with its outcome once.
 */
import type { Batcher } from '../batch/batcher.ts';
import type { ExpectedArrivals } from '../batch/expected-arrivals.ts';
import type { ParcelQueue } from '../batch/parcel-queue.ts';
import type { DestinationMetrics } from '../metrics/counts.ts';
import { explain } from '../outcome/explain.ts';
import { INTERNAL, type Outcome } from '../outcome/outcome.ts';
import type { ConnectionActivity } from '../parcel/connection-activity.ts';
import { sharedKey, uniqueKey, type MergeKey } from '../parcel/merge-key.ts';
import { Parcel, type ParcelContents, type ParcelLedger } from '../parcel/parcel.ts';
import type { Log } from '../platform/log.ts';
import { RecurringLog } from '../platform/recurring-log.ts';
import type { RetryQueue } from '../send/retry-queue.ts';
import { downOutcome, type UpstreamHealth } from '../send/upstream-health.ts';
import type { Ledger } from './ledger.ts';

export interface IntakeDeps {
  readonly deliveryTimeoutMs: number;
  readonly outOfOrderWindowMs: number;
  readonly ledger: Ledger;
  /** The parcels that wait for their first batch, and those that wait for another attempt. */
  readonly waiting: ParcelQueue;
  readonly retrying: RetryQueue;
  readonly batcher: Batcher;
  readonly expected: ExpectedArrivals;
  readonly health: UpstreamHealth;
  readonly metrics: DestinationMetrics;
  /** Called at the end of every request. */
  readonly settled: (sender: string, outcome: Outcome) => void;
  /** Called when there may be work for a shard. */
  readonly poke: () => void;
  readonly log: Log;
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
  /** The time by the upstream's clock, ms since the epoch. */
  readonly upstreamMs: () => number;
}

export class Intake implements ParcelLedger {
  readonly #deps: IntakeDeps;
  readonly #rejections: RecurringLog;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
    this.#rejections = new RecurringLog((fields, message) => deps.log.warn(fields, message), deps.nowMs);
  }

  /**
   * Takes a request with its body and calls `onSettled` with its outcome once; before this returns if the request is
   * refused. The caller may settle it first, when the sender has gone.
   *
   * @param arrivedAtMs when its head was read, ms of the monotonic clock
   */
  accept(
    contents: ParcelContents,
    connection: ConnectionActivity,
    arrivedAtMs: number,
    onSettled: (outcome: Outcome) => void,
  ): Parcel {
    const nowMs = this.#deps.nowMs();
    const mergeKey = this.#mergeKeyFor(contents, connection, nowMs);
    const times = { arrivedAtMs, deadlineAtMs: arrivedAtMs + this.#deps.deliveryTimeoutMs, queuedAtMs: nowMs };
    const parcel = new Parcel(contents, times, mergeKey, connection, this);
    parcel.onSettled = onSettled;
    this.#deps.ledger.open(parcel);
    let refusal: Extract<Outcome, { kind: 'refused' }> | undefined = INTERNAL;
    try {
      this.#deps.expected.arrived(connection);
      this.#deps.health.arrived(parcel, nowMs);
      refusal = this.#refusalFor(parcel, nowMs) ?? this.#enqueue(parcel, nowMs);
    } catch (error) {
      this.#deps.log.error(
        { error: faultOf(error) },
        'internal error while queueing a request; its sender is told to send again',
      );
    }
    if (refusal !== undefined) {
      parcel.trySettle(refusal);
      parcel.releaseBody();
    }
    return parcel;
  }

  /** Called once by each parcel. */
  close(parcel: Parcel, outcome: Outcome): void {
    this.#deps.ledger.close(parcel, outcome);
    this.#deps.health.probes.settled(parcel);
    this.#deps.settled(parcel.sender, outcome);
    const { connection } = parcel;
    const nowMs = this.#deps.nowMs();
    this.#deps.metrics.observeDelivery(outcome.kind, nowMs - parcel.arrivedAtMs);
    if (outcome.kind === 'delivered') connection.deliveredAtMs = nowMs;
    // A refused sender comes back after its Retry-After, or is gone.
    if (outcome.kind !== 'refused') this.#deps.expected.answered(connection, nowMs);
    if (outcome.kind === 'rejected') this.#rejected(parcel, outcome);
  }

  /**
   * Called when the upstream goes down: parcels that were tried already continue as probes, and all others are refused.
   */
  refuseWhileDown(): void {
    const { probes, lastFailure } = this.#deps.health;
    const pending = this.#deps.ledger.pending();
    this.#deps.health.beginProbing(pending.filter(({ waitingIn }) => waitingIn !== this.#deps.waiting));
    const refused = pending.filter((parcel) => !probes.has(parcel));
    for (const parcel of refused) parcel.trySettle(downOutcome(this.#deps.health));
    // Their waits may be much longer than the probe interval.
    this.#deps.retrying.wake(this.#deps.nowMs());
    this.#deps.poke();
    const message = 'the upstream is down; senders are told to wait';
    this.#deps.log.error({ refused: refused.length, lastFailure }, message);
  }

  #rejected(parcel: Parcel, { status, reason, message }: Extract<Outcome, { kind: 'rejected' }>): void {
    const { sender, sampleCount, mergeKey } = parcel;
    const remedy = reason === 'series_limit' ? { remedy: explain(reason).remedy } : {};
    this.#rejections.warn(
      // Warnings are not grouped by sender, since one line per sender would fill the log.
      `${status} ${reason}`,
      { sender, status, reason, samples: sampleCount, answer: message, ...remedy },
      'the upstream rejected a request for good; its sender was told, and drops it',
    );
    // Requests that share no batch harm no other sender.
    if (mergeKey.kind !== 'unmergeable') this.#deps.health.isolate(parcel);
  }

  #mergeKeyFor(contents: ParcelContents, connection: ConnectionActivity, nowMs: number): MergeKey {
    const isolation = this.#deps.health.isolated.isolationOf(connection, contents.dedupKey, nowMs);
    if (isolation !== undefined) {
      connection.sender.isolatedAtMs = nowMs;
      return uniqueKey(isolation);
    }
    const isMergeable =
      !this.#deps.health.isDown && isRepeatable(contents, this.#deps.upstreamMs() - this.#deps.outOfOrderWindowMs);
    return isMergeable ? sharedKey(contents.dedupKey) : uniqueKey('unmergeable');
  }

  /** Returns a refusal if there is no place for it. */
  #enqueue(parcel: Parcel, nowMs: number): Extract<Outcome, { kind: 'refused' }> | undefined {
    if (this.#deps.batcher.tryAdd(parcel, nowMs)) {
      this.#deps.poke();
      return undefined;
    }
    const message =
      `the queue holds ${this.#deps.waiting.capacityUsed} samples and its capacity is ${this.#deps.waiting.capacity} ` +
      `(capacity x max_shards); last from upstream: ${this.#deps.health.lastFailure}`;
    return { kind: 'refused', reason: 'queue_full', message };
  }

  /** A request that would wait in vain is refused immediately. */
  #refusalFor(parcel: Parcel, nowMs: number): Extract<Outcome, { kind: 'refused' }> | undefined {
    if (!this.#deps.health.isDown) return undefined;
    const { admitted, displaced } = this.#deps.health.probes.tryAdmit(parcel, nowMs);
    displaced?.trySettle(downOutcome(this.#deps.health));
    return admitted ? undefined : downOutcome(this.#deps.health);
  }
}

function faultOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/**
 * Returns false for a request that AMP accepts once but may reject when it is resent: it holds exemplars, or old
 * samples.
 */
function isRepeatable({ exemplars, minTimestampMs, unknownFields }: ParcelContents, sinceMs: number): boolean {
  // Metadata may be repeated: a request without samples has no lowest timestamp.
  return exemplars === 0 && unknownFields === 0 && !(minTimestampMs < sinceMs);
}
