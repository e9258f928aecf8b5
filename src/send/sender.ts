/**
 * send: sees one batch through. Every parcel of it is settled when `deliver` returns.
 *
 *     join -> sign -> post -> classify -> settle
 *      ^                         |-> wait, and again with what is still pending
 *      |-- each alone (400) -----|
 *      |-- in halves (413) ------|
 *
 * A batch is joined and signed anew for every attempt, so that a parcel settled in between (its time was up, its
 * sender went away) is not sent again. The pieces of a parcel that was cut go one after another: later samples of a
 * series may be in a later piece.
 */
import type { Batch, BatchLimits } from '../batch/batcher.ts';
import type { BufferPool, Lease } from '../codec/buffer-pool.ts';
import { joinBodies, type Allocate } from '../codec/snappy-join.ts';
import type { DestinationMetrics } from '../metrics/counts.ts';
import type { Parcel } from '../queue/parcel.ts';
import type { UpstreamClock } from '../sign/clock.ts';
import type { Credentials } from '../sign/credentials.ts';
import type { RemoteWriteSigner } from '../sign/sigv4.ts';
import { RecurringLog } from '../recurring-log.ts';
import { backoffMs, type BackoffLimits } from './backoff.ts';
import { PROBE_INTERVAL_MS } from './breaker.ts';
import { classify } from '../outcome/classify.ts';
import { DEDUPLICATED, DELIVERED, type Outcome, type UpstreamAnswer, type Verdict } from '../outcome/outcome.ts';
import { Pauses } from './pauses.ts';
import { countRetried, countSent, weightOf, type Shipment } from './shipment.ts';

/**
 * Cuts a body at TimeSeries borders, into memory that `allocate` gives; throws RequestError when a single series is too
 * large to be sent at all.
 */
export type Cut = (body: Buffer, limits: BatchLimits, allocate: Allocate) => readonly Shipment[];

export interface SenderRooms {
  readonly limits: BatchLimits;
  readonly backoff: BackoffLimits;
  readonly cut: Cut;
  readonly post: (headers: string[], body: Buffer) => Promise<UpstreamAnswer>;
  readonly signer: RemoteWriteSigner;
  readonly credentials: Credentials;
  readonly clock: UpstreamClock;
  /** Where joined bodies are written. */
  readonly pool: BufferPool;
  readonly metrics: DestinationMetrics;
  readonly log: SenderLog;
  /** Told of every attempt, before anything is done about it. */
  readonly attempted: (verdict: Verdict) => void;
  /** The upstream is down, and what is sent is to find out when it is back. */
  readonly probing: () => boolean;
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
  readonly random: () => number;
}

export interface SenderLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A little over, so that what is cut in two by a guess of how it compresses does not become three. */
const HALF = 0.55;

/** Parcels of a rejected batch that are sent at the same time. */
const APART_AT_ONCE = 4;
/** Of a sender's time, what is kept for the attempt after a long Retry-After. */
const LAST_ATTEMPT_MS = 1_000;

/** How long a refused batch waits for other credentials before it is sent again all the same. */
const LONGEST_REFRESH_MS = 1_000;

/** The end of a shipment: `retry` has become `refused` by then. */
type Final = Outcome | { readonly kind: 'too_large'; readonly message: string };

export class Sender {
  readonly #rooms: SenderRooms;
  readonly #pauses = new Pauses();
  readonly #recurring: RecurringLog;
  readonly #refusals: RecurringLog;

  constructor(rooms: SenderRooms) {
    this.#rooms = rooms;
    const { log, nowMs } = rooms;
    this.#recurring = new RecurringLog((fields, message) => log.warn(fields, message), nowMs);
    this.#refusals = new RecurringLog((fields, message) => log.error(fields, message), nowMs);
  }

  /** Ends every wait between attempts; what it was for is refused. */
  stop(): void {
    this.#pauses.stop();
  }

  /** Ends every wait between attempts, so that the next attempt is made now. */
  wake(): void {
    this.#pauses.wake();
  }

  /** Settles every parcel of the batch and gives their bodies back. Never rejects. */
  async deliver(batch: Batch): Promise<void> {
    const { metrics, nowMs, log } = this.#rooms;
    const [first] = batch.parcels;
    if (first !== undefined) metrics.observeQueueWait(nowMs() - first.queuedAtMs);
    metrics.observeBatch(
      batch.parcels.length,
      batch.parcels.reduce((sum, parcel) => sum + parcel.weight, 0),
    );
    try {
      if (batch.oversized && first !== undefined) await this.#deliverCut(first, this.#rooms.limits);
      else await this.#deliverJoined(batch.parcels);
    } catch (error) {
      const fault = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log.error(
        { error: fault },
        'a batch could not be sent for a fault of the proxy; its senders are told to send again',
      );
      const message = 'internal error of the proxy; see its log';
      for (const parcel of batch.parcels) parcel.trySettle({ kind: 'refused', reason: 'internal', message });
    } finally {
      for (const parcel of batch.parcels) parcel.releaseBody();
    }
  }

