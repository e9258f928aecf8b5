/**
 * send: one batch from its first attempt to the outcomes of its parcels.
 *
 *     ready --attempt--> in_flight --+--> ended    every parcel is settled, or went on in a smaller batch
 *       ^                            +--> waiting  in the retry queue, until the next attempt is due
 *       +----------------------------------/
 *
 * A batch is joined and signed again for every attempt, so that a parcel that was settled in between (its deadline
 * passed, its sender went away) is not sent again. A batch between attempts holds no shard: `attempt` returns the
 * batches that continue.
 *
 * A failing batch is split, so that one bad request harms no other sender's:
 *   - rejected (400): each parcel alone; too large (413) or throttled: in halves
 *   - failed twice in a way that may lie in its data, while AMP takes other data: in halves
 *   - timed out: each parcel alone, since every further step would cost another timeout
 */
import type { BatchLimits } from './batch-limits.ts';
import type { Lane } from './lane.ts';
import type { BufferPool } from '../memory/buffer-pool.ts';
import type { KernelTurns } from '../codec/kernel-turns.ts';
import type { DestinationMetrics } from '../metrics/counts.ts';
import { INTERNAL, type Outcome, type Verdict } from '../outcome/outcome.ts';
import type { Parcel } from '../parcel/parcel.ts';
import type { UpstreamClock } from '../aws/clock.ts';
import type { Credentials } from '../aws/credentials.ts';
import { countRetried, sampleCountOf, type HeldMemory, type Payload } from './payload.ts';
import { Piecewise, type Cutter } from './piecewise.ts';
import { PROBE_INTERVAL_MS } from './breaker.ts';
import { LAST_ATTEMPT_MS, retryWaitMs, type BackoffLimits } from './retry.ts';
import type { Attempted } from './signed-post.ts';
import type { UpstreamHealth } from './upstream-health.ts';

export interface DeliveryDeps {
  /** The limits may change between attempts. */
  readonly limits: () => BatchLimits;
  readonly backoff: BackoffLimits;
  /** Returns a cutter that uses the stepped kernel of `turns`. */
  readonly cut: (parcel: Parcel) => Cutter;
  readonly turns: Pick<KernelTurns, 'runInSteps'>;
  readonly send: (payloads: readonly Payload[]) => Promise<Attempted>;
  readonly credentials: Credentials;
  readonly clock: UpstreamClock;
  /** The pool for the memory of pieces. */
  readonly pool: BufferPool;
  readonly memory: HeldMemory;
  readonly health: UpstreamHealth;
  /** Called after every attempt, before anything is done about it. */
  readonly learn: (delivery: BatchDelivery, verdict: Verdict) => void;
  readonly metrics: DestinationMetrics;
  readonly log: DeliveryLog;
  /** Called when the delivery is due earlier than before. */
  readonly reschedule: (delivery: BatchDelivery) => void;
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
  readonly random: () => number;
}

export interface DeliveryLog {
  /** Logs at most one line per interval for each `code`. */
  failed(code: string, fields: object, message: string): void;
  unauthorized(code: string, fields: object, message: string): void;
  clockCorrected(fields: object): void;
  internal(error: unknown): void;
}

/** The longest time that a batch with a refused signature waits for new credentials before it is sent again anyway. */
const LONGEST_REFRESH_MS = 1_000;
/** The number of consecutive failures that may lie in the data after which a joined batch is split. */
const APART_AFTER_FAILURES = 2;
/** The longest time that a joined batch waits because of Retry-After before it continues in halves. */
const APART_WAIT_MS = 1_000;
/** A single request that fails this often, while AMP takes other data in between, is the cause of its failures. */
const ISOLATED_AFTER_FAILURES = 3;

export class BatchDelivery {
  readonly parcels: readonly Parcel[];
  /** The time of the next attempt, ms of the monotonic clock. */
  dueAtMs = -Infinity;
  readonly #deps: DeliveryDeps;
  #lane: Lane;
  #state: 'ready' | 'in_flight' | 'waiting' | 'ended' = 'ready';
  #attempts = 0;
  /** The time when the last failure was known, or the first attempt began. */
  #failedAtMs = Number.NaN;
  #failures = 0;
  /** The number of failures between which AMP has taken other data. */
  #failuresBesideSuccess = 0;
  /** True if it is part of a batch that was split because of its failures. */
  readonly #isPart: boolean;
  #refreshed = false;
  #piecewise: Piecewise | undefined;

