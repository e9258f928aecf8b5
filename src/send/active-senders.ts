/**
 * Tells whether several senders are active, without keeping all of them: it keeps a few connections that sent lately,
 * of two addresses if there are two. Time is of the monotonic clock, in ms.
 */
import type { ConnectionActivity } from '../parcel/connection-activity.ts';

/** This many connections count as several; more would prove no more. */
export const CONNECTIONS = 3;
export const ADDRESSES = 2;
/**
 * A sender is active if it has sent within this time, which is longer than it waits for its answer, and than a minute
 * between scrapes.
 */
const ACTIVE_MS = 60_000;
/** The time after which known connections are checked again. */
const FRESH_MS = 5_000;

export class ActiveSenders {
  readonly #kept: ConnectionActivity[] = [];
  #lookedAtMs = -Infinity;
  /** Until this time, enough connections are known. */
  #enoughUntilMs = -Infinity;

  /** Called for every request; costs a comparison while enough connections are known. */
  arrived(connection: ConnectionActivity, nowMs: number): void {
    connection.arrivedAtMs = nowMs;
    if (nowMs < this.#enoughUntilMs) return;
    if (this.#kept.includes(connection) ? nowMs - this.#lookedAtMs <= FRESH_MS : !this.#tryKeep(connection, nowMs))
      return;
    this.#lookedAtMs = nowMs;
    const active = this.connections(nowMs);
    if (active.length >= CONNECTIONS && addressesOf(active) >= ADDRESSES) this.#enoughUntilMs = nowMs + FRESH_MS;
  }

  /** Returns up to four connections. */
  connections(nowMs: number): readonly ConnectionActivity[] {
    return this.#kept.filter(({ arrivedAtMs }) => nowMs - arrivedAtMs <= ACTIVE_MS);
  }

  /** Returns false if the connection proves no more than those already kept. */
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

  /**
   * Returns the position of the oldest connection, except that the only connection of an active address stays as long
   * as another address has two.
   */
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
