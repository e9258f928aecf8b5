/**
 * Predicts whether another request will arrive soon enough to join this batch.
 *
 * A sender's connection carries one request at a time (HTTP/1.1; Prometheus's shards too). So a connection whose
 * request is still open cannot add another one, while a connection that was answered lately and has not sent again may.
 * While there are such connections, waiting up to `batch_send_deadline` is worthwhile; without any it would only add
 * latency. A refused sender does not count, since it resends after its `Retry-After`, which is longer than any wait
 * here.
 *
 * Counted in O(1) by windows: "lately" is in this window or the last. A connection that closes is not removed but ages
 * out, since its sender comes back on another one, and some senders open one for each request. The result is an
 * estimate: a wrong one costs a smaller batch, or a wait no longer than the deadline.
 */
import type { ConnectionActivity, ExpectsArrival } from '../parcel/connection-activity.ts';

/**
 * Chosen with bench/scaling/batching-simulation.ts: 50 ms is too short for batches that are answered every 60 ms; with
 * 250 ms, 3 to 10 slow senders wait up to twice as long, mostly in vain, to join at best a tenth more.
 */
const WINDOW_MS = 125;

export class ExpectedArrivals implements ExpectsArrival {
  #window = 0;
  /** Connections that were answered in this window and have not sent again, and those of the window before. */
  #now = 0;
  #last = 0;

  /** Called when a request of the connection arrives. */
  arrived(connection: ConnectionActivity): void {
    connection.expectedBy?.forget(connection);
  }

  /** Called when the connection has its answer and can send again. */
  answered(connection: ConnectionActivity, nowMs: number): void {
    // When several requests came at once, the last answer counts.
    this.arrived(connection);
    this.#turnTo(nowMs);
    connection.expectedBy = this;
    connection.window = this.#window;
    this.#now += 1;
  }

  forget(connection: ConnectionActivity): void {
    if (connection.window === this.#window) this.#now -= 1;
    else if (connection.window === this.#window - 1) this.#last -= 1;
    connection.expectedBy = undefined;
  }

  /** Counts the connections that may send at any moment; `nowMs` is of the monotonic clock. */
  expected(nowMs: number): number {
    this.#turnTo(nowMs);
    return this.#now + this.#last;
  }

  #turnTo(nowMs: number): void {
    const window = Math.floor(nowMs / WINDOW_MS);
    if (window === this.#window) return;
    this.#last = window === this.#window + 1 ? this.#now : 0;
    this.#now = 0;
    this.#window = window;
  }
}
