import { expect, test } from 'vitest';
import { ActiveSenders, addressesOf } from '../../src/send/active-senders.ts';
import { makeConnection } from '../support/parcels.ts';

const SECOND_MS = 1000;

test('a connection is active for a minute after its last request', () => {
  const active = new ActiveSenders();
  const connection = makeConnection('a');
  active.arrived(connection, 0);
  active.arrived(connection, 1 * SECOND_MS);
  expect(active.connections(61 * SECOND_MS)).toEqual([connection]);
  expect(active.connections(61 * SECOND_MS + 1)).toEqual([]);
});

test('one connection counts once, however often it sends', () => {
  const active = new ActiveSenders();
  const connection = makeConnection('a');
  for (let atMs = 0; atMs < 20 * SECOND_MS; atMs += 100) active.arrived(connection, atMs);
  expect(active.connections(20 * SECOND_MS)).toEqual([connection]);
});

test('no more than four connections are kept', () => {
  const active = new ActiveSenders();
  for (let last = 0; last < 100; last += 1) active.arrived(makeConnection(`${last}`), last);
  expect(active.connections(100).length).toBeLessThanOrEqual(4);
  expect(addressesOf(active.connections(100))).toBeGreaterThanOrEqual(2);
});

test('another address is noticed among many connections of one', () => {
  const active = new ActiveSenders();
  for (let count = 0; count < 50; count += 1) active.arrived(makeConnection('flood'), count);
  active.arrived(makeConnection('other'), 60);
  expect(addressesOf(active.connections(61))).toBe(2);
});

test.each([6, 7.5, 10, 13])(
  'an address that sends every %d s stays active beside one with ever new connections',
  (everySeconds) => {
    const active = new ActiveSenders();
    const sparse = makeConnection('sparse');
    const aloneAt: number[] = [];
    for (let atMs = 0; atMs < 120 * SECOND_MS; atMs += 100) {
      if (atMs % (everySeconds * SECOND_MS) === 0) active.arrived(sparse, atMs);
      active.arrived(makeConnection('flood'), atMs);
      if (addressesOf(active.connections(atMs)) !== 2) aloneAt.push(atMs);
    }
    expect(aloneAt).toEqual([]);
  },
);

test('an address that has not sent for a minute gives its place to others', () => {
  const active = new ActiveSenders();
  active.arrived(makeConnection('gone'), 0);
  for (let atMs = 100; atMs < 90 * SECOND_MS; atMs += 100) active.arrived(makeConnection('flood'), atMs);
  const connections = active.connections(90 * SECOND_MS);
  expect(addressesOf(connections)).toBe(1);
  expect(connections.length).toBeGreaterThanOrEqual(3);
});

test('three busy connections of two addresses stay active for as long as they send', () => {
  const active = new ActiveSenders();
  const connections = ['a', 'a', 'b'].map(makeConnection);
  for (let atMs = 0; atMs < 60 * SECOND_MS; atMs += 50) {
    for (const connection of connections) active.arrived(connection, atMs);
    expect(active.connections(atMs)).toHaveLength(3);
  }
});

test('the addresses of connections are counted once each', () => {
  expect(addressesOf([])).toBe(0);
  expect(addressesOf(['a', 'b', 'a'].map(makeConnection))).toBe(2);
});
