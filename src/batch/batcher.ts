/**
 * batch: takes parcels of one merge key from the queue and joins them, in their order, up to `maxSamples` and `maxBytes`.
 *
 * A key is `ready` when its parcels fill a batch, when its oldest parcel has waited `waitMs`, when no other request is
 * expected (`release`), or immediately when no other parcel may join it. Each lane has its own ready keys, which take
 * turns, one batch each, so that a sender that floods cannot starve the others; where each parcel has a key of its own
 * because of its sender, the senders take turns. A parcel over a limit is a batch of its own and is cut as it is sent
 * (batch/split.ts). Time comes in as an argument, in ms of the monotonic clock.
 */
import { Fifo } from './fifo.ts';
import type { KeyQueue, ParcelQueue } from './parcel-queue.ts';
import type { MergeKey } from '../parcel/merge-key.ts';
import type { Parcel } from '../parcel/parcel.ts';
import type { BatchLimits } from '../send/batch-limits.ts';
import type { Lane } from '../send/lane.ts';
import { SenderTurns } from './sender-turns.ts';

/** Keys that are ready, in the order of their turns. */
interface ReadyKeys {
  readonly length: number;
  push(queue: KeyQueue): void;
  shift(): KeyQueue | undefined;
}

export interface Batch {
  readonly parcels: Parcel[];
  readonly lane: Lane;
}

const LANE_OF: Readonly<Record<MergeKey['kind'], Lane>> = {
  shared: 'shared',
  unmergeable: 'shared',
  unproven: 'suspect',
  isolated: 'isolated',
};

export class Batcher {
  /** The limits may change between batches. */
  limits: BatchLimits;
  readonly #queue: ParcelQueue;
  readonly #waitMs: number;
  /** Keys in the order in which their wait began. */
  readonly #waiting = new Map<KeyQueue, number>();
  readonly #ready: Readonly<Record<Lane, ReadyKeys>> = {
    shared: new Fifo<KeyQueue>(),
    suspect: new SenderTurns(),
    isolated: new SenderTurns(),
  };

  constructor(queue: ParcelQueue, limits: BatchLimits, waitMs: number) {
    this.#queue = queue;
    this.limits = limits;
    this.#waitMs = waitMs;
  }

  /** Returns true if the shared lane has a batch now, even if nobody has looked since its wait ended. */
  hasReady(nowMs: number): boolean {
    return (this.nextDueAtMs('shared') ?? Infinity) <= nowMs;
  }

  /** Returns false when the queue is at its capacity. */
  tryAdd(parcel: Parcel, nowMs: number): boolean {
    const queue = this.#queue.tryAdd(parcel);
    if (queue === undefined) return false;
    if (queue.state !== 'ready') this.#arrange(queue, nowMs, nowMs);
    return true;
  }

  /**
   * Returns the time at which the lane has a batch: -Infinity when it has one already; undefined when nothing waits.
   * Parcels that a full batch left behind may be up to `waitMs` late.
   */
  nextDueAtMs(lane: Lane): number | undefined {
    if (this.#ready[lane].length > 0) return -Infinity;
    if (lane === 'shared') for (const since of this.#waiting.values()) return since + this.#waitMs;
    return undefined;
  }

  /** Returns true if a key of the lane is ready. */
  isReady(lane: Lane): boolean {
    return this.#ready[lane].length > 0;
  }

  /** Called when no other request is expected: all waiting keys become ready. */
  release(): void {
    for (const queue of this.#waiting.keys()) this.#makeReady(queue);
  }

  /** Returns the next batch of a lane, or undefined when none of its keys is ready. */
  tryTake(lane: Lane, nowMs: number): Batch | undefined {
    if (lane === 'shared') this.#makeDueReady(nowMs);
    for (;;) {
      const queue = this.#ready[lane].shift();
      if (queue === undefined) return undefined;
      queue.take();
      const batch = this.#take(queue);
      const rest = this.#queue.peek(queue);
      if (rest !== undefined) this.#arrange(queue, rest.queuedAtMs, nowMs);
      if (batch !== undefined) return batch;
    }
  }

  /** Only keys of the shared lane wait. */
  #makeDueReady(nowMs: number): void {
    for (const [queue, since] of this.#waiting) {
      if (since + this.#waitMs > nowMs) break;
      this.#makeReady(queue);
    }
  }

  #take(queue: KeyQueue): Batch | undefined {
    const first = this.#queue.peek(queue);
    if (first === undefined) return undefined;
    const { maxSamples, maxBytes } = this.limits;
    const parcels = [first];
    let sampleCount = first.sampleCount;
    let bytes = first.bodyBytes;
    this.#queue.shift(queue);
    const lane = LANE_OF[queue.key.kind];
    for (;;) {
      const next = this.#queue.peek(queue);
      if (next === undefined) break;
      sampleCount += next.sampleCount;
      bytes += next.bodyBytes;
      if (sampleCount > maxSamples || bytes > maxBytes) break;
      parcels.push(next);
      this.#queue.shift(queue);
    }
    return { parcels, lane };
  }

  #arrange(queue: KeyQueue, sinceMs: number, nowMs: number): void {
    const full = queue.sampleCount >= this.limits.maxSamples || queue.bytes >= this.limits.maxBytes;
    if (queue.key.kind !== 'shared' || full || sinceMs + this.#waitMs <= nowMs) {
      this.#makeReady(queue);
    } else if (queue.state === 'empty') {
      queue.wait();
      this.#waiting.set(queue, sinceMs);
    }
  }

  #makeReady(queue: KeyQueue): void {
    this.#waiting.delete(queue);
    queue.makeReady();
    this.#ready[LANE_OF[queue.key.kind]].push(queue);
  }
}
