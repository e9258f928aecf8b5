import { expect, test } from 'vitest';
import type { ConnectionActivity } from '../../src/parcel/connection-activity.ts';
import { makeConnection } from '../support/parcels.ts';
import { ExpectedArrivals } from '../../src/batch/expected-arrivals.ts';

/** A window of the count, ms; a clock that has long been running. */
const WINDOW_MS = 125;
const START_MS = 1_000_000 * WINDOW_MS;

const makeConnections = (count: number): ConnectionActivity[] => Array.from({ length: count }, () => makeConnection());

test('no arrival is expected at first, nor from a connection whose request is still open', () => {
  const arrivals = new ExpectedArrivals();
  expect(arrivals.expected(START_MS)).toBe(0);
  for (const connection of makeConnections(3)) arrivals.arrived(connection);
  expect(arrivals.expected(START_MS)).toBe(0);
});

test('a connection that was answered is expected until it sends again', () => {
  const arrivals = new ExpectedArrivals();
  const connection = makeConnection();
  for (const nowMs of [0, 60, 130, 260, 1000, 5000]) {
    arrivals.arrived(connection);
    expect(arrivals.expected(START_MS + nowMs)).toBe(0);
    arrivals.answered(connection, START_MS + nowMs);
    expect(arrivals.expected(START_MS + nowMs)).toBe(1);
  }
});

test('no further arrival is expected once the last connection of a closed loop has sent again', () => {
  const arrivals = new ExpectedArrivals();
  const all = makeConnections(10);
  for (const connection of all) arrivals.answered(connection, START_MS);
  const expected = all.map((connection) => {
    arrivals.arrived(connection);
    return arrivals.expected(START_MS + 1);
  });
  expect(expected).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
});

test('a connection is expected in the window of its answer and in the next', () => {
  const arrivals = new ExpectedArrivals();
  arrivals.answered(makeConnection(), START_MS + WINDOW_MS - 1);
  arrivals.answered(makeConnection(), START_MS + WINDOW_MS);
  expect(arrivals.expected(START_MS + 2 * WINDOW_MS - 1)).toBe(2);
  expect(arrivals.expected(START_MS + 2 * WINDOW_MS)).toBe(1);
  expect(arrivals.expected(START_MS + 3 * WINDOW_MS)).toBe(0);
});

test('silence of more than a window forgets both at once', () => {
  const arrivals = new ExpectedArrivals();
  for (const connection of makeConnections(2)) arrivals.answered(connection, START_MS);
  for (const connection of makeConnections(3)) arrivals.answered(connection, START_MS + WINDOW_MS);
  expect(arrivals.expected(START_MS + 3 * WINDOW_MS)).toBe(0);
});

test('a connection that comes again after it was forgotten does not uncount another', () => {
  const arrivals = new ExpectedArrivals();
  const late = makeConnection();
  arrivals.answered(late, START_MS);
  arrivals.answered(makeConnection(), START_MS + 2 * WINDOW_MS);
  arrivals.arrived(late);
  expect(arrivals.expected(START_MS + 2 * WINDOW_MS)).toBe(1);
});

test('a connection with several requests at once counts once', () => {
  const arrivals = new ExpectedArrivals();
  const connection = makeConnection();
  for (let count = 0; count < 3; count += 1) arrivals.arrived(connection);
  for (const nowMs of [0, 1, WINDOW_MS]) arrivals.answered(connection, START_MS + nowMs);
  expect(arrivals.expected(START_MS + WINDOW_MS)).toBe(1);
  arrivals.arrived(connection);
  expect(arrivals.expected(START_MS + WINDOW_MS)).toBe(0);
});

test('a connection that writes to two destinations in turn is expected where it was answered last', () => {
  const first = new ExpectedArrivals();
  const second = new ExpectedArrivals();
  const connection = makeConnection();
  const counts = (): number[] => [first.expected(START_MS), second.expected(START_MS)];
  first.arrived(connection);
  first.answered(connection, START_MS);
  expect(counts()).toEqual([1, 0]);
  second.arrived(connection);
  expect(counts()).toEqual([0, 0]);
  second.answered(connection, START_MS);
  expect(counts()).toEqual([0, 1]);
  first.arrived(connection);
  second.arrived(connection);
  second.answered(connection, START_MS);
  first.answered(connection, START_MS);
  expect(counts()).toEqual([1, 0]);
});
