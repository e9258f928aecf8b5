/**
 * The time that the current state of a connection may last. It counts from the first sweep, so that a request needs no
 * clock reading, and a state may last up to two sweeps longer.
 */
export class StateTimeout {
  #timeoutMs: number;
  /** Ms of the monotonic clock; undefined before the first sweep. */
  #endsAtMs: number | undefined;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Called when a state begins. */
  begin(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs;
    this.#endsAtMs = undefined;
  }

  /** Returns true if the state has lasted too long. Called by every sweep. */
  isOver(nowMs: number): boolean {
    this.#endsAtMs ??= nowMs + this.#timeoutMs;
    return nowMs >= this.#endsAtMs;
  }
}
