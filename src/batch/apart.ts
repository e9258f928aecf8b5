/**
 * Apart: senders that lately earned a rejection. Their parcels get a merge key of their own for five minutes, so that a
 * sender that is permanently at fault costs the others no second attempt. A sender is its address and merge key.
 */
const HOLD_MS = 5 * 60_000;
/** Entries; beyond it the oldest is let go, which costs a retry and nothing else. */
const MAX_HELD = 10_000;

export class Apart {
  /** In the order of their end, as the time held is the same for all. */
  readonly #heldUntilMs = new Map<string, number>();

  get size(): number {
    return this.#heldUntilMs.size;
  }

  /** @param nowMs of the monotonic clock */
  hold(sender: string, mergeKey: string, nowMs: number): void {
    const name = nameOf(sender, mergeKey);
    this.#heldUntilMs.delete(name);
    this.#heldUntilMs.set(name, nowMs + HOLD_MS);
    for (const [oldest, untilMs] of this.#heldUntilMs) {
      if (untilMs > nowMs && this.#heldUntilMs.size <= MAX_HELD) break;
      this.#heldUntilMs.delete(oldest);
    }
  }

  /** The key that the sender's parcels are queued under: the merge key itself, or one that it shares with nobody. */
  keyFor(sender: string, mergeKey: string, nowMs: number): string {
    if (this.#heldUntilMs.size === 0) return mergeKey;
    const name = nameOf(sender, mergeKey);
    const untilMs = this.#heldUntilMs.get(name);
    return untilMs === undefined || untilMs <= nowMs ? mergeKey : name;
  }
}

const PREFIX = 'apart ';

/** Of another form than what decode makes. A parcel that was apart already has it as its key. */
function nameOf(sender: string, mergeKey: string): string {
  return mergeKey.startsWith(PREFIX) ? mergeKey : `${PREFIX}${sender} ${mergeKey}`;
}
