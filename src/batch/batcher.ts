/**
 * batch: takes parcels of one merge key from the queue and joins them, in their order, up to `maxSamples` and `maxBytes`.
 *
 * A key is `ready` when its parcels fill a batch, when its oldest parcel has waited `waitMs`, or when nobody else is
 * expected (`release`); ready keys take turns, one batch each, so that a sender that floods cannot starve the others.
 * A parcel over a limit is a batch of its own and is cut by the sender (batch/split.ts).
 * Time comes in as an argument, in ms of the monotonic clock.
 */
import { Fifo } from '../queue/fifo.ts';
import type { KeyQueue, ParcelQueue } from '../queue/parcel-queue.ts';
import type { Parcel } from '../queue/parcel.ts';

export interface BatchLimits {
  /** Samples and histograms. */
  readonly maxSamples: number;
  /** Compressed bytes. */
  readonly maxBytes: number;
}

export interface Batch {
  readonly parcels: Parcel[];
  /** The only parcel is over a limit and has to be cut. */
  readonly oversized: boolean;
}

export class Batcher {
  readonly limits: BatchLimits;
  readonly #queue: ParcelQueue;
  readonly #waitMs: number;
  /** Keys in the order in which their wait began. */
  readonly #waiting = new Map<KeyQueue, number>();
  readonly #ready: Fifo<KeyQueue> = new Fifo();

  constructor(queue: ParcelQueue, limits: BatchLimits, waitMs: number) {
    this.#queue = queue;
    this.limits = limits;
    this.#waitMs = waitMs;
  }

  /** A batch could be taken now, even if nobody has looked since its wait ended. */
  hasReady(nowMs: number): boolean {
    return this.#ready.length > 0 || (this.nextDueAtMs() ?? Infinity) <= nowMs;
  }

  /** False when the queue is at its capacity. */
  tryAdd(parcel: Parcel, nowMs: number): boolean {
    const queue = this.#queue.tryAdd(parcel);
    if (queue === undefined) return false;
    if (queue.state !== 'ready') this.#arrange(queue, nowMs, nowMs);
    return true;
  }

  /** When the next key becomes ready by its wait, or undefined. A rest that a full batch left may be up to `waitMs` late. */
  nextDueAtMs(): number | undefined {
    for (const since of this.#waiting.values()) return since + this.#waitMs;
    return undefined;
  }

  /** Nobody else is expected: what waits is ready. */
  release(): void {
    for (const queue of this.#waiting.keys()) this.#makeReady(queue);
  }

  /** The next batch, or undefined when no key is ready. */
  tryTake(nowMs: number): Batch | undefined {
    for (const [queue, since] of this.#waiting) {
      if (since + this.#waitMs > nowMs) break;
      this.#makeReady(queue);
    }
    for (;;) {
      const queue = this.#ready.shift();
      if (queue === undefined) return undefined;
      queue.state = 'empty';
      const batch = this.#take(queue);
      const rest = this.#queue.peek(queue);
      if (rest !== undefined) this.#arrange(queue, rest.queuedAtMs, nowMs);
      if (batch !== undefined) return batch;
    }
  }

  #take(queue: KeyQueue): Batch | undefined {
    const first = this.#queue.peek(queue);
    if (first === undefined) return undefined;
    const { maxSamples, maxBytes } = this.limits;
    const parcels = [first];
    let weight = first.weight;
    let bytes = first.bodyBytes;
    this.#queue.shift(queue);
    if (weight > maxSamples || bytes > maxBytes) return { parcels, oversized: true };
    for (;;) {
      const next = this.#queue.peek(queue);
      if (next === undefined) break;
      weight += next.weight;
      bytes += next.bodyBytes;
      if (weight > maxSamples || bytes > maxBytes) break;
      parcels.push(next);
      this.#queue.shift(queue);
    }
    return { parcels, oversized: false };
  }

  #arrange(queue: KeyQueue, sinceMs: number, nowMs: number): void {
    const full = queue.weight >= this.limits.maxSamples || queue.bytes >= this.limits.maxBytes;
    if (full || sinceMs + this.#waitMs <= nowMs) {
      this.#makeReady(queue);
    } else if (queue.state === 'empty') {
      queue.state = 'waiting';
      this.#waiting.set(queue, sinceMs);
    }
  }

  #makeReady(queue: KeyQueue): void {
    this.#waiting.delete(queue);
    queue.state = 'ready';
    this.#ready.push(queue);
  }
}
