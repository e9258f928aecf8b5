/**
 * Company: is it worth waiting for another parcel?
 *
 * A sender's connection carries one request at a time (HTTP/1.1; Prometheus's shards too). So whoever has a parcel in
 * the house cannot join; whoever was answered lately and has not sent again may. While there are such connections,
 * waiting up to `batch_send_deadline` is worth it; without any it would only add latency. A sender that is refused does
 * not count: it comes again after its `Retry-After`, which is longer than anybody waits here.
 *
 * Counted in O(1) by windows: "lately" is in this window or the last. A connection that closes is not taken out but
 * ages out, since its sender comes again on another one, and some make one for each request.
 * An estimate: a wrong one costs a smaller batch, or a wait no longer than the deadline.
 */

/**
 * By bench/batching-simulation.ts: 50 ms is too short for batches that are answered every 60 ms; 250 ms has 3 to 10 slow
 * senders wait up to twice as long, mostly in vain: it joins a tenth more at best.
 */
const WINDOW_MS = 125;

/** What is remembered of one connection. */
export interface Visitor {
  /** Where it was answered last, until it sends again: it is expected in one place, though it may write to several. */
  expectedBy: Company | undefined;
  /** The window in which that was. */
  window: number;
}

export class Company {
  #window = 0;
  /** Connections that were answered in this window and have not sent again; then those of the last one. */
  #now = 0;
  #last = 0;

  /** Notes that this connection has a request in the house. */
  arrived(visitor: Visitor): void {
    const { expectedBy } = visitor;
    if (expectedBy === undefined) return;
    if (visitor.window === expectedBy.#window) expectedBy.#now -= 1;
    else if (visitor.window === expectedBy.#window - 1) expectedBy.#last -= 1;
    visitor.expectedBy = undefined;
  }

  /** Notes that this connection has its answer and can send again. */
  answered(visitor: Visitor, nowMs: number): void {
    // Of several requests at once the last answer counts.
    this.arrived(visitor);
    this.#turnTo(nowMs);
    visitor.expectedBy = this;
    visitor.window = this.#window;
    this.#now += 1;
  }

  /** Connections that may send at any moment; `nowMs` is of the monotonic clock. */
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
