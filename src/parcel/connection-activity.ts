/** What delivery remembers of a sender and of each of its connections. Receive makes them; delivery keeps them up to date. */

import type { KernelCost } from '../codec/kernel-turns.ts';

/** One sender: an address, which behind NAT may be several. */
export interface SenderActivity extends KernelCost {
  readonly address: string;
  /** When a request of it was last batched separately, ms of the monotonic clock; -Infinity before. */
  isolatedAtMs: number;
}

/** One connection, which carries one request at a time. */
export interface ConnectionActivity {
  readonly sender: SenderActivity;
  /** When its last request came, ms of the monotonic clock; -Infinity before. */
  arrivedAtMs: number;
  /** When AMP last took a request of it, ms of the monotonic clock; -Infinity before. */
  deliveredAtMs: number;
  /** Who expects its next request: it is expected in one place, though it may write to several destinations. */
  expectedBy: ExpectsArrival | undefined;
  /** The window of time in which it was answered (batch/expected-arrivals.ts). */
  window: number;
}

export interface ExpectsArrival {
  /** The connection is not expected any more. */
  forget(connection: ConnectionActivity): void;
}

/** The fields of a connection that has sent nothing yet, beside its sender. */
export const NEW_CONNECTION: Omit<ConnectionActivity, 'sender'> = {
  arrivedAtMs: -Infinity,
  deliveredAtMs: -Infinity,
  expectedBy: undefined,
  window: 0,
};
