/**
 * queue: parcels that wait for a batch, a FIFO per merge key, bounded together by `capacity`.
 *
 * Contract: a parcel is added once and leaves once, by being taken into a batch or because it was settled while it
 * waited (its sender went away, its deadline passed).
 */
import { Fifo } from './fifo.ts';
import type { MergeKey } from '../parcel/merge-key.ts';
import type { Parcel } from '../parcel/parcel.ts';

type KeyState = 'empty' | 'waiting' | 'ready';

const NEXT: Readonly<Record<KeyState, readonly KeyState[]>> = {
  empty: ['waiting', 'ready'],
  waiting: ['ready'],
  ready: ['empty'],
};

/**
 * The parcels of one merge key.
 *
 *     empty -> waiting -> ready -> empty
 *     empty -> ready                       its parcels wait for no others
 *
 * empty    nothing waits, or its parcels are being taken
 * waiting  it waits for other requests to share its batch
 * ready    it goes to the next free shard
 */
export class KeyQueue {
  readonly key: MergeKey;
  readonly parcels: Fifo<Parcel> = new Fifo();
  #state: KeyState = 'empty';
  sampleCount = 0;
  /** Parcels that were settled while they waited and have not been removed yet. */
  tombstones = 0;
  /** The compressed bytes of all its parcels. */
  bytes = 0;

  constructor(key: MergeKey) {
    this.key = key;
  }

  get state(): KeyState {
    return this.#state;
  }

  /** The key waits from now on for requests that may share its batch. */
  wait(): void {
    this.#become('waiting');
  }

  /** The key has a batch. */
  makeReady(): void {
    this.#become('ready');
  }

  /** A batch is taken from it. */
  take(): void {
    this.#become('empty');
  }

  #become(next: KeyState): void {
    if (!NEXT[this.#state].includes(next)) throw new Error(`a key that is ${this.#state} does not become ${next}`);
    this.#state = next;
  }
}

const SHARE_OF_FREE = 3;

export class ParcelQueue {
  /** The samples, histograms and metadata entries that may wait. */
  readonly capacity: number;
  readonly #keys = new Map<string, KeyQueue>();
  /** The capacity cost of each sender's waiting parcels, by its address. */
  readonly #senders = new Map<string, number>();
  /** The number of parcels of each key that wait for another attempt. */
  readonly #held = new Map<string, number>();
  #capacityUsed = 0;
  #parcels = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** The capacity cost of the waiting parcels: samples, histograms and metadata entries. */
  get capacityUsed(): number {
    return this.#capacityUsed;
  }

  get parcels(): number {
    return this.#parcels;
  }

  get keys(): number {
    return this.#keys.size;
  }

  /**
   * Returns undefined to refuse a parcel that does not fit or exceeds its sender's share: three times the free
   * capacity, as for bytes (receive/access/byte-budget.ts). The first parcel of a key or of a sender may exceed the
   * capacity, up to twice, so that a sender that floods cannot keep the others out, and senders that invent keys cannot
   * exceed it without end.
   */
  tryAdd(parcel: Parcel): KeyQueue | undefined {
    const { mergeKey } = parcel;
    let queue = this.#keys.get(mergeKey.id);
    const held = this.#senders.get(parcel.sender) ?? 0;
    const free = this.capacity - this.#capacityUsed - parcel.capacityCost;
    // A key that no other parcel has says nothing about the other senders' places.
    const isFirstOfKey = queue === undefined && mergeKey.kind === 'shared' && !this.#held.has(mergeKey.id);
    const isFirst = isFirstOfKey || (held === 0 && parcel.sender !== '');
    const fits = isFirst ? free >= -this.capacity : free >= 0;
    if (this.#capacityUsed > 0 && !fits) return undefined;
    if (!isFirst && parcel.sender !== '' && held + parcel.capacityCost > SHARE_OF_FREE * free) return undefined;
    if (queue === undefined) {
      queue = new KeyQueue(mergeKey);
      this.#keys.set(mergeKey.id, queue);
    }
    queue.parcels.push(parcel);
    parcel.waitingIn = this;
    this.#count(queue, parcel, 1);
    return queue;
  }

  /** Called by a parcel that is settled while it waits: its capacity and its memory are free immediately. */
  forget(parcel: Parcel): void {
    const queue = this.#keys.get(parcel.mergeKey.id);
    parcel.waitingIn = undefined;
    parcel.releaseBody();
    if (queue === undefined) return;
    this.#count(queue, parcel, -1);
    queue.tombstones += 1;
    if (queue.tombstones < 64 || queue.tombstones * 2 < queue.parcels.length) return;
    queue.parcels.retain((waiting) => !waiting.settled);
    queue.tombstones = 0;
    if (queue.parcels.length === 0) this.#keys.delete(queue.key.id);
  }

  /** Returns the oldest parcel of the key that still waits for an outcome; settled parcels before it are removed. */
  peek(queue: KeyQueue): Parcel | undefined {
    for (;;) {
      const parcel = queue.parcels.peek();
      if (parcel === undefined || !parcel.settled) return parcel;
      this.shift(queue);
    }
  }

  /** Takes the oldest parcel of the key out; the caller then owns it. */
  shift(queue: KeyQueue): void {
    const parcel = queue.parcels.shift();
    if (parcel?.waitingIn === undefined) queue.tombstones = Math.max(0, queue.tombstones - 1);
    else {
      parcel.waitingIn = undefined;
      this.#count(queue, parcel, -1);
    }
    // A key without parcels is forgotten, so that a sender that invents labels leaves nothing behind.
    if (queue.parcels.length === 0) this.#keys.delete(queue.key.id);
  }

  /** Counts a parcel that waits for another attempt against the capacity again, even if none is left. */
  hold(parcel: Parcel): void {
    const { id } = parcel.mergeKey;
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
    this.#take(parcel, 1);
  }

  /** Called when the parcel no longer waits. */
  unhold(parcel: Parcel): void {
    const { id } = parcel.mergeKey;
    const left = (this.#held.get(id) ?? 0) - 1;
    if (left > 0) this.#held.set(id, left);
    else this.#held.delete(id);
    this.#take(parcel, -1);
  }

  #count(queue: KeyQueue, parcel: Parcel, sign: 1 | -1): void {
    queue.sampleCount += sign * parcel.sampleCount;
    queue.bytes += sign * parcel.bodyBytes;
    this.#take(parcel, sign);
  }

  #take(parcel: Parcel, sign: 1 | -1): void {
    this.#capacityUsed += sign * parcel.capacityCost;
    this.#parcels += sign;
    if (parcel.sender === '') return;
    const held = (this.#senders.get(parcel.sender) ?? 0) + sign * parcel.capacityCost;
    if (held > 0) this.#senders.set(parcel.sender, held);
    else this.#senders.delete(parcel.sender);
  }
}
