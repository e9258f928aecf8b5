/**
 * Company: is it worth waiting for another parcel?
 *
 * A sender's connection carries one request at a time (HTTP/1.1; Prometheus's shards too). So when every connection
 * that was lately active has its parcel in the house already, nobody can join before something is settled, and the
 * wait of `batch_send_deadline` would only add latency. Counted per window in O(1): a connection counts in a window
 * once, and the larger of this window's and the last one's count is taken as the number of active connections.
 * An estimate: a wrong one costs a smaller batch, or a wait no longer than the deadline.
 */
const WINDOW_MS = 250;

/** What is remembered of one connection. */
export interface Visitor {
  window: number;
}

export class Company {
  #window = 1;
  #startedAtMs = 0;
  #now = 0;
  #last = 0;

  /** Notes a request of this connection; `nowMs` is of the monotonic clock. */
  arrived(visitor: Visitor, nowMs: number): void {
    const windows = Math.floor((nowMs - this.#startedAtMs) / WINDOW_MS);
    if (windows > 0) {
      this.#last = windows === 1 ? this.#now : 0;
      this.#now = 0;
      this.#window += windows;
      this.#startedAtMs += windows * WINDOW_MS;
    }
    if (visitor.window === this.#window) return;
    visitor.window = this.#window;
    this.#now += 1;
  }

  /** Connections that were active in this window or the last. */
  get active(): number {
    return Math.max(this.#now, this.#last);
  }
}
