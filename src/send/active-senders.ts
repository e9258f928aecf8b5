/**
 * Tells whether several senders are active, without keeping all of them: a few connections that sent lately, of two
 * addresses where there are two. Time is of the monotonic clock, in ms.
 */
import type { ConnectionActivity } from '../queue/connection-activity.ts';

/** So many connections, and addresses, are several; more would prove no more. */
export const CONNECTIONS = 3;
export const ADDRESSES = 2;
/** Who has sent within so long is active. */
const ACTIVE_MS = 15_000;
/** What is known is looked at again after so long. */
const FRESH_MS = 5_000;

interface Arrival {
  connection: ConnectionActivity;
  atMs: number;
}

export class ActiveSenders {
  readonly #arrivals: Arrival[] = [];
  /** Until then, enough of them are known. */
  #enoughUntilMs = -Infinity;

  /** Called for every request: a comparison while enough of them are known. */
  arrived(connection: ConnectionActivity, nowMs: number): void {
    if (nowMs < this.#enoughUntilMs) return;
    if (!this.#note(connection, nowMs)) return;
    const active = this.connections(nowMs);
    if (active.length >= CONNECTIONS && addressesOf(active) >= ADDRESSES) this.#enoughUntilMs = nowMs + FRESH_MS;
  }

  /** Up to four. */
  connections(nowMs: number): readonly ConnectionActivity[] {
    return this.#arrivals.filter(({ atMs }) => nowMs - atMs <= ACTIVE_MS).map(({ connection }) => connection);
  }

  /** False when it is known already. */
  #note(connection: ConnectionActivity, nowMs: number): boolean {
    const arrivals = this.#arrivals;
    let oldest: Arrival | undefined;
    let isNewAddress = true;
    for (const arrival of arrivals) {
      if (arrival.connection === connection) {
        const isStale = nowMs - arrival.atMs > FRESH_MS;
        arrival.atMs = nowMs;
        return isStale;
      }
      if (arrival.connection.sender.address === connection.sender.address) isNewAddress = false;
      if (oldest === undefined || arrival.atMs < oldest.atMs) oldest = arrival;
    }
    if (oldest === undefined || arrivals.length <= CONNECTIONS) {
      arrivals.push({ connection, atMs: nowMs });
    } else if (isNewAddress || nowMs - oldest.atMs > FRESH_MS) {
      oldest.connection = connection;
      oldest.atMs = nowMs;
    } else return false;
    return true;
  }
}

export function addressesOf(connections: readonly ConnectionActivity[]): number {
  return new Set(connections.map(({ sender }) => sender.address)).size;
}
