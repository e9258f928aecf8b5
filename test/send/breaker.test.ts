import { describe, expect, test } from 'vitest';
import type { ConnectionActivity } from '../../src/parcel/connection-activity.ts';
import { Breaker } from '../../src/send/breaker.ts';
import { makeConnection } from '../support/parcels.ts';

function makeBreaker(): { breaker: Breaker; opened: () => number } {
  let opened = 0;
  const breaker = new Breaker(() => {
    opened += 1;
  });
  return { breaker, opened: () => opened };
}

const ONE: readonly ConnectionActivity[] = [makeConnection('10.0.0.1')];

/** Fails at each of these moments, for one and the same sender. */
function fail(breaker: Breaker, ...moments: readonly number[]): void {
  for (const nowMs of moments) breaker.failed(ONE, true, nowMs);
}

describe('closed', () => {
  test.each([
    ['many failures in less than 5 s', Array.from({ length: 1000 }, (_, index) => 100 + index * 4.99)],
    ['one slow attempt', [0, 60_000]],
  ])('%s leave it closed', (_what, moments) => {
    const { breaker, opened } = makeBreaker();
    fail(breaker, ...moments);
    expect([breaker.isOpen, opened()]).toEqual([false, 0]);
  });

  test('the breaker opens with the third failure, 5 s after the first, and says so once', () => {
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

  test('the breaker is open already when it reports that it opens', () => {
    const seen: boolean[] = [];
    const breaker: Breaker = new Breaker(() => seen.push(breaker.isOpen));
    fail(breaker, 0, 1, 5000);
    expect(seen).toEqual([true]);
  });
});

function failing(breaker: Breaker, connections: readonly ConnectionActivity[], mayLieInData = true): void {
  for (let nowMs = 1000; nowMs < 60_000; nowMs += 500) breaker.failed(connections, mayLieInData, nowMs);
}

describe('failures that may lie in the data', () => {
  const culprit = makeConnection('10.0.0.66');
  const others = [1, 2, 3, 4].map((last) => makeConnection(`10.0.0.${last}`));

  test('of one sender leave it closed as long as others are active', () => {
    const { breaker } = makeBreaker();
    for (const connection of [culprit, ...others]) breaker.arrived(connection, 59_000);
    failing(breaker, [culprit]);
    expect(breaker.isOpen).toBe(false);
  });

  test('of two senders leave it closed as long as a third is active', () => {
    const { breaker } = makeBreaker();
    for (const connection of [culprit, ...others]) breaker.arrived(connection, 59_000);
    failing(breaker, [culprit, makeConnection('10.0.0.67')]);
    expect(breaker.isOpen).toBe(false);
  });

  test('of fifty connections of one address leave it closed as long as another address is active', () => {
    const { breaker } = makeBreaker();
    const many = Array.from({ length: 50 }, () => makeConnection('10.0.0.66'));
    for (const connection of [...many, ...others, ...many]) breaker.arrived(connection, 59_000);
    failing(breaker, many);
    expect(breaker.isOpen).toBe(false);
  });

  test('of one sender open it when nobody else is active', () => {
    const { breaker } = makeBreaker();
    breaker.arrived(others[0] ?? culprit, -10_000);
    breaker.arrived(culprit, 59_000);
    failing(breaker, [culprit]);
    expect(breaker.isOpen).toBe(true);
  });

  test('of as many senders as are active open it', () => {
    const { breaker } = makeBreaker();
    for (const connection of [culprit, ...others]) breaker.arrived(connection, 59_000);
    failing(breaker, [culprit, ...others]);
    expect(breaker.isOpen).toBe(true);
  });

  test('of one address on ever new connections do not hide those of another address', () => {
    const { breaker } = makeBreaker();
    for (const connection of [culprit, ...others]) breaker.arrived(connection, 59_000);
    failing(
      breaker,
      Array.from({ length: 200 }, () => makeConnection('10.0.0.66')),
    );
    expect(breaker.isOpen).toBe(false);
    breaker.failed(others.slice(0, 1), true, 60_000);
    expect(breaker.isOpen).toBe(true);
  });

  test('before a success are not put together with those after it', () => {
    const { breaker } = makeBreaker();
    for (const connection of [culprit, ...others]) breaker.arrived(connection, 59_000);
    breaker.failed(others, true, 1000);
    breaker.succeeded();
    failing(breaker, [culprit]);
    expect(breaker.isOpen).toBe(false);
  });

  test('of different connections behind one address open it when no other address is active', () => {
    const { breaker } = makeBreaker();
    const many = Array.from({ length: 5 }, () => makeConnection('10.0.0.66'));
    for (const connection of many) breaker.arrived(connection, 59_000);
    failing(breaker, many);
    expect(breaker.isOpen).toBe(true);
  });
});

test('a failure that no data can cause counts for all, whoever it was of', () => {
  const { breaker } = makeBreaker();
  for (const last of [1, 2, 3]) breaker.arrived(makeConnection(`10.0.0.${last}`), 5000);
  for (const nowMs of [1000, 3000, 6000]) breaker.failed(ONE, false, nowMs);
  expect(breaker.isOpen).toBe(true);
});

describe('open', () => {
  test('the first success closes it, and it can open again', () => {
    const { breaker, opened } = makeBreaker();
    fail(breaker, 0, 1, 5000);
    breaker.succeeded();
    expect(breaker.isOpen).toBe(false);
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
