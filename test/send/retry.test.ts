import fc from 'fast-check';
import { expect, test } from 'vitest';
import { retryWaitMs } from '../../src/send/retry.ts';

const LIMITS = { minMs: 30, maxMs: 5000 };

test('the range doubles with every attempt, from minMs', () => {
  // 30 * 2^n, hand computed; random() just below 1 gives the end of the range.
  const almostOne = 1 - 1e-12;
  const ends = [1, 2, 3, 4].map((attempt) => Math.round(retryWaitMs(LIMITS, attempt, undefined, almostOne)));
  expect(ends).toEqual([60, 120, 240, 480]);
  expect([1, 2, 3, 4].map((attempt) => retryWaitMs(LIMITS, attempt, undefined, 0))).toEqual([30, 30, 30, 30]);
});

test('is never below minMs nor above maxMs, and never NaN, for any attempt', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (attempt, random) => {
        const waitMs = retryWaitMs(LIMITS, attempt, undefined, random);
        expect(waitMs).toBeGreaterThanOrEqual(30);
        expect(waitMs).toBeLessThanOrEqual(5000);
      },
    ),
  );
});

test('Retry-After is a floor, with jitter on top so that shards do not come back together', () => {
  expect(retryWaitMs(LIMITS, 1, 7000, 0)).toBe(7000);
  expect(retryWaitMs(LIMITS, 1, 7000, 0.5)).toBe(7015);
});

test('Retry-After of 0 does not shorten the wait', () => {
  expect(retryWaitMs(LIMITS, 3, 0, 0.5)).toBe(retryWaitMs(LIMITS, 3, undefined, 0.5));
});