  async #deliverJoined(parcels: readonly Parcel[]): Promise<void> {
    let shipped: readonly Parcel[] = [];
    const final = await this.#ship(parcels, () => {
      shipped = parcels.filter((parcel) => !parcel.settled);
      return shipped;
    });
    const pending = parcels.filter((parcel) => !parcel.settled);
    const [only] = pending;
    if (only === undefined) return;
    if (final.kind === 'delivered' || final.kind === 'refused') {
      for (const parcel of pending) parcel.trySettle(final);
    } else if (shipped.length > 1) {
      // Also with one left of them: the verdict was on all.
      await this.#deliverApart(pending, final.kind);
    } else if (final.kind === 'too_large') {
      await this.#deliverCut(only, { ...this.#rooms.limits, maxBytes: Math.ceil(only.bodyBytes * HALF) });
    } else {
      only.trySettle(final);
    }
  }

  /**
   * A rejected batch is sent again parcel by parcel, so that only the culprit is told, a few at a time, so that one that
   * has to be retried does not hold up the others; one that is too large, in halves.
   */
  async #deliverApart(parcels: readonly Parcel[], why: 'rejected' | 'too_large'): Promise<void> {
    if (why === 'too_large') {
      const middle = Math.ceil(parcels.length / 2);
      await this.#deliverJoined(parcels.slice(0, middle));
      await this.#deliverJoined(parcels.slice(middle));
      return;
    }
    const waiting = [...parcels];
    const lane = async (): Promise<void> => {
      for (let parcel = waiting.shift(); parcel !== undefined; parcel = waiting.shift()) {
        await this.#deliverJoined([parcel]);
      }
    };
    await Promise.all(Array.from({ length: Math.min(APART_AT_ONCE, parcels.length) }, lane));
  }

  /** Sends one parcel in pieces, in order. Its outcome is the worst of theirs: refused, then rejected, then delivered. */
  async #deliverCut(parcel: Parcel, limits: BatchLimits): Promise<void> {
    const leases: Lease[] = [];
    const allocate = (bytes: number): Buffer => {
      const lease = this.#rooms.pool.take(bytes);
      leases.push(lease);
      return lease.buffer;
    };
    try {
      await this.#deliverPieces(parcel, limits, allocate);
    } finally {
      for (const lease of leases) lease.release();
    }
  }

  async #deliverPieces(parcel: Parcel, limits: BatchLimits, allocate: Allocate): Promise<void> {
    const pieces = this.#tryCut(parcel, parcel.body, limits, allocate);
    if (pieces === undefined) return;
    this.#rooms.metrics.cutParcels += 1;
    let rejected: Outcome | undefined;
    let deduplicated = true;
    for (const queue = [...pieces]; ;) {
      const piece = queue.shift();
      if (piece === undefined) break;
      const final = await this.#ship([parcel], () => (parcel.settled ? [] : [piece]));
      if (parcel.settled) return;
      if (final.kind === 'refused') {
        parcel.trySettle(final);
        return;
      }
      if (final.kind === 'rejected') rejected ??= final;
      if (final.kind === 'delivered') deduplicated &&= final.deduplicated;
      if (final.kind !== 'too_large') continue;
      const smaller = { ...limits, maxBytes: Math.ceil(piece.body.length * HALF) };
      const halves = this.#tryCut(parcel, piece.body, smaller, allocate);
      if (halves === undefined) return;
      if (halves.length === 1) rejected ??= tooLarge(final.message, piece.body.length);
      else queue.unshift(...halves);
    }
    parcel.trySettle(rejected ?? (deduplicated ? DEDUPLICATED : DELIVERED));
  }

  /** Undefined when it cannot be cut; the parcel is settled then. */
  #tryCut(parcel: Parcel, body: Buffer, limits: BatchLimits, allocate: Allocate): readonly Shipment[] | undefined {
    try {
      return this.#rooms.cut(body, limits, allocate);
    } catch (error) {
      parcel.trySettle(tooLarge(error instanceof Error ? error.message : String(error), body.length));
      return undefined;
    }
  }

  /** Posts what `live` gives, again and again, until the upstream has decided, nobody waits for it, or time is up. */
  async #ship(parcels: readonly Parcel[], live: () => readonly Shipment[]): Promise<Final> {
    const { backoff, nowMs, random, metrics, log, credentials, clock, attempted, probing } = this.#rooms;
    let refreshed = false;
    for (let attempt = 1; ; attempt += 1) {
      const shipments = live();
      if (shipments.length === 0) return GONE;
      const { verdict, date } = await this.#attempt(shipments);
      attempted(verdict);
      if (verdict.kind === 'delivered') return verdict.deduplicated ? DEDUPLICATED : DELIVERED;
      if (verdict.kind === 'rejected' || verdict.kind === 'too_large') return verdict;
      metrics.lastFailure = verdict.message;
      if (verdict.kind === 'unauthorized' && !refreshed) {
        refreshed = true;
        const fields = { answer: verdict.message };
        this.#refusals.warn(
          verdict.code,
          fields,
          'the upstream refused the signature; refreshing credentials and clock',
        );
        countRetried(metrics, shipments);
        const corrected = clock.correct(date);
        if (corrected) log.warn({ skewMs: clock.skewMs }, 'the clock was corrected by the upstream');
        // Where the clock was the cause, most likely, whoever gives credentials is hardly waited for.
        const longestMs = corrected ? LONGEST_REFRESH_MS / 4 : LONGEST_REFRESH_MS;
        await Promise.race([credentials.refreshRefused(), this.#pauses.pause(longestMs)]);
        continue;
      }
      const retryAfterMs = verdict.kind === 'retry' ? verdict.retryAfterMs : undefined;
      const latestMs = Math.max(...parcels.map((parcel) => (parcel.settled ? -Infinity : parcel.deadlineAtMs)));
      // What the upstream asks for is capped by the budget: one last attempt is made before it ends.
      const longestMs = Math.max(0, latestMs - nowMs() - LAST_ATTEMPT_MS);
      const askedMs = retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, longestMs);
      const backedOffMs = backoffMs(backoff, attempt, askedMs, random());
      // A few probes burden nobody, whatever was asked for, and the end of an outage is seen at once.
      const waitMs = probing() ? Math.min(backedOffMs, PROBE_INTERVAL_MS) : backedOffMs;
      this.#recurring.warn(
        verdict.code,
        { attempt, waitMs: Math.round(waitMs), samples: weightOf(shipments) },
        verdict.message,
      );
      if (nowMs() + waitMs >= latestMs) {
        return { kind: 'refused', reason: 'delivery_timeout', message: `not delivered in time; ${verdict.message}` };
      }
      if (!(await this.#pauses.pause(waitMs))) return DRAINED;
      countRetried(metrics, shipments);
    }
  }

  async #attempt(shipments: readonly Shipment[]): Promise<{ verdict: Verdict; date: string | undefined }> {
    const { credentials, signer, clock, post, metrics, nowMs, pool } = this.#rooms;
    const identity = credentials.tryCurrent();
    if (identity === undefined) {
      metrics.countResponse('no_credentials');
      const message = `no AWS credentials: ${credentials.lastError}`;
      return {
        verdict: {
          kind: 'retry',
          code: 'no_credentials',
          throttle: undefined,
          down: true,
          mayLieInData: false,
          retryAfterMs: undefined,
          message,
        },
        date: undefined,
      };
    }
    let lease: Lease | undefined;
    const body = joinBodies(shipments, (bytes) => {
      lease = pool.take(bytes);
      return lease.buffer;
    });
    const headers = signer.sign(body, identity, clock.now());
    const startedAtMs = nowMs();
    countSent(metrics, shipments, body.length);
    const answer = await post(headers, body);
    lease?.release();
    metrics.observeAttempt(nowMs() - startedAtMs);
    metrics.countResponse(answer.kind === 'answered' ? String(answer.status) : answer.reason);
    return {
      verdict: classify(answer, Date.now()),
      date: answer.kind === 'answered' ? answer.date : undefined,
    };
  }
}

/** Nobody waits for it any more, so that nobody is told. */
const GONE: Outcome = { kind: 'refused', reason: 'sender_gone', message: 'the sender closed its connection' };
const DRAINED: Outcome = { kind: 'refused', reason: 'draining', message: 'the proxy is shutting down' };

function tooLarge(cause: string, bytes: number): Outcome {
  const message = `a single series of ${bytes} compressed bytes is too large for the upstream and cannot be cut: ${cause}`;
  return { kind: 'rejected', status: 413, reason: 'too_large', message };
}
