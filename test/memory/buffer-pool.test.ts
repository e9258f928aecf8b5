import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BufferPool, type Lease } from '../../src/memory/buffer-pool.ts';

const MIB = 1024 * 1024;

/** The memory behind a lease. */
const memoryOf = ({ buffer }: Lease): ArrayBufferLike => buffer.buffer;

describe('what is lent', () => {
  test.each([0, 1, 4095, 4096, 4097, 6144, 6145, 100_000, MIB - 1, MIB, MIB + 1, 10 * MIB])(
    'a lease of %i bytes has exactly so many, and all of them can be written',
    (bytes) => {
      const { buffer } = new BufferPool(MIB).take(bytes);
      expect(buffer).toHaveLength(bytes);
      buffer.fill(0xa5);
      expect(buffer.every((byte) => byte === 0xa5)).toBe(true);
    },
  );

  test('less than a third of the memory of a lease lies idle, from 4 KiB on', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4096, max: MIB }), (bytes) => {
        const memory = memoryOf(new BufferPool(0).take(bytes)).byteLength;
        expect(memory).toBeGreaterThanOrEqual(bytes);
        expect((memory - bytes) / memory).toBeLessThan(1 / 3);
      }),
    );
  });

  test('memory that was given back is lent again', () => {
    const pool = new BufferPool(MIB);
    const first = pool.take(5000);
    const memory = memoryOf(first);
    first.release();
    expect(memoryOf(pool.take(5500))).toBe(memory);
    expect(pool.idleBytes).toBe(0);
  });

  test('memory that was lent for more than is asked for has the length that is asked for', () => {
    const pool = new BufferPool(MIB);
    const first = pool.take(6000);
    first.buffer.fill(1);
    first.release();
    const second = pool.take(4100);
    expect(second.buffer).toHaveLength(4100);
    expect(second.buffer.byteOffset).toBe(0);
  });

  test('a lease that is given back twice is lent once', () => {
    const pool = new BufferPool(MIB);
    const lease = pool.take(5000);
    lease.release();
    lease.release();
    expect(memoryOf(pool.take(5000))).not.toBe(memoryOf(pool.take(5000)));
  });

  test('a lease that is given back twice does not take the memory from whoever has it now', () => {
    const pool = new BufferPool(MIB);
    const first = pool.take(5000);
    first.release();
    const second = pool.take(5000);
    first.release();
    expect(memoryOf(pool.take(5000))).not.toBe(memoryOf(second));
  });
});

describe('what is kept', () => {
  test('no more than the pool may keep', () => {
    const pool = new BufferPool(10_000);
    const leases = [pool.take(4096), pool.take(4096), pool.take(4096)];
    for (const lease of leases) lease.release();
    expect(pool.idleBytes).toBe(8192);
  });

  test('nothing if the pool may keep nothing', () => {
    const pool = new BufferPool(0);
    const lease = pool.take(10);
    const memory = memoryOf(lease);
    lease.release();
    expect(pool.idleBytes).toBe(0);
    expect(memoryOf(pool.take(10))).not.toBe(memory);
  });

  test('nothing over 1 MiB', () => {
    const pool = new BufferPool(100 * MIB);
    pool.take(MIB + 1).release();
    pool.take(20 * MIB).release();
    expect(pool.idleBytes).toBe(0);
    pool.take(MIB).release();
    expect(pool.idleBytes).toBe(MIB);
  });

  test('no two leases ever share memory, and what lies idle is what was given back, whatever the order', () => {
    const step = fc.oneof(
      fc.record({ take: fc.integer({ min: 0, max: 1_200_000 }) }),
      fc.record({ release: fc.nat(20), twice: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 3 * MIB }), (steps, maxIdleBytes) => {
        const pool = new BufferPool(maxIdleBytes);
        const held: Lease[] = [];
        for (const one of steps) {
          if ('take' in one) held.push(pool.take(one.take));
          else if (held.length > 0) {
            const [lease] = held.splice(one.release % held.length, 1);
            lease?.release();
            if (one.twice) lease?.release();
          }
          expect(new Set(held.map(memoryOf)).size).toBe(held.length);
          expect(pool.idleBytes).toBeGreaterThanOrEqual(0);
          expect(pool.idleBytes).toBeLessThanOrEqual(maxIdleBytes);
        }
      }),
      { numRuns: 50 },
    );
  });
});
