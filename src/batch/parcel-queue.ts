/**
 * queue: parcels that wait for a batch, a FIFO per merge key, bounded together by `capacity`.
 *
 * Contract: a parcel is added once and leaves once, by being taken into a batch or because it was settled while it
 * waited (its sender went away, its time was up). Weight is samples plus histograms.
 */
import { Fifo } from './fifo.ts';
import type { MergeKey } from '../parcel/merge-key.ts';
import type { Parcel } from '../parcel/parcel.ts';

/** The parcels of one merge key. `waiting` hopes for company, `ready` goes with the next free shard. */
export class KeyQueue {
  readonly key: MergeKey;
  readonly parcels: Fifo<Parcel> = new Fifo();
  state: 'empty' | 'waiting' | 'ready' = 'empty';
  weight = 0;
  /** Parcels that were settled as they waited and are still in line. */
  tombstones = 0;
  /** Compressed bytes. */
  bytes = 0;

  constructor(key: MergeKey) {
    this.key = key;
  }
}

const SHARE_OF_FREE = 3;

export class ParcelQueue {
  /** Samples, histograms and metadata entries that may wait. */
  readonly capacity: number;
  readonly #keys = new Map<string, KeyQueue>();
  /** What each sender has waiting, by its address. */
  readonly #senders = new Map<string, number>();
  /** Parcels of each key that wait for another attempt. */
  readonly #held = new Map<string, number>();
  #weight = 0;
  #parcels = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** What waits, in the unit of `capacity`: samples, histograms and metadata entries. */
  get weight(): number {
    return this.#weight;
  }

  get parcels(): number {
    return this.#parcels;
  }

  get keys(): number {
    return this.#keys.size;
  }

  /**
   * Refuses (undefined) when the parcel does not fit, or when it is more than its sender's share: three times what is
   * left free, as for bytes (receive/access/byte-budget.ts). The first of a key or of a sender may go over, up to twice the
   * capacity, so that one that floods cannot keep the others out, and those who invent keys cannot do without end.
   */
  tryAdd(parcel: Parcel): KeyQueue | undefined {
    const { mergeKey } = parcel;
    let queue = this.#keys.get(mergeKey.id);
    const held = this.#senders.get(parcel.sender) ?? 0;
    const free = this.capacity - this.#weight - parcel.room;
    // A key that no other parcel has says nothing about who else has a place.
    const isFirstOfKey = queue === undefined && mergeKey.kind === 'shared' && !this.#held.has(mergeKey.id);
    const isFirst = isFirstOfKey || (held === 0 && parcel.sender !== '');
    const fits = isFirst ? free >= -this.capacity : free >= 0;
    if (this.#weight > 0 && !fits) return undefined;
    if (!isFirst && parcel.sender !== '' && held + parcel.room > SHARE_OF_FREE * free) return undefined;
    if (queue === undefined) {
      queue = new KeyQueue(mergeKey);
      this.#keys.set(mergeKey.id, queue);
    }
    queue.parcels.push(parcel);
    parcel.waitingIn = this;
    this.#count(queue, parcel, 1);
    return queue;
  }

  /** A parcel was settled while it waits: its room and its memory are free at once. Called by the parcel. */
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

  /** The oldest parcel of the key that still waits for an outcome; settled ones before it are let go. */
  peek(queue: KeyQueue): Parcel | undefined {
    for (;;) {
      const parcel = queue.parcels.peek();
      if (parcel === undefined || !parcel.settled) return parcel;
      this.shift(queue);
    }
  }

  /** Takes the oldest parcel of the key out; who calls owns it now. */
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

  /** A parcel that waits for another attempt takes its place of the capacity again, even where none is left. */
  hold(parcel: Parcel): void {
    const { id } = parcel.mergeKey;
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
    this.#take(parcel, 1);
  }

  /** It does not wait any more. */
  unhold(parcel: Parcel): void {
    const { id } = parcel.mergeKey;
    const left = (this.#held.get(id) ?? 0) - 1;
    if (left > 0) this.#held.set(id, left);
    else this.#held.delete(id);
    this.#take(parcel, -1);
  }

  #count(queue: KeyQueue, parcel: Parcel, sign: 1 | -1): void {
    queue.weight += sign * parcel.weight;
    queue.bytes += sign * parcel.bodyBytes;
    this.#take(parcel, sign);
  }

  #take(parcel: Parcel, sign: 1 | -1): void {
    this.#weight += sign * parcel.room;
    this.#parcels += sign;
    if (parcel.sender === '') return;
    const held = (this.#senders.get(parcel.sender) ?? 0) + sign * parcel.room;
    if (held > 0) this.#senders.set(parcel.sender, held);
    else this.#senders.delete(parcel.sender);
  }
}
