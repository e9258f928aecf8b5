/**
 * The state that delivery remembers of a sender and of each of its connections. Receive makes them; delivery keeps them
 * up to date.
 */

import type { KernelCost } from '../codec/kernel-turns.ts';

/** One sender, identified by its address; behind NAT one address may stand for several. */
export interface SenderActivity extends KernelCost {
  readonly address: string;
  /**
   * The time when a request of this sender was last batched separately, ms of the monotonic clock; -Infinity before.
   */
  isolatedAtMs: number;
}

/** One connection, which carries one request at a time. */
export interface ConnectionActivity {
  readonly sender: SenderActivity;
  /** The time when its last request came, ms of the monotonic clock; -Infinity before. */
  arrivedAtMs: number;
  /** The time when AMP last accepted one of its requests, ms of the monotonic clock; -Infinity before. */
  deliveredAtMs: number;
  /**
   * The object that expects its next request. Only one does, though the connection may write to several destinations.
   */
  expectedBy: ExpectsArrival | undefined;
  /** The window of time in which it was answered (batch/expected-arrivals.ts). */
  window: number;
}

export interface ExpectsArrival {
  /** Stops expecting a request of the connection. */
  forget(connection: ConnectionActivity): void;
}

/** The fields of a connection that has sent nothing yet, beside its sender. */
export const NEW_CONNECTION: Omit<ConnectionActivity, 'sender'> = {
  arrivedAtMs: -Infinity,
  deliveredAtMs: -Infinity,
  expectedBy: undefined,
  window: 0,
};
