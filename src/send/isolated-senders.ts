/**
 * Remembers for five minutes which senders' requests keep failing, so that they are batched separately and do not
 * affect the others.
 *
 * A connection is isolated by its own failures. Its address is then suspect, since the sender may come on other
 * connections too; but behind NAT an address is many senders. So each other connection of the address is `unproven`
 * only until it has delivered one request: from then on it shares batches again. Both hold for one deduplication key,
 * since one address may send as several HA replicas. Time is of the monotonic clock, in ms.
 */
import type { ConnectionActivity } from '../parcel/connection-activity.ts';

const HOLD_MS = 5 * 60_000;
/** The most entries; beyond it the oldest is forgotten, which costs no more than a retry. */
const MAX_HELD = 10_000;

interface Isolation {
  sinceMs: number;
  untilMs: number;
}

interface IsolatedAddress extends Isolation {
  readonly connections: WeakMap<ConnectionActivity, number>;
}

export class IsolatedSenders {
  /** Keyed by address and deduplication key, in the order of their end, since all are held for the same time. */
  readonly #addresses = new Map<string, IsolatedAddress>();

  /** The number of addresses with at least one isolated connection. */
  get size(): number {
    return this.#addresses.size;
  }

  /** Called when the connection's requests keep failing: it is isolated from now on, and its address is suspect. */
  isolate(connection: ConnectionActivity, dedupKey: string, nowMs: number): void {
    const name = nameOf(connection, dedupKey);
    const known = this.#addresses.get(name);
    this.#addresses.delete(name);
    const address: IsolatedAddress =
      known === undefined || known.untilMs <= nowMs
        ? { sinceMs: nowMs, untilMs: nowMs + HOLD_MS, connections: new WeakMap() }
        : { ...known, untilMs: nowMs + HOLD_MS };
    address.connections.set(connection, nowMs + HOLD_MS);
    this.#addresses.set(name, address);
    for (const [oldest, { untilMs }] of this.#addresses) {
      if (untilMs > nowMs && this.#addresses.size <= MAX_HELD) break;
      this.#addresses.delete(oldest);
    }
  }

  /** Returns how the connection's next request is batched; undefined for the normal way. */
  isolationOf(connection: ConnectionActivity, dedupKey: string, nowMs: number): 'isolated' | 'unproven' | undefined {
    if (this.#addresses.size === 0) return undefined;
    const address = this.#addresses.get(nameOf(connection, dedupKey));
    if (address === undefined || address.untilMs <= nowMs) return undefined;
    const untilMs = address.connections.get(connection);
    if (untilMs !== undefined && untilMs > nowMs) return 'isolated';
    return connection.deliveredAtMs > address.sinceMs ? undefined : 'unproven';
  }
}

/** A deduplication key may hold any character, so it comes last. */
function nameOf(connection: ConnectionActivity, dedupKey: string): string {
  return `${connection.sender.address} ${dedupKey}`;
}
