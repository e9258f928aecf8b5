/**
 * Counts failed logins by address, and spaces out the refusals of an address: the more failures, the slower, so that
 * guessing takes neither CPU nor other senders' time. A minute without a failure forgets them all.
 */
interface Failures {
  count: number;
  lastAtMs: number;
  /** The earliest time of the next refusal. */
  nextAtMs: number;
}

const FORGOTTEN_AFTER_MS = 60_000;
const MAX_ADDRESSES = 10_000;
/** The interval between two refusals: it doubles after each failure, up to the maximum. */
const MIN_INTERVAL_MS = 4;
const MAX_INTERVAL_MS = 250;
/** An address with many connections waits for all of them, but not longer than a sender waits for an answer. */
const MAX_WAIT_MS = 10_000;

export class LoginFailures {
  /** The address whose last refusal is the oldest comes first. */
  readonly #byAddress = new Map<string, Failures>();

  /** The number of addresses remembered. */
  get size(): number {
    return this.#byAddress.size;
  }

  /** Returns the number of failures; 0 for an address without any. @param nowMs of the monotonic clock */
  of(address: string, nowMs: number): number {
    return this.#find(address, nowMs)?.count ?? 0;
  }

  note(address: string, nowMs: number): void {
    const failures = this.#make(address, nowMs);
    failures.count += 1;
    failures.lastAtMs = nowMs;
  }

  /** Returns the wait of the address before its next refusal, in ms; each call delays the one after it. */
  takeWaitMs(address: string, nowMs: number): number {
    const failures = this.#make(address, nowMs);
    const atMs = Math.min(Math.max(failures.nextAtMs, nowMs), nowMs + MAX_WAIT_MS);
    failures.nextAtMs = atMs + Math.min(MAX_INTERVAL_MS, MIN_INTERVAL_MS * 2 ** failures.count);
    return atMs - nowMs;
  }

  #make(address: string, nowMs: number): Failures {
    const failures = this.#find(address, nowMs) ?? { count: 0, lastAtMs: nowMs, nextAtMs: nowMs };
    this.#byAddress.delete(address);
    if (this.#byAddress.size >= MAX_ADDRESSES) {
      for (const oldest of this.#byAddress.keys()) {
        this.#byAddress.delete(oldest);
        break;
      }
    }
    this.#byAddress.set(address, failures);
    return failures;
  }

  #find(address: string, nowMs: number): Failures | undefined {
    const failures = this.#byAddress.get(address);
    if (failures === undefined || nowMs - failures.lastAtMs < FORGOTTEN_AFTER_MS) return failures;
    this.#byAddress.delete(address);
    return undefined;
  }
}
