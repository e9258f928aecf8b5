/** Copying this is faster than Array.from; a queue is made for each batch of a key. */
const EMPTY: readonly undefined[] = Array.from({ length: 16 }, () => undefined);

/**
 * A first-in first-out ring that doubles when full. Holds references only; once grown, a push allocates nothing.
 * Array.prototype.shift would move every element, and a queue grows long in an outage.
 */
export class Fifo<T> {
  #ring: (T | undefined)[] = [...EMPTY];
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = item;
    this.#length += 1;
  }

  peek(): T | undefined {
    return this.#ring[this.#head];
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length -= 1;
    return item;
  }

  /** Keeps the items for which `isKept` returns true, in their order. */
  retain(isKept: (item: T) => boolean): void {
    for (let left = this.#length; left > 0; left -= 1) {
      const item = this.shift();
      if (item !== undefined && isKept(item)) this.push(item);
    }
  }

  #grow(): void {
    const old = this.#ring;
    const ring: (T | undefined)[] = Array.from({ length: old.length * 2 });
    for (let index = 0; index < this.#length; index += 1) ring[index] = old[(this.#head + index) & (old.length - 1)];
    this.#ring = ring;
    this.#head = 0;
  }
}
