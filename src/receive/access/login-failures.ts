/**
 * The logins that failed, by address, and how far apart an address is refused: the more failures, the slower, so that
 * guessing takes neither processors nor the time of anybody else. Everything is forgotten after a minute without one.
 */
interface Failures {
  count: number;
  lastAtMs: number;
  /** When the next refusal may be told. */
  nextAtMs: number;
}

const FORGOTTEN_AFTER_MS = 60_000;
const MAX_ADDRESSES = 10_000;
/** Between two refusals: twice as long after each failure, up to the most. */
const MIN_INTERVAL_MS = 4;
const MAX_INTERVAL_MS = 250;
/** Who has many connections waits for all of them, but not longer than a sender waits for an answer. */
const MAX_WAIT_MS = 10_000;

export class LoginFailures {
  /** The one whose last refusal is the longest ago comes first. */
  readonly #byAddress = new Map<string, Failures>();

  /** Addresses that are remembered. */
  get size(): number {
    return this.#byAddress.size;
  }

  /** How many there were; 0 for an address without any. @param nowMs of the monotonic clock */
  of(address: string, nowMs: number): number {
    return this.#find(address, nowMs)?.count ?? 0;
  }

  note(address: string, nowMs: number): void {
    const failures = this.#make(address, nowMs);
    failures.count += 1;
    failures.lastAtMs = nowMs;
  }

  /** How long the address has to wait for its next refusal, ms; each counts for the one after it. */
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
