/**
 * Tells whether several senders are active, without keeping all of them: a few connections that sent lately, of two
 * addresses where there are two. Time is of the monotonic clock, in ms.
 */
import type { ConnectionActivity } from '../parcel/connection-activity.ts';

/** So many connections, and addresses, are several; more would prove no more. */
export const CONNECTIONS = 3;
export const ADDRESSES = 2;
/** Who has sent within so long is active: longer than a sender waits for its answer, and a minute's scrape. */
const ACTIVE_MS = 60_000;
/** What is known is looked at again after so long. */
const FRESH_MS = 5_000;

export class ActiveSenders {
  readonly #kept: ConnectionActivity[] = [];
  #lookedAtMs = -Infinity;
  /** Until then, enough of them are known. */
  #enoughUntilMs = -Infinity;

  /** Called for every request: a comparison while enough of them are known. */
  arrived(connection: ConnectionActivity, nowMs: number): void {
    connection.arrivedAtMs = nowMs;
    if (nowMs < this.#enoughUntilMs) return;
    if (this.#kept.includes(connection) ? nowMs - this.#lookedAtMs <= FRESH_MS : !this.#tryKeep(connection, nowMs))
      return;
    this.#lookedAtMs = nowMs;
    const active = this.connections(nowMs);
    if (active.length >= CONNECTIONS && addressesOf(active) >= ADDRESSES) this.#enoughUntilMs = nowMs + FRESH_MS;
  }

  /** Up to four. */
  connections(nowMs: number): readonly ConnectionActivity[] {
    return this.#kept.filter(({ arrivedAtMs }) => nowMs - arrivedAtMs <= ACTIVE_MS);
  }

  /** False when it says no more than those that are kept. */
  #tryKeep(connection: ConnectionActivity, nowMs: number): boolean {
    const kept = this.#kept;
    if (kept.length <= CONNECTIONS) {
      kept.push(connection);
      return true;
    }
    let isNewAddress = true;
    let oldestAtMs = Infinity;
    for (const { sender, arrivedAtMs } of kept) {
      if (sender.address === connection.sender.address) isNewAddress = false;
      oldestAtMs = Math.min(oldestAtMs, arrivedAtMs);
    }
    if (!isNewAddress && nowMs - oldestAtMs <= FRESH_MS) return false;
    const at = this.#spareAt(nowMs);
    const spare = kept[at];
    if (spare === undefined || (!isNewAddress && nowMs - spare.arrivedAtMs <= FRESH_MS)) return false;
    kept[at] = connection;
    return true;
  }

  /** Where the oldest is; but the only one of an active address stays as long as another address has two. */
  #spareAt(nowMs: number): number {
    const kept = this.#kept;
    const spare = kept.filter((connection) => !this.#isSole(connection, nowMs));
    const [first, ...others] = spare.length > 0 ? spare : kept;
    const oldest = others.reduce((old, other) => (old && other.arrivedAtMs < old.arrivedAtMs ? other : old), first);
    return oldest === undefined ? -1 : kept.indexOf(oldest);
  }

  #isSole(connection: ConnectionActivity, nowMs: number): boolean {
    if (nowMs - connection.arrivedAtMs > ACTIVE_MS) return false;
    const { address } = connection.sender;
    return !this.#kept.some((other) => other !== connection && other.sender.address === address);
  }
}

export function addressesOf(connections: readonly ConnectionActivity[]): number {
  return new Set(connections.map(({ sender }) => sender.address)).size;
}
