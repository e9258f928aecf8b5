import { expect, test } from 'vitest';
import { Askers } from '../../src/send/askers.ts';
import { makeConnection } from '../support/parcels.ts';

const [a1, a2] = [makeConnection('10.0.0.1'), makeConnection('10.0.0.1')];
const b = makeConnection('10.0.0.2');

test('the only sender stands for all', () => {
  expect(new Askers().add([a1], [a1], 0)).toBe(true);
});

test('one of several senders counts once, however often it is asked and on however many connections', () => {
  const askers = new Askers();
  for (let nowMs = 0; nowMs < 10; nowMs += 1)
    expect(askers.add([nowMs % 2 === 0 ? a1 : a2], [a1, a2, b], nowMs)).toBe(false);
});

test('senders of two addresses are different', () => {
  const askers = new Askers();
  expect(askers.add([a1], [a1, b], 0)).toBe(false);
  expect(askers.add([b], [a1, b], 100)).toBe(true);
});

test('connections of the only address are different senders', () => {
  const askers = new Askers();
  expect(askers.add([a1], [a1, a2], 0)).toBe(false);
  expect(askers.add([a1], [a1, a2], 1)).toBe(false);
  expect(askers.add([a2], [a1, a2], 2)).toBe(true);
});

test('a joined batch and one of its senders are not different', () => {
  const askers = new Askers();
  expect(askers.add([a1, b], [a1, b], 0)).toBe(false);
  expect(askers.add([b], [a1, b], 100)).toBe(false);
  expect(askers.add([a2], [a1, b], 200)).toBe(true);
});

test('an earlier request does not count once it was forgotten or is more than five seconds old', () => {
  const askers = new Askers();
  askers.add([a1], [a1, b], 0);
  expect(askers.add([b], [a1, b], 5001)).toBe(false);
  askers.forget();
  expect(askers.add([a1], [a1, b], 5002)).toBe(false);
  expect(askers.add([b], [a1, b], 10_002)).toBe(true);
});
