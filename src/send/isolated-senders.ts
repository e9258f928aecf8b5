/**
 * Remembers for five minutes whose requests keep failing, so that they are batched separately and cost the others nothing.
 *
 * A connection is isolated by its own failures. Its address is then suspect, since the sender may come on other
 * connections too; but behind NAT an address is many senders. So each other connection of the address is `unproven`
 * only until it has delivered one request: from then on it shares batches again. Both hold for one deduplication key,
 * since one address may send as several HA replicas. Time is of the monotonic clock, in ms.
 */
import type { ConnectionActivity } from '../parcel/connection-activity.ts';

const HOLD_MS = 5 * 60_000;
/** Entries; beyond it the oldest is let go, which costs a retry and nothing else. */
const MAX_HELD = 10_000;

interface Isolation {
  sinceMs: number;
  untilMs: number;
}

interface IsolatedAddress extends Isolation {
  readonly connections: WeakMap<ConnectionActivity, number>;
}

export class IsolatedSenders {
  /** By address and deduplication key, in the order of their end, as the time held is the same for all. */
  readonly #addresses = new Map<string, IsolatedAddress>();

  /** Addresses with at least one isolated connection. */
  get size(): number {
    return this.#addresses.size;
  }

  /** The connection's requests keep failing: it is isolated from now on, and its address is suspect. */
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

  /** How the connection's next request is to be batched; undefined when like everybody's. */
  isolationOf(connection: ConnectionActivity, dedupKey: string, nowMs: number): 'isolated' | 'unproven' | undefined {
    if (this.#addresses.size === 0) return undefined;
    const address = this.#addresses.get(nameOf(connection, dedupKey));
    if (address === undefined || address.untilMs <= nowMs) return undefined;
    const untilMs = address.connections.get(connection);
    if (untilMs !== undefined && untilMs > nowMs) return 'isolated';
    return connection.deliveredAtMs > address.sinceMs ? undefined : 'unproven';
  }
}

/** A key of deduplication may hold any character but comes last. */
function nameOf(connection: ConnectionActivity, dedupKey: string): string {
  return `${connection.sender.address} ${dedupKey}`;
}
