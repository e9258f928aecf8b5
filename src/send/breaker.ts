/**
 * Breaker: holds little while the upstream answers nothing but failures.
 *
 *     closed --(failures only, for OPEN_AFTER_MS)--> open --(first success)--> closed
 *
 * closed  every parcel is taken
 * open    a few parcels probe; all others are refused at once, so that an outage costs no memory and no sender waits
 *         `delivery_timeout` for nothing
 *
 * A throttled upstream (429) is not down: it answers, and the shards go down instead. Time is of the monotonic clock.
 */

/** A restart of a load balancer is shorter; a sender's queue is longer. */
const OPEN_AFTER_MS = 5_000;
/** So that one slow attempt is not taken for an outage. */
const OPEN_AFTER_FAILURES = 3;
/** Parcels that may wait for the upstream while it is down. */
export const PROBES = 4;
/** Between the attempts of a probe at most: full flow within a second of the outage's end. */
export const PROBE_INTERVAL_MS = 500;

export class Breaker {
  readonly #opened: () => void;
  #state: 'closed' | 'open' = 'closed';
  #failingSinceMs: number | undefined;
  #failures = 0;

  /** @param opened called when it opens: what waits is to be refused */
  constructor(opened: () => void) {
    this.#opened = opened;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** @param pending parcels that wait for the upstream already */
  mayTake(pending: number): boolean {
    return this.#state === 'closed' || pending < PROBES;
  }

  succeeded(): void {
    this.#failingSinceMs = undefined;
    this.#failures = 0;
    if (this.#state === 'open') this.#setState('closed');
  }

  failed(nowMs: number): void {
    this.#failingSinceMs ??= nowMs;
    this.#failures += 1;
    if (this.#state === 'open' || this.#failures < OPEN_AFTER_FAILURES) return;
    if (nowMs - this.#failingSinceMs < OPEN_AFTER_MS) return;
    this.#setState('open');
    this.#opened();
  }

  #setState(state: 'closed' | 'open'): void {
    if (state === this.#state) throw new Error(`the breaker is ${state} already`);
    this.#state = state;
  }
}
