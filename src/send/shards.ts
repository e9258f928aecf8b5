/**
 * send: shards take batches; batches that are due for another attempt go before new ones. A shard is a request in
 * flight upstream; a batch between attempts holds none.
 *
 * Each lane has shards of its own, so that neither failing nor hanging requests delay the others. The shared lane has
 * `limits.shared`, less what the others use of `limits.total`, but at least one; each other lane too. A request that
 * has had no answer for a while counts only half in the shared lane: another one may find out meanwhile whether the
 * upstream hangs for all.
 *
 * Any shard may take any batch: a sender sends a series' next samples only after our answer, so order between
 * requests holds by causality.
 */
import type { Lane } from './lane.ts';

export interface Attempting<D> {
  /** Makes one attempt; returns the batches that continue afterwards. Never rejects. */
  attempt(): Promise<readonly D[]>;
}

/** The source of batches. */
export interface DeliverySource<D> {
  /**
   * Returns the next batch of the lane that may be sent now. @param newFirst true to prefer a batch that was not sent
   * yet
   */
  tryTake(lane: Lane, nowMs: number, newFirst: boolean): D | undefined;
  /** The time when the lane has a batch, in ms of the monotonic clock. */
  nextDueAtMs(lane: Lane): number | undefined;
  /** Takes a batch that continues after an attempt. */
  putBack(delivery: D): void;
}

export interface ShardLimits {
  shared: number;
  suspect: number;
  isolated: number;
  total: number;
}

export interface RestTimes {
  /** The end of the rest. */
  readonly untilMs: number;
  mayTake(nowMs: number): boolean;
  took(nowMs: number): void;
  readonly nextTakeAtMs: number;
}

const LANES: readonly Lane[] = ['shared', 'suspect', 'isolated'];
/** A request without an answer for this long may hang. */
const STALLED_MS = 1_000;
/** The number of stalled requests beside which another may be sent, as a share of the shared lane's limit. */
const STALLED_SHARE = 0.25;

export class Shards<D extends Attempting<D>> {
  readonly limits: ShardLimits;
  readonly #source: DeliverySource<D>;
  readonly #beforeTake: () => void;
  readonly #rest: RestTimes;
  readonly #nowMs: () => number;
  readonly #inFlight: Record<Lane, number> = { shared: 0, suspect: 0, isolated: 0 };
  /** The times when the requests of the shared lane were sent, in that order. */
  readonly #sharedSince = new Set<{ readonly atMs: number }>();
  #pumpQueued = false;
  #timer: NodeJS.Timeout | undefined;
  #timerDueAtMs = Infinity;

  /** @param beforeTake called before each look for a batch */
  constructor(
    source: DeliverySource<D>,
    limits: ShardLimits,
    rest: RestTimes,
    beforeTake: () => void,
    nowMs: () => number,
  ) {
    this.#source = source;
    this.limits = limits;
    this.#rest = rest;
    this.#beforeTake = beforeTake;
    this.#nowMs = nowMs;
  }

  get inFlight(): number {
    const { shared, suspect, isolated } = this.#inFlight;
    return shared + suspect + isolated;
  }

  /** Looks for work once all requests that are being read in this turn of the event loop have arrived. */
  poke(): void {
    if (this.#pumpQueued) return;
    this.#pumpQueued = true;
    setImmediate(this.#pump);
  }

  readonly #pump = (): void => {
    this.#pumpQueued = false;
    this.#beforeTake();
    const nowMs = this.#nowMs();
    for (const lane of LANES) {
      while (this.#hasShard(lane, nowMs) && this.#rest.mayTake(nowMs)) {
        // Batches that failed before may be the cause of the rest.
        const delivery = this.#source.tryTake(lane, nowMs, nowMs < this.#rest.untilMs);
        if (delivery === undefined) break;
        this.#rest.took(nowMs);
        void this.#run(delivery, lane, nowMs);
        // No request may be expected to join the parcels that a full batch left behind.
        this.#beforeTake();
      }
    }
    this.#arm(nowMs);
  };

  #hasShard(lane: Lane, nowMs: number): boolean {
    const inFlight = this.#inFlight[lane];
    const { limits } = this;
    const isWithinTotal = this.inFlight < limits.total || inFlight === 0;
    if (lane !== 'shared') return inFlight < limits[lane] && isWithinTotal;
    return isWithinTotal && inFlight < limits.shared + this.#stalled(nowMs);
  }

  /** Counts how many further shards the requests that may hang allow. */
  #stalled(nowMs: number): number {
    const most = Math.max(1, Math.floor(this.limits.shared * STALLED_SHARE));
    let stalled = 0;
    for (const { atMs } of this.#sharedSince) {
      if (stalled >= most || nowMs - atMs < STALLED_MS) break;
      stalled += 1;
    }
    return Math.min(stalled, Math.max(0, this.limits.total - this.limits.shared));
  }

  async #run(delivery: D, lane: Lane, nowMs: number): Promise<void> {
    this.#inFlight[lane] += 1;
    const since = { atMs: nowMs };
    if (lane === 'shared') this.#sharedSince.add(since);
    try {
      for (const next of await delivery.attempt()) this.#source.putBack(next);
    } finally {
      this.#inFlight[lane] -= 1;
      this.#sharedSince.delete(since);
      this.poke();
    }
  }

  /** One timer serves whatever comes first; a lane whose shards are all busy is looked at when one of them ends. */
  #arm(nowMs: number): void {
    let dueAtMs = Infinity;
    for (const lane of LANES) {
      const laneDueAtMs = this.#source.nextDueAtMs(lane);
      if (laneDueAtMs === undefined) continue;
      if (this.#hasShard(lane, nowMs)) dueAtMs = Math.min(dueAtMs, Math.max(laneDueAtMs, this.#rest.nextTakeAtMs));
      else if (lane === 'shared') dueAtMs = Math.min(dueAtMs, this.#nextStalledAtMs(nowMs));
    }
    if (dueAtMs === Infinity || dueAtMs >= this.#timerDueAtMs) return;
    clearTimeout(this.#timer);
    this.#timerDueAtMs = dueAtMs;
    this.#timer = setTimeout(
      () => {
        this.#timerDueAtMs = Infinity;
        this.#pump();
      },
      Math.max(1, Math.ceil(dueAtMs - nowMs)),
    );
  }

  /** Returns when one more request of the shared lane counts as stalled. */
  #nextStalledAtMs(nowMs: number): number {
    for (const { atMs } of this.#sharedSince) if (nowMs - atMs < STALLED_MS) return atMs + STALLED_MS;
    return Infinity;
  }
}
