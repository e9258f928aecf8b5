import { describe, expect, test } from 'vitest';
import { Breaker, PROBES } from '../../src/send/breaker.ts';

function makeBreaker(): { breaker: Breaker; opened: () => number } {
  let opened = 0;
  const breaker = new Breaker(() => {
    opened += 1;
  });
  return { breaker, opened: () => opened };
}

/** Fails at each of these moments. */
function fail(breaker: Breaker, ...moments: readonly number[]): void {
  for (const nowMs of moments) breaker.failed(nowMs);
}

describe('closed', () => {
  test('takes every parcel', () => {
    const { breaker } = makeBreaker();
    expect(breaker.isOpen).toBe(false);
    expect(breaker.mayTake(1_000_000)).toBe(true);
  });

  test.each([
    ['many failures in less than 5 s', Array.from({ length: 1000 }, (_, index) => 100 + index * 4.99)],
    ['one slow attempt', [0, 60_000]],
  ])('%s leave it closed', (_what, moments) => {
    const { breaker, opened } = makeBreaker();
    fail(breaker, ...moments);
    expect([breaker.isOpen, opened()]).toEqual([false, 0]);
  });

  test('it opens with the third failure, 5 s after the first, and says so once', () => {
    const { breaker, opened } = makeBreaker();
    fail(breaker, 1000, 3000, 5999);
    expect(breaker.isOpen).toBe(false);
    fail(breaker, 6000);
    expect([breaker.isOpen, opened()]).toEqual([true, 1]);
    fail(breaker, 7000, 20_000);
    expect(opened()).toBe(1);
  });

  test('a success between the failures starts the count and the time anew', () => {
    const { breaker } = makeBreaker();
    fail(breaker, 0, 2000, 4000);
    breaker.succeeded();
    fail(breaker, 4500, 6000, 9400);
    expect(breaker.isOpen).toBe(false);
    fail(breaker, 9500);
    expect(breaker.isOpen).toBe(true);
  });

  test('failures before a success do not count with those after it', () => {
    const { breaker } = makeBreaker();
    fail(breaker, 0, 1);
    breaker.succeeded();
    fail(breaker, 10, 20_000);
    expect(breaker.isOpen).toBe(false);
  });

  test('it is open already when it tells that it opens', () => {
    const seen: boolean[] = [];
    const breaker: Breaker = new Breaker(() => seen.push(breaker.isOpen));
    fail(breaker, 0, 1, 5000);
    expect(seen).toEqual([true]);
  });
});

describe('open', () => {
  test('a few parcels probe, the others are refused', () => {
    const { breaker } = makeBreaker();
    fail(breaker, 0, 1, 5000);
    expect(PROBES).toBeGreaterThan(0);
    expect(PROBES).toBeLessThan(10);
    expect([0, PROBES - 1, PROBES, 1000].map((pending) => breaker.mayTake(pending))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test('the first success closes it, and it can open again', () => {
    const { breaker, opened } = makeBreaker();
    fail(breaker, 0, 1, 5000);
    breaker.succeeded();
    expect([breaker.isOpen, breaker.mayTake(1000)]).toEqual([false, true]);
    fail(breaker, 5001, 5002, 10_000);
    expect(breaker.isOpen).toBe(false);
    fail(breaker, 10_001);
    expect([breaker.isOpen, opened()]).toEqual([true, 2]);
  });

  test('successes that follow the first change nothing', () => {
    const { breaker } = makeBreaker();
    breaker.succeeded();
    breaker.succeeded();
    expect(breaker.isOpen).toBe(false);
  });
});
