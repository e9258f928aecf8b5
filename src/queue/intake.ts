/**
 * queue: takes requests in, or refuses them with the reason, and remembers what their outcomes say of their senders.
 *
 * Contract: every request that is accepted is entered in the ledger here, and its outcome is told to `onSettled` once.
 */
import type { Batcher } from '../batch/batcher.ts';
import type { ExpectedArrivals } from '../batch/expected-arrivals.ts';
import type { ParcelQueue } from '../batch/parcel-queue.ts';
import type { DestinationMetrics } from '../metrics/counts.ts';
import { explain } from '../outcome/explain.ts';
import type { Outcome } from '../outcome/outcome.ts';
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
  /** What waits for its first batch, and what waits for another attempt. */
  readonly waiting: ParcelQueue;
  readonly retrying: RetryQueue;
  readonly batcher: Batcher;
  readonly expected: ExpectedArrivals;
  readonly health: UpstreamHealth;
  readonly metrics: DestinationMetrics;
  /** Told of the end of every request. */
  readonly settled: (sender: string, outcome: Outcome) => void;
  /** There may be work for a shard. */
  readonly poke: () => void;
  readonly log: Log;
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
  /** The upstream's idea of the time, ms since the epoch. */
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
   * Takes a request from its sender, body and all, until its outcome is told to `onSettled`, once: before this returns
   * when there is no place for it. Who calls may settle it first, when the sender has gone.
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

  /** Called by the parcel, once. */
  close(parcel: Parcel, outcome: Outcome): void {
    this.#deps.ledger.close(parcel, outcome);
    this.#deps.health.probes.settled(parcel);
    this.#deps.settled(parcel.sender, outcome);
    const { connection } = parcel;
    const nowMs = this.#deps.nowMs();
    this.#deps.metrics.observeDelivery(outcome.kind, nowMs - parcel.arrivedAtMs);
    if (outcome.kind === 'delivered') connection.deliveredAtMs = nowMs;
    // A sender that is refused comes again after its Retry-After, or is gone.
    if (outcome.kind !== 'refused') this.#deps.expected.answered(connection, nowMs);
    if (outcome.kind === 'rejected') this.#rejected(parcel, outcome);
  }

  /** The upstream went down: those that were tried already go on as probes, and all others are refused. */
  refuseWhileDown(): void {
    const { probes, lastFailure } = this.#deps.health;
    const pending = this.#deps.ledger.pending();
    this.#deps.health.beginProbing(pending.filter(({ waitingIn }) => waitingIn !== this.#deps.waiting));
    const refused = pending.filter((parcel) => !probes.has(parcel));
    for (const parcel of refused) parcel.trySettle(downOutcome(this.#deps.health));
    // They may be waiting for much longer than a probe does.
    this.#deps.retrying.wake(this.#deps.nowMs());
    this.#deps.poke();
    const message = 'the upstream is down; senders are told to wait';
    this.#deps.log.error({ refused: refused.length, lastFailure }, message);
  }

  #rejected(parcel: Parcel, { status, reason, message }: Extract<Outcome, { kind: 'rejected' }>): void {
    const { sender, weight, mergeKey } = parcel;
    const remedy = reason === 'series_limit' ? { remedy: explain(reason).remedy } : {};
    this.#rejections.warn(
      // Not by sender: as many lines as there are senders would fill the log.
      `${status} ${reason}`,
      { sender, status, reason, samples: weight, answer: message, ...remedy },
      'the upstream rejected a request for good; its sender was told, and drops it',
    );
    // Requests that share no batch harm nobody.
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

  /** A refusal when there is no place for it. */
  #enqueue(parcel: Parcel, nowMs: number): Extract<Outcome, { kind: 'refused' }> | undefined {
    if (this.#deps.batcher.tryAdd(parcel, nowMs)) {
      this.#deps.poke();
      return undefined;
    }
    const message =
      `the queue holds ${this.#deps.waiting.weight} samples and its capacity is ${this.#deps.waiting.capacity} ` +
      `(capacity x max_shards); last from upstream: ${this.#deps.health.lastFailure}`;
    return { kind: 'refused', reason: 'queue_full', message };
  }

  /** What would only wait in vain is refused at once. */
  #refusalFor(parcel: Parcel, nowMs: number): Extract<Outcome, { kind: 'refused' }> | undefined {
    if (!this.#deps.health.isDown) return undefined;
    const { admitted, displaced } = this.#deps.health.probes.tryAdmit(parcel, nowMs);
    displaced?.trySettle(downOutcome(this.#deps.health));
    return admitted ? undefined : downOutcome(this.#deps.health);
  }
}

const INTERNAL = { kind: 'refused', reason: 'internal', message: 'internal error of the proxy; see its log' } as const;

function faultOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** False for a request that AMP may take once but reject when it is sent again: it holds exemplars, or old samples. */
function isRepeatable({ exemplars, minTimestampMs, unknownFields }: ParcelContents, sinceMs: number): boolean {
  // Without samples there is no lowest timestamp: metadata may be repeated.
  return exemplars === 0 && unknownFields === 0 && !(minTimestampMs < sinceMs);
}
