// Events by their time, a binary heap: what a simulation takes its next event from. Events of one time keep their order.

type Entry<T> = { readonly atMs: number; readonly order: number; readonly event: T };

export class EventQueue<T> {
  readonly #heap: Entry<T>[] = [];
  #added = 0;

  /** Infinity when there is none. */
  get nextAtMs(): number {
    return this.#heap[0]?.atMs ?? Infinity;
  }

  add(atMs: number, event: T): void {
    this.#heap.push({ atMs, order: this.#added, event });
    this.#added += 1;
    let child = this.#heap.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!this.#isBefore(child, parent)) break;
      this.#swap(child, parent);
      child = parent;
    }
  }

  /** Takes out the events that are present at the call and not after `untilMs`, in their order. */
  takeUntil(untilMs: number): T[] {
    const taken: T[] = [];
    while (this.#heap.length > 0 && this.nextAtMs <= untilMs) taken.push(this.#take());
    return taken;
  }

  #take(): T {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) throw new Error('an event was taken from an empty queue');
    if (this.#heap.length === 0) return first.event;
    this.#heap[0] = last;
    let parent = 0;
    for (;;) {
      const left = 2 * parent + 1;
      const right = left + 1;
      if (left >= this.#heap.length) break;
      const child = right < this.#heap.length && this.#isBefore(right, left) ? right : left;
      if (!this.#isBefore(child, parent)) break;
      this.#swap(child, parent);
      parent = child;
    }
    return first.event;
  }

  #isBefore(a: number, b: number): boolean {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return false;
    return one.atMs === other.atMs ? one.order < other.order : one.atMs < other.atMs;
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return;
    this.#heap[a] = other;
    this.#heap[b] = one;
  }
}
