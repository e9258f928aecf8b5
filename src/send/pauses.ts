/** Waits between attempts that can all be cut short: to try at once (`wake`), or for good (`stop`). */
export class Pauses {
  readonly #ends = new Set<() => void>();
  #stopped = false;

  /** False when it is over because of `stop`. */
  async pause(waitMs: number): Promise<boolean> {
    if (this.#stopped) return false;
    await new Promise<void>((resolve) => {
      const ends = this.#ends;
      const timer = setTimeout(end, waitMs);
      ends.add(end);
      function end(): void {
        clearTimeout(timer);
        ends.delete(end);
        resolve();
      }
    });
    return !this.#stopped;
  }

  wake(): void {
    for (const end of this.#ends) end();
  }

  stop(): void {
    this.#stopped = true;
    this.wake();
  }
}
