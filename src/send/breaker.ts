/**
 * Breaker: holds little while the upstream answers nothing but failures.
 *
 *     closed --(failures only, of different senders, for OPEN_AFTER_MS)--> open --(first success)--> closed
 *
 * closed  every parcel is taken
 * open    a few parcels probe (probes.ts); all others are refused at once, so that an outage costs no memory and no
 *         sender waits `delivery_timeout` for nothing
 *
 * One sender's data may be what the upstream fails at. So a failure that may lie in the data counts together with others
 * only when they are of as many senders as there are lately, up to three connections and two addresses. A throttled
 * upstream (429) is not down: it answers, and the shards go down instead. Time is of the monotonic clock, in ms.
 */
import type { ConnectionActivity } from '../parcel/connection-activity.ts';
import { ActiveSenders, ADDRESSES, addressesOf, CONNECTIONS } from './active-senders.ts';

/** Longer than a restart of a load balancer, shorter than a sender's queue lasts. */
const OPEN_AFTER_MS = 5_000;
/** Prevents one slow attempt from passing for an outage. */
const OPEN_AFTER_FAILURES = 3;
/** The longest time between the attempts of a probe: full flow returns within a second of the outage's end. */
export const PROBE_INTERVAL_MS = 500;

export class Breaker {
  readonly #opened: () => void;
  #state: 'closed' | 'open' = 'closed';
  #failingSinceMs: number | undefined;
  #failures = 0;
  /** True after a failure that no data can cause. */
  #failsForAll = false;
  readonly #failing = new Set<ConnectionActivity>();
  readonly #active = new ActiveSenders();

  /** @param opened called when it opens: the waiting parcels must be refused */
  constructor(opened: () => void) {
    this.#opened = opened;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Called when a request of this connection is accepted. */
  arrived(connection: ConnectionActivity, nowMs: number): void {
    this.#active.arrived(connection, nowMs);
  }

  /** Returns a few of the connections that sent lately. */
  active(nowMs: number): readonly ConnectionActivity[] {
    return this.#active.connections(nowMs);
  }

  succeeded(): void {
    this.#failingSinceMs = undefined;
    this.#failures = 0;
    this.#failsForAll = false;
    if (this.#failing.size > 0) this.#failing.clear();
    if (this.#state === 'open') this.#become('closed');
  }

  /** Called when an attempt with requests of these connections failed. */
  failed(connections: readonly ConnectionActivity[], mayLieInData: boolean, nowMs: number): void {
    this.#failingSinceMs ??= nowMs;
    this.#failures += 1;
    this.#failsForAll ||= !mayLieInData;
    for (const connection of connections) this.#note(connection);
    if (this.#state === 'open' || this.#failures < OPEN_AFTER_FAILURES) return;
    if (nowMs - this.#failingSinceMs < OPEN_AFTER_MS) return;
    if (!this.#failsForAll && !this.#isOfDifferentSenders(nowMs)) return;
    this.#become('open');
    this.#opened();
  }

  /** Keeps only as many as prove different senders, so that many of one address leave a place for another's. */
  #note(connection: ConnectionActivity): void {
    const failing = this.#failing;
    if (failing.size < CONNECTIONS) failing.add(connection);
    else if (failing.size < CONNECTIONS + ADDRESSES && !hasAddress(failing, connection.sender.address)) {
      failing.add(connection);
    }
  }

  #isOfDifferentSenders(nowMs: number): boolean {
    const active = this.#active.connections(nowMs);
    const failing = [...this.#failing];
    return (
      failing.length >= Math.min(CONNECTIONS, active.length) &&
      addressesOf(failing) >= Math.min(ADDRESSES, addressesOf(active))
    );
  }

  #become(next: 'closed' | 'open'): void {
    if (next === this.#state) throw new Error(`the breaker is ${next} already`);
    this.#state = next;
  }
}

function hasAddress(connections: Iterable<ConnectionActivity>, address: string): boolean {
  for (const { sender } of connections) if (sender.address === address) return true;
  return false;
}
