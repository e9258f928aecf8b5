/**
 * Reusable memory for bodies. Every Buffer over 4 KiB is memory outside V8's heap. At a million samples a second they
 * come so fast that V8 would collect all garbage dozens of times a second to free them (a third of the CPU at 2000
 * samples a request, bench/throughput/main.ts). Its last holder releases a lease, once; a lease that is never released is
 * merely garbage-collected.
 */

/** The sizes that are kept: powers of two and the halves between them, so that less than a third of each lies idle. */
const CLASSES: readonly number[] = Array.from({ length: 17 }, (_, index) =>
  index % 2 === 0 ? 4096 << (index / 2) : 6144 << ((index - 1) / 2),
);
const LARGEST_BYTES = 1024 * 1024;

export class Lease {
  /** Exactly the bytes asked for, not cleared. Must not be touched after `release`. */
  readonly buffer: Buffer;
  readonly #pool: BufferPool;
  #memory: ArrayBuffer | undefined;

  constructor(pool: BufferPool, memory: ArrayBuffer, bytes: number) {
    this.#pool = pool;
    this.#memory = memory;
    this.buffer = Buffer.from(memory, 0, bytes);
  }

  /** Returns the memory to the pool; a second call does nothing. */
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

  /** @param maxIdleBytes the most memory kept for later use */
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

  /** Called by Lease. */
  keep(memory: ArrayBuffer): void {
    if (this.#idleBytes + memory.byteLength > this.#maxIdleBytes) return;
    const kept = this.#idle[CLASSES.indexOf(memory.byteLength)];
    if (kept === undefined) return;
    kept.push(memory);
    this.#idleBytes += memory.byteLength;
  }
}
