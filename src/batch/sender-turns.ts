/**
 * Keys whose parcels share no batch because of their sender, by its address: the addresses take turns, one key each. So
 * a sender with many connections whose requests hang does not keep another isolated sender waiting.
 */
import { Fifo } from './fifo.ts';
import type { KeyQueue } from './parcel-queue.ts';

export class SenderTurns {
  /** In the order of their turns. */
  readonly #senders = new Map<string, Fifo<KeyQueue>>();
  #length = 0;

  /** Keys of all senders. */
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

  /** The oldest key of the sender whose turn it is. */
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