  /** @param isPart true if it may be split at its first failure */
  constructor(deps: DeliveryDeps, parcels: readonly Parcel[], lane: Lane, isPart = false) {
    this.#deps = deps;
    this.parcels = parcels;
    this.#lane = lane;
    this.#isPart = isPart;
  }

  get lane(): Lane {
    return this.#lane;
  }

  get state(): 'ready' | 'in_flight' | 'waiting' | 'ended' {
    return this.#state;
  }

  /** The parcels that wait for their outcome. */
  pending(): readonly Parcel[] {
    return this.parcels.filter((parcel) => !parcel.settled);
  }

  /** The time when AMP last took data of one of its connections; -Infinity if never. */
  get deliveredAtMs(): number {
    return Math.max(...this.parcels.map(({ connection }) => connection.deliveredAtMs));
  }

  becomeWaiting(): void {
    this.#become('waiting');
  }

  becomeReady(): void {
    this.#become('ready');
  }

  becomeEnded(): void {
    this.#become('ended');
  }

  /** Makes one attempt; returns the batches that continue, each with the time when it is due. Never rejects. */
  async attempt(): Promise<readonly BatchDelivery[]> {
    this.#become('in_flight');
    this.#attempts += 1;
    let next: readonly BatchDelivery[];
    try {
      next = await this.#tryAttempt();
    } catch (error) {
      this.#deps.log.internal(error);
      next = this.#settle(INTERNAL);
    }
    const goesOn = next.includes(this);
    if (!goesOn) this.#become('ended');
    // The attempt is over, so nobody reads the bodies of settled parcels any more.
    for (const parcel of this.parcels) if (parcel.settled) parcel.releaseBody();
    return next;
  }

  async #tryAttempt(): Promise<readonly BatchDelivery[]> {
    const { nowMs, health, send, learn } = this.#deps;
    const live = this.pending();
    const [first] = live;
    if (first === undefined) return [];
    if (health.isDown && live.length > 1) return this.#apart(live, 'each', nowMs());
    const limits = this.#deps.limits();
    if (live.length === 1 && (first.sampleCount > limits.maxSamples || first.bodyBytes > limits.maxBytes)) {
      this.#piecewise ??= this.#cut(first, limits);
    }
    let payload;
    if (this.#piecewise !== undefined) {
      payload = this.#piecewise.tryNext(() => this.#pieceMade());
      if (payload === undefined) {
        // No shard is held while a piece is made.
        this.#attempts -= 1;
        return this.#again(Infinity);
      }
      if ('kind' in payload) return this.#settle(payload);
    }
    const payloads = payload === undefined ? live : [payload];
    const startedAtMs = nowMs();
    if (this.#attempts === 1) this.#failedAtMs = startedAtMs;
    const { verdict, date } = await send(payloads);
    this.#piecewise?.sent(verdict);
    learn(this, verdict);
    switch (verdict.kind) {
      case 'delivered':
        if (this.#piecewise !== undefined) return this.#nextPiece();
        return this.#settle(verdict);
      case 'rejected':
        if (this.#piecewise !== undefined) return this.#nextPiece();
        // This applies even if only one of several is left, since the verdict was on all of them.
        return payloads.length > 1 ? this.#apart(this.pending(), 'each', nowMs()) : this.#settle(verdict);
      case 'too_large':
        if (this.#piecewise !== undefined) return this.#again(nowMs());
        if (payloads.length > 1) return this.#apart(this.pending(), 'halves', nowMs());
        this.#piecewise = this.#cut(first, { ...limits, maxBytes: Math.ceil(first.bodyBytes / 2) });
        return this.#again(nowMs());
      case 'unauthorized':
        return this.#refreshed ? this.#retry(verdict, payloads) : this.#refresh(verdict, payloads, date);
      case 'retry':
        // The sender's data affects its next request, even if this one has its outcome by now.
        if (this.pending().length === 0 && payloads.length === 1) this.#judge(first, verdict);
        return this.#retry(verdict, payloads);
    }
  }

  #settle(outcome: Outcome): readonly BatchDelivery[] {
    for (const parcel of this.pending()) parcel.trySettle(outcome);
    return [];
  }

  #cut(parcel: Parcel, limits: BatchLimits): Piecewise {
    this.#deps.metrics.cutParcels += 1;
    return new Piecewise(this.#deps.cut(parcel), limits, this.#deps, parcel.connection.sender);
  }

  #pieceMade(): void {
    this.dueAtMs = this.#deps.nowMs();
    this.#deps.reschedule(this);
  }

  #nextPiece(): readonly BatchDelivery[] {
    this.#failures = 0;
    this.#failuresBesideSuccess = 0;
    this.#attempts = 0;
    return this.#again(this.#deps.nowMs());
  }

