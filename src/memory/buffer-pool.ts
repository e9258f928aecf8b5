/**
 * Memory for bodies, used again. Every Buffer over 4 KiB is memory outside V8's heap; at a million samples a second
 * they come so fast that V8 collects all garbage dozens of times a second to be rid of them (a third of the CPU at 2000
 * samples a request, bench/throughput/main.ts). A lease is given back by whoever holds it last, once; one that is forgotten
 * is merely collected.
 */

/** Sizes of what is kept: powers of two and the halves between them, so that less than a third of one lies idle. */
const CLASSES: readonly number[] = Array.from({ length: 17 }, (_, index) =>
  index % 2 === 0 ? 4096 << (index / 2) : 6144 << ((index - 1) / 2),
);
const LARGEST_BYTES = 1024 * 1024;

export class Lease {
  /** Of exactly the bytes asked for, and not cleared. Not to be touched after `release`. */
  readonly buffer: Buffer;
  readonly #pool: BufferPool;
  #memory: ArrayBuffer | undefined;

  constructor(pool: BufferPool, memory: ArrayBuffer, bytes: number) {
    this.#pool = pool;
    this.#memory = memory;
    this.buffer = Buffer.from(memory, 0, bytes);
  }

  /** Gives the memory back; a second time does nothing. */
  release(): void {
    if (this.#memory === undefined) return;
    this.#pool.keep(this.#memory);
    this.#memory = undefined;
  }
}

export class BufferPool {
  readonly #maxIdleBytes: number;
  readonly #idle: ArrayBuffer[][] = CLASSES.map(() => []);
  #idleBytes = 0;

  /** @param maxIdleBytes kept for later at most */
  constructor(maxIdleBytes: number) {
    this.#maxIdleBytes = maxIdleBytes;
  }

  get idleBytes(): number {
    return this.#idleBytes;
  }

  take(bytes: number): Lease {
    if (bytes > LARGEST_BYTES) return new Lease(this, new ArrayBuffer(bytes), bytes);
    const index = CLASSES.findIndex((size) => size >= bytes);
    const kept = this.#idle[index]?.pop();
    if (kept === undefined) return new Lease(this, new ArrayBuffer(CLASSES[index] ?? bytes), bytes);
    this.#idleBytes -= kept.byteLength;
    return new Lease(this, kept, bytes);
  }

  /** For Lease. */
  keep(memory: ArrayBuffer): void {
    if (this.#idleBytes + memory.byteLength > this.#maxIdleBytes) return;
    const kept = this.#idle[CLASSES.indexOf(memory.byteLength)];
    if (kept === undefined) return;
    kept.push(memory);
    this.#idleBytes += memory.byteLength;
  }
}
