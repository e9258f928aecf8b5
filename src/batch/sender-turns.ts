/**
 * Holds keys whose parcels share no batch because of their sender. The senders' addresses take turns, one key each, so
 * that a sender with many hanging connections does not keep another isolated sender waiting.
 */
import { Fifo } from './fifo.ts';
import type { KeyQueue } from './parcel-queue.ts';

export class SenderTurns {
  /** The senders in the order of their turns. */
  readonly #senders = new Map<string, Fifo<KeyQueue>>();
  #length = 0;

  /** The number of keys of all senders. */
  get length(): number {
    return this.#length;
  }

  /** Adds a key that has a parcel. */
  push(queue: KeyQueue): void {
    const sender = queue.parcels.peek()?.sender ?? '';
    let keys = this.#senders.get(sender);
    if (keys === undefined) {
      keys = new Fifo();
      this.#senders.set(sender, keys);
    }
    keys.push(queue);
    this.#length += 1;
  }

  /** Returns the oldest key of the sender whose turn it is. */
  shift(): KeyQueue | undefined {
    for (const [sender, keys] of this.#senders) {
      const queue = keys.shift();
      this.#senders.delete(sender);
      if (keys.length > 0) this.#senders.set(sender, keys);
      this.#length -= 1;
      return queue;
    }
    return undefined;
  }
}
