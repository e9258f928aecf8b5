/**
 * Limits warnings that come with every attempt while something is wrong: the first of a kind is logged immediately, and
 * after that one line per interval says how many more there were. An outage thus fills no disk, and its cause stays
 * visible.
 */
interface Recurrence {
  loggedAtMs: number;
  unlogged: number;
}

const INTERVAL_MS = 10_000;
/** The most kinds that are told apart, since an upstream's messages are not bounded otherwise. */
const MAX_KINDS = 50;

export class RecurringLog {
  readonly #warn: (fields: object, message: string) => void;
  readonly #nowMs: () => number;
  readonly #kinds = new Map<string, Recurrence>();

  constructor(warn: (fields: object, message: string) => void, nowMs: () => number) {
    this.#warn = warn;
    this.#nowMs = nowMs;
  }

  /** @param kind identifies equal warnings; their messages may differ */
  warn(kind: string, fields: object, message: string): void {
    const nowMs = this.#nowMs();
    const known = this.#kinds.get(kind);
    if (known === undefined) {
      if (this.#kinds.size >= MAX_KINDS) this.#kinds.clear();
      this.#kinds.set(kind, { loggedAtMs: nowMs, unlogged: 0 });
      this.#warn(fields, message);
      return;
    }
    known.unlogged += 1;
    if (nowMs - known.loggedAtMs < INTERVAL_MS) return;
    this.#warn({ ...fields, recurred: known.unlogged }, message);
    known.loggedAtMs = nowMs;
    known.unlogged = 0;
  }
}