  #again(dueAtMs: number): readonly BatchDelivery[] {
    this.dueAtMs = dueAtMs;
    return this.pending().length === 0 ? [] : [this];
  }

  /** Puts the same parcels into smaller batches, the likeliest causes of the failure last. */
  #apart(live: readonly Parcel[], how: 'each' | 'halves', dueAtMs: number): readonly BatchDelivery[] {
    if (live.length === 0) return [];
    this.#deps.metrics.batchesTakenApart += 1;
    const parcels = byInnocence(live);
    const size = how === 'each' ? 1 : Math.ceil(parcels.length / 2);
    const parts: BatchDelivery[] = [];
    for (let from = 0; from < parcels.length; from += size) {
      const part = new BatchDelivery(this.#deps, parcels.slice(from, from + size), 'suspect', true);
      part.dueAtMs = dueAtMs;
      parts.push(part);
    }
    return parts;
  }

  /** The signature was rejected: signs again with fresh credentials and the upstream's time, once. */
  #refresh(
    verdict: Extract<Verdict, { kind: 'unauthorized' }>,
    payloads: readonly Payload[],
    date: string | undefined,
  ): readonly BatchDelivery[] {
    const { log, metrics, clock, credentials, nowMs, reschedule } = this.#deps;
    this.#refreshed = true;
    const message = 'the upstream refused the signature; refreshing credentials and clock';
    log.unauthorized(verdict.code, { answer: verdict.message }, message);
    countRetried(metrics, payloads);
    const corrected = clock.correct(date);
    if (corrected) log.clockCorrected({ skewMs: clock.skewMs });
    const attempts = this.#attempts;
    void credentials.refreshRefused().finally(() => {
      // An attempt made in the meantime decides when the next one is due.
      if (this.#attempts !== attempts) return;
      this.dueAtMs = nowMs();
      reschedule(this);
    });
    // If the clock was probably the cause, new credentials are awaited only briefly.
    return this.#again(nowMs() + (corrected ? LONGEST_REFRESH_MS / 4 : LONGEST_REFRESH_MS));
  }

  #retry(
    verdict: Extract<Verdict, { kind: 'retry' | 'unauthorized' }>,
    payloads: readonly Payload[],
  ): readonly BatchDelivery[] {
    const { metrics, health, log, nowMs } = this.#deps;
    const live = this.pending();
    if (live.length === 0) return [];
    const atMs = nowMs();
    const latestMs = Math.max(...live.map(({ deadlineAtMs }) => deadlineAtMs));
    const waitMs = this.#waitMs(verdict, latestMs - atMs);
    const fields = { attempt: this.#attempts, waitMs: Math.round(waitMs), samples: sampleCountOf(payloads) };
    const [only] = live;
    const sender = live.length === 1 && only !== undefined ? { sender: only.sender } : {};
    log.failed(verdict.code, { ...fields, ...sender }, verdict.message);
    const parts = verdict.kind === 'retry' ? this.#suspect(verdict, live, payloads.length > 1, waitMs) : undefined;
    if (parts !== undefined) {
      countRetried(metrics, payloads);
      return parts;
    }
    if (atMs + waitMs >= latestMs) {
      // AMP's text may be about any request of a joined batch, so only a sender whose request was alone is told it.
      const message = `not delivered in time; ${payloads.length > 1 ? health.lastFailure : verdict.message}`;
      return this.#settle({ kind: 'refused', reason: 'delivery_timeout', message });
    }
    countRetried(metrics, payloads);
    return this.#again(atMs + waitMs);
  }

  /**
   * Draws the conclusions from a failure that may lie in the data, or from one that asks for smaller batches. Returns
   * the smaller batches in which it continues; undefined if it continues unchanged.
   */
  #suspect(
    verdict: Extract<Verdict, { kind: 'retry' }>,
    live: readonly Parcel[],
    wasJoined: boolean,
    waitMs: number,
  ): readonly BatchDelivery[] | undefined {
    const { health, nowMs } = this.#deps;
    const atMs = nowMs();
    const [only] = live;
    if (only === undefined) return undefined;
    if (verdict.throttle === 'samples' && wasJoined) return this.#apart(live, 'halves', atMs + waitMs);
    // A single request may be larger than the burst that the upstream allows: it continues in pieces.
    if (verdict.throttle === 'samples' || (verdict.throttle === 'unknown' && !wasJoined)) this.#shrink(only);
    if (!verdict.mayLieInData) return undefined;
    if (wasJoined) {
      const timedOut = verdict.code === 'timeout';
      this.#countFailure(atMs);
      const asksForLong = verdict.retryAfterMs !== undefined && verdict.retryAfterMs > APART_WAIT_MS;
      if (!timedOut && !this.#isPart && !asksForLong && this.#failures < APART_AFTER_FAILURES) return undefined;
      const mayBeTakenApart = this.#isPart || asksForLong || this.#failuresBesideSuccess > 0;
      if (!mayBeTakenApart && !health.tryTakeApart(atMs)) return undefined;
      // AMP takes other data meanwhile, so there is no reason to wait.
      const soon = asksForLong && this.#failuresBesideSuccess === 0 ? APART_WAIT_MS : 0;
      return this.#apart(live, timedOut ? 'each' : 'halves', atMs + soon);
    }
    this.#judge(only, verdict);
    return undefined;
  }

  #countFailure(atMs: number): void {
    this.#failures += 1;
    if (this.#deps.health.deliveredAtMs > this.#failedAtMs) this.#failuresBesideSuccess += 1;
    this.#failedAtMs = atMs;
    if (this.#lane === 'shared') this.#lane = 'suspect';
  }

  /** A request that was sent alone has failed: it is isolated if the data is the likely cause. */
  #judge(only: Parcel, verdict: Extract<Verdict, { kind: 'retry' }>): void {
    if (!verdict.mayLieInData) return;
    const { health, nowMs } = this.#deps;
    this.#countFailure(nowMs());
    const timedOut = verdict.code === 'timeout';
    const needed = timedOut ? 1 : ISOLATED_AFTER_FAILURES;
    const besideSuccess = timedOut ? 1 : ISOLATED_AFTER_FAILURES - 1;
    const isIsolated = this.#lane === 'isolated';
    if (isIsolated || (this.#failures >= needed && this.#failuresBesideSuccess >= besideSuccess)) {
      this.#lane = 'isolated';
      health.isolate(only);
    }
  }

  #shrink(parcel: Parcel): void {
    if (this.#piecewise !== undefined) return;
    const { maxBytes } = this.#deps.limits();
    const maxSamples = Math.ceil(parcel.sampleCount / 2);
    if (maxSamples >= LEAST_SAMPLES) this.#piecewise = this.#cut(parcel, { maxSamples, maxBytes });
  }

  #waitMs(verdict: Extract<Verdict, { kind: 'retry' | 'unauthorized' }>, leftMs: number): number {
    const { backoff, random, health } = this.#deps;
    const retryAfterMs = verdict.kind === 'retry' ? verdict.retryAfterMs : undefined;
    // The wait that the upstream asks for is capped by the time that is left: one last attempt is made before it ends.
    const askedMs =
      retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, Math.max(0, leftMs - LAST_ATTEMPT_MS));
    const waitMs = retryWaitMs(backoff, this.#attempts, askedMs, random());
    // A few probes burden no server, whatever wait was asked for, and they notice the end of an outage immediately.
    return health.isDown ? Math.min(waitMs, PROBE_INTERVAL_MS) : waitMs;
  }

  #become(next: 'ready' | 'in_flight' | 'waiting' | 'ended'): void {
    if (!NEXT_STATES[this.#state].includes(next))
      throw new Error(`a batch cannot become ${next} when it is ${this.#state}`);
    this.#state = next;
    if (next === 'ended') this.#piecewise?.dispose();
  }
}

/**
 * Sorts connections by when AMP last took their data, the most recent first. Among equals, one of each address comes
 * before the second of any, since a bad sender may have many connections.
 */
function byInnocence(parcels: readonly Parcel[]): Parcel[] {
  const seen = new Map<string, number>();
  const ranked = parcels.map((parcel) => {
    const rank = seen.get(parcel.sender) ?? 0;
    seen.set(parcel.sender, rank + 1);
    return { parcel, rank, deliveredAtMs: parcel.connection.deliveredAtMs };
  });
  // The difference is NaN for two that never delivered.
  ranked.sort((a, b) => (a.deliveredAtMs === b.deliveredAtMs ? a.rank - b.rank : b.deliveredAtMs - a.deliveredAtMs));
  return ranked.map(({ parcel }) => parcel);
}

/** A throttled request of at most this many samples is not cut further. */
const LEAST_SAMPLES = 100;

const NEXT_STATES: Readonly<Record<BatchDelivery['state'], readonly BatchDelivery['state'][]>> = {
  // Part of a batch that was split.
  ready: ['in_flight', 'waiting'],
  in_flight: ['waiting', 'ended'],
  waiting: ['ready', 'ended'],
  ended: [],
};
