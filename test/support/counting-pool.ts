import { BufferPool, type Lease } from '../../src/memory/buffer-pool.ts';

/** A pool that knows how much of its memory is lent. */
export class CountingPool extends BufferPool {
  /** Bytes of the memory behind the leases that nobody has given back. */
  lentBytes = 0;

  override take(bytes: number): Lease {
    const lease = super.take(bytes);
    this.lentBytes += lease.buffer.buffer.byteLength;
    return lease;
  }

  override keep(memory: ArrayBuffer): void {
    this.lentBytes -= memory.byteLength;
    super.keep(memory);
  }
}
