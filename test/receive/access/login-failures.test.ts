import { describe, expect, test } from 'vitest';
import { LoginFailures } from '../../../src/receive/access/login-failures.ts';

describe('login failures', () => {
  test('slow the refusals of their address only, more with each, up to four a second', () => {
    const failures = new LoginFailures();
    const waits: number[] = [];
    for (let nowMs = 0; waits.length < 12;) {
      failures.note('10.0.0.1', nowMs);
      const waitMs = failures.takeWaitMs('10.0.0.1', nowMs);
      waits.push(waitMs);
      nowMs += waitMs;
    }
    expect(waits[0]).toBe(0);
    expect(waits.slice(1)).toEqual(waits.slice(1).toSorted((a, b) => a - b));
    expect(waits.at(-1)).toBe(250);
    expect([failures.of('10.0.0.1', 0), failures.of('10.0.0.2', 0)]).toEqual([12, 0]);
    expect(failures.takeWaitMs('10.0.0.2', 0)).toBe(0);
  });

  test('of many connections at once wait behind one another, 10 s at most', () => {
    const failures = new LoginFailures();
    for (let count = 0; count < 20; count += 1) failures.note('10.0.0.1', 0);
    const waits = Array.from({ length: 100 }, () => failures.takeWaitMs('10.0.0.1', 0));
    expect(waits.slice(0, 4)).toEqual([0, 250, 500, 750]);
    expect(Math.max(...waits)).toBe(10_000);
  });

  test('are forgotten a minute after the last', () => {
    const failures = new LoginFailures();
    failures.note('10.0.0.1', 0);
    failures.note('10.0.0.1', 30_000);
    expect(failures.of('10.0.0.1', 89_999)).toBe(2);
    expect(failures.of('10.0.0.1', 90_000)).toBe(0);
  });

  test('are remembered of 10,000 addresses at most, the latest', () => {
    const failures = new LoginFailures();
    for (let index = 0; index < 10_500; index += 1) failures.note(`10.0.${index >> 8}.${index & 255}`, 0);
    expect(failures.size).toBe(10_000);
    expect([failures.of('10.0.0.0', 0), failures.of('10.0.41.3', 0)]).toEqual([0, 1]);
  });
});
