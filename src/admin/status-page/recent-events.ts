/** Recent events: one entry per kind, in the order of their last occurrence. */

import { MAX_PROBLEMS } from '../../metrics/snapshot-fields.ts';

/** Beyond this number the kind with the oldest occurrence is forgotten. */
export const MAX_KINDS = MAX_PROBLEMS;

export interface Happened<Details> {
  /** The details of the last occurrence. */
  readonly details: Details;
  readonly count: number;
  /** Ms since the epoch, as is `lastAtMs`. */
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

export class RecentEvents<Details> {
  readonly #byKind = new Map<string, Happened<Details>>();

  add(kind: string, details: Details, nowMs: number): void {
    const { count = 0, firstAtMs = nowMs } = this.#byKind.get(kind) ?? {};
    this.#byKind.delete(kind);
    this.#byKind.set(kind, { details, count: count + 1, firstAtMs, lastAtMs: nowMs });
    const [oldest] = this.#byKind.keys();
    if (oldest !== undefined && this.#byKind.size > MAX_KINDS) this.#byKind.delete(oldest);
  }

  /** Returns all events, the latest last. */
  all(): readonly Happened<Details>[] {
    return [...this.#byKind.values()];
  }
}
