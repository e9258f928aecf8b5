/**
 * A rest that AMP asked of all senders. One batch is tried four times a second, which burdens no server, since the
 * senders that were asked may all be at fault; the first delivery ends the rest. Time is of the monotonic clock, in ms.
 */
const TRY_EVERY_MS = 250;

export class Rest {
  #untilMs = -Infinity;
  #triedAtMs = -Infinity;

  get untilMs(): number {
    return this.#untilMs;
  }

  /** Rests until `untilMs`, or longer if a longer rest was asked for before. */
  begin(untilMs: number, nowMs: number): void {
    if (untilMs <= this.#untilMs) return;
    if (this.#untilMs <= nowMs) this.#triedAtMs = nowMs;
    this.#untilMs = untilMs;
  }

  end(): void {
    this.#untilMs = -Infinity;
  }

  mayTake(nowMs: number): boolean {
    return this.nextTakeAtMs <= nowMs;
  }

  /** The time when the next batch may be taken. */
  get nextTakeAtMs(): number {
    return Math.min(this.#untilMs, this.#triedAtMs + TRY_EVERY_MS);
  }

  /** Called when a batch is sent. */
  took(nowMs: number): void {
    this.#triedAtMs = nowMs;
  }
}
