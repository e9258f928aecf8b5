/**
 * Limits the shards in flight: additive increase while work waits, multiplicative decrease when the upstream throttles
 * (429, 503), as TCP finds its rate (RFC 5681). The limit rises by one for each delivery up to the level that was last
 * known to be good, and above it by one for each round of deliveries.
 */

/** Answers to requests that were in flight when the limit was halved say nothing new. */
const HOLD_MS = 1_000;

export class ShardLimit {
  readonly min: number;
  readonly max: number;
  #limit: number;
  #threshold: number;
  #halvedAtMs = -Infinity;

  constructor(min: number, max: number) {
    this.min = min;
    this.max = max;
    this.#limit = min;
    this.#threshold = max;
  }

  /** The limit, a whole number from min to max. */
  get shards(): number {
    return Math.floor(this.#limit);
  }

  /** Called when a batch was delivered; `workWaits` tells whether another would have gone if a shard had been free. */
  delivered(workWaits: boolean): void {
    if (!workWaits) return;
    const step = this.#limit < this.#threshold ? 1 : 1 / this.#limit;
    this.#limit = Math.min(this.max, this.#limit + step);
  }

  /** Called when the upstream asked for less. `nowMs` is of the monotonic clock. */
  throttled(nowMs: number): void {
    if (nowMs - this.#halvedAtMs < HOLD_MS) return;
    this.#halvedAtMs = nowMs;
    this.#limit = Math.max(this.min, this.#limit / 2);
    this.#threshold = this.#limit;
  }
}
