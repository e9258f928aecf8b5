import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ShardLimit } from '../../src/send/shard-limit.ts';

function deliver(limit: ShardLimit, times: number, workWaits = true): void {
  for (let count = 0; count < times; count += 1) limit.delivered(workWaits);
}

describe('increase', () => {
  test('the limit starts at min and rises by one for each delivery while work waits', () => {
    const limit = new ShardLimit(2, 50);
    expect(limit.shards).toBe(2);
    deliver(limit, 1);
    expect(limit.shards).toBe(3);
    deliver(limit, 7);
    expect(limit.shards).toBe(10);
  });

  test('the limit does not change while nothing waits', () => {
    const limit = new ShardLimit(2, 50);
    deliver(limit, 100, false);
    expect(limit.shards).toBe(2);
  });

  test('the limit never exceeds max', () => {
    const limit = new ShardLimit(1, 5);
    deliver(limit, 1000);
    expect(limit.shards).toBe(5);
  });
});

describe('decrease', () => {
  test('the upstream asks for less: half of it, never under min', () => {
    const limit = new ShardLimit(3, 50);
    deliver(limit, 37);
    expect(limit.shards).toBe(40);
    const seen = [0, 1000, 2000, 3000, 4000].map((nowMs) => {
      limit.throttled(nowMs);
      return limit.shards;
    });
    expect(seen).toEqual([20, 10, 5, 3, 3]);
  });

  test('the answers to what was in flight when it was halved, within a second, do not halve it again', () => {
    const limit = new ShardLimit(1, 64);
    deliver(limit, 63);
    for (const nowMs of [100_000, 100_001, 100_500, 100_999]) limit.throttled(nowMs);
    expect(limit.shards).toBe(32);
    limit.throttled(101_000);
    expect(limit.shards).toBe(16);
  });

  test('an upstream that throttles from the start is met with min', () => {
    const limit = new ShardLimit(1, 64);
    limit.throttled(0);
    expect(limit.shards).toBe(1);
  });
});

test('above what was last known to be good it goes up by one for a round of deliveries', () => {
  const limit = new ShardLimit(1, 100);
  deliver(limit, 19);
  expect(limit.shards).toBe(20);
  limit.throttled(0);
  expect(limit.shards).toBe(10);
  // A round is ten deliveries; a little over, as the limit grows within it (RFC 5681, section 3.1, equation 3).
  deliver(limit, 9);
  expect(limit.shards).toBe(10);
  deliver(limit, 2);
  expect(limit.shards).toBe(11);
  deliver(limit, 12);
  expect(limit.shards).toBe(12);
});

test('the limit is a whole number from min to max, whatever happens', () => {
  const event = fc.record({ throttled: fc.boolean(), workWaits: fc.boolean(), afterMs: fc.nat(3000) });
  const bounds = fc.tuple(fc.integer({ min: 1, max: 60 }), fc.nat(60));
  fc.assert(
    fc.property(bounds, fc.array(event, { maxLength: 200 }), ([min, more], events) => {
      const limit = new ShardLimit(min, min + more);
      let nowMs = 0;
      for (const { throttled, workWaits, afterMs } of events) {
        nowMs += afterMs;
        if (throttled) limit.throttled(nowMs);
        else limit.delivered(workWaits);
        expect(Number.isInteger(limit.shards)).toBe(true);
        expect(limit.shards).toBeGreaterThanOrEqual(min);
        expect(limit.shards).toBeLessThanOrEqual(min + more);
      }
    }),
  );
});
