/**
 * Holds batches that wait for their next attempt, in the order in which they are due, separately for each lane. They
 * hold no shard.
 *
 * It is bounded like the queue before it: waiting samples count against `capacity` again, and their bytes stay in
 * `max_inflight_bytes`. A parcel that is settled while it waits (its deadline passes, its sender has gone, the proxy
 * ends) releases both immediately.
 */
import type { Lane } from './lane.ts';
import type { Parcel } from '../parcel/parcel.ts';
import type { BatchDelivery } from './batch-delivery.ts';
import { BinaryHeap } from './binary-heap.ts';

/** Counts the waiting parcels against the capacity. */
export interface HeldCapacity {
  hold(parcel: Parcel): void;
  unhold(parcel: Parcel): void;
}

interface Entry {
  readonly delivery: BatchDelivery;
  readonly dueAtMs: number;
  /** The delivery's value when it began to wait: the order in a heap must not change. */
  readonly deliveredAtMs: number;
  /** Orders entries that are due at the same time. */
  readonly number: number;
}

/** The waiting entries by their due time, and the due ones in the order in which they go. */
interface LaneQueue {
  readonly waiting: BinaryHeap<Entry>;
  readonly due: BinaryHeap<Entry>;
}

const byTime = (a: Entry, b: Entry): boolean => (a.dueAtMs === b.dueAtMs ? a.number < b.number : a.dueAtMs < b.dueAtMs);
const byNumber = (a: Entry, b: Entry): boolean => a.number < b.number;
/** Compares entries: the connection that delivered last is the least likely cause of the failure. */
const byInnocence = (a: Entry, b: Entry): boolean =>
  // Subtraction would give NaN for two that never delivered.
  a.deliveredAtMs === b.deliveredAtMs ? a.number < b.number : a.deliveredAtMs > b.deliveredAtMs;

const makeLane = (first: (a: Entry, b: Entry) => boolean): LaneQueue => ({
  waiting: new BinaryHeap(byTime),
  due: new BinaryHeap(first),
});

export class RetryQueue {
  readonly #capacity: HeldCapacity;
  readonly #lanes: Readonly<Record<Lane, LaneQueue>> = {
    shared: makeLane(byNumber),
    suspect: makeLane(byInnocence),
    isolated: makeLane(byNumber),
  };
  #added = 0;
  #batches = 0;
  #samples = 0;

  /** @param capacity the capacity that the waiting parcels count against */
  constructor(capacity: HeldCapacity) {
    this.#capacity = capacity;
  }

  /** The number of waiting batches. */
  get batches(): number {
    return this.#batches;
  }

  /** The number of samples and histograms in them. */
  get samples(): number {
    return this.#samples;
  }

  /** Adds a batch that is not in flight and has pending parcels. */
  add(delivery: BatchDelivery): void {
    delivery.becomeWaiting();
    this.#batches += 1;
    const waitingIn = { forget: (parcel: Parcel) => this.#forget(delivery, parcel) };
    for (const parcel of delivery.pending()) {
      parcel.waitingIn = waitingIn;
      this.#capacity.hold(parcel);
      this.#samples += parcel.sampleCount;
    }
    this.#push(delivery);
  }

  /** Called when the attempt of a waiting batch is due at another time: `delivery.dueAtMs` was changed. */
  reschedule(delivery: BatchDelivery): void {
    if (delivery.state === 'waiting') this.#push(delivery);
  }

  /** Takes the next batch of the lane that is due. */
  tryTake(lane: Lane, nowMs: number): BatchDelivery | undefined {
    const { waiting, due } = this.#lanes[lane];
    for (let entry = waiting.peek(); entry !== undefined && entry.dueAtMs <= nowMs; entry = waiting.peek()) {
      waiting.take();
      if (isCurrent(entry, lane)) due.add(entry);
    }
    for (let entry = due.take(); entry !== undefined; entry = due.take()) {
      const { delivery } = entry;
      if (!isCurrent(entry, lane)) continue;
      this.#batches -= 1;
      delivery.becomeReady();
      for (const parcel of delivery.pending()) this.#remove(parcel);
      return delivery;
    }
    return undefined;
  }

  /** Returns when the next batch of the lane is due, in ms of the monotonic clock; in the past if one is due now. */
  nextDueAtMs(lane: Lane): number | undefined {
    const { waiting, due } = this.#lanes[lane];
    while (due.size > 0) {
      const entry = due.peek();
      if (entry !== undefined && isCurrent(entry, lane)) return entry.dueAtMs;
      due.take();
    }
    for (let entry = waiting.peek(); entry !== undefined; entry = waiting.peek()) {
      if (isCurrent(entry, lane)) return entry.dueAtMs;
      waiting.take();
    }
    return undefined;
  }

  /** Makes every waiting batch due now. */
  wake(nowMs: number): void {
    for (const { waiting } of Object.values(this.#lanes)) {
      // The copy is needed because the due entries are added to the same heap.
      for (const { delivery } of waiting.items().slice()) {
        if (delivery.state !== 'waiting' || delivery.dueAtMs <= nowMs) continue;
        delivery.dueAtMs = nowMs;
        this.#push(delivery);
      }
    }
  }

  /** Called when a parcel of a waiting batch was settled. */
  #forget(delivery: BatchDelivery, parcel: Parcel): void {
    this.#remove(parcel);
    parcel.releaseBody();
    if (delivery.pending().length > 0) return;
    this.#batches -= 1;
    delivery.becomeEnded();
  }

  #remove(parcel: Parcel): void {
    parcel.waitingIn = undefined;
    this.#capacity.unhold(parcel);
    this.#samples -= parcel.sampleCount;
  }

  #push(delivery: BatchDelivery): void {
    this.#added += 1;
    const { lane, dueAtMs, deliveredAtMs } = delivery;
    this.#lanes[lane].waiting.add({ delivery, dueAtMs, deliveredAtMs, number: this.#added });
  }
}

/** Returns false for an entry whose batch has ended, was taken, or is due at another time or in another lane now. */
function isCurrent({ delivery, dueAtMs }: Entry, lane: Lane): boolean {
  return delivery.state === 'waiting' && delivery.dueAtMs === dueAtMs && delivery.lane === lane;
}
