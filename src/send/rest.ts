/**
 * How long AMP asked everybody to back off.
 *
 * One answer may be about one sender's data, and then its `Retry-After` holds for that sender only. So a rest for all
 * begins when AMP says in known words that it throttles the workspace (`strict`), or when it asks the same of requests of
 * two different senders without taking anything in between. The latter is tried once a second, since two senders may be
 * at fault; the first success ends it. A strict rest is kept to its end, whatever else is asked meanwhile. Time is of the
 * monotonic clock, in ms.
 */
import type { ConnectionActivity } from '../queue/connection-activity.ts';

const TRY_EVERY_MS = 1_000;

export class Rest {
  #untilMs = -Infinity;
  #strictUntilMs = -Infinity;
  #triedAtMs = -Infinity;
  /** Who was asked last, and until when. */
  #asked: { readonly connection: ConnectionActivity; readonly untilMs: number } | undefined;

  /** The end of a strict rest: nothing is sent before it. */
  get strictUntilMs(): number {
    return this.#strictUntilMs;
  }

  /** AMP asked for a rest until `untilMs` when a request of this connection was sent. */
  ask(connection: ConnectionActivity, untilMs: number, strict: boolean, nowMs: number): void {
    const asked = this.#asked;
    this.#asked = { connection, untilMs };
    const bySecond = asked !== undefined && asked.connection !== connection && asked.untilMs > nowMs;
    if (strict) this.#strictUntilMs = Math.max(this.#strictUntilMs, untilMs);
    if (!bySecond || untilMs <= this.#untilMs) return;
    this.#untilMs = untilMs;
    this.#triedAtMs = nowMs;
  }

  /** AMP took a request. */
  delivered(): void {
    this.#asked = undefined;
    this.#untilMs = -Infinity;
  }

  end(): void {
    this.#asked = undefined;
    this.#strictUntilMs = -Infinity;
    this.#untilMs = -Infinity;
  }

  mayTake(nowMs: number): boolean {
    return this.nextTakeAtMs <= nowMs;
  }

  /** When the next batch may be taken. */
  get nextTakeAtMs(): number {
    return Math.max(this.#strictUntilMs, Math.min(this.#untilMs, this.#triedAtMs + TRY_EVERY_MS));
  }

  /** A batch is sent. */
  took(nowMs: number): void {
    this.#triedAtMs = nowMs;
  }
}
