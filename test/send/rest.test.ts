import { describe, expect, test } from 'vitest';
import { Rest } from '../../src/send/rest.ts';
import { makeConnection } from '../support/parcels.ts';

const one = makeConnection('one');
const other = makeConnection('other');

test('there is no rest before AMP asks for one', () => {
  const rest = new Rest();
  expect(rest.mayTake(0)).toBe(true);
  expect(rest.strictUntilMs).toBe(-Infinity);
});

describe('a strict rest', () => {
  test('begins with one answer and lasts to its end, whatever was sent meanwhile', () => {
    const rest = new Rest();
    rest.ask(one, 5000, true, 0);
    rest.delivered();
    expect(rest.strictUntilMs).toBe(5000);
    expect(rest.nextTakeAtMs).toBe(5000);
    expect([rest.mayTake(2000), rest.mayTake(4999), rest.mayTake(5000)]).toEqual([false, false, true]);
  });

  test('is not shortened by a later answer that asks for less', () => {
    const rest = new Rest();
    rest.ask(one, 5000, true, 0);
    rest.ask(other, 3000, true, 100);
    expect(rest.nextTakeAtMs).toBe(5000);
  });

  test('is not loosened by answers in other words that ask for more', () => {
    const rest = new Rest();
    rest.ask(one, 5000, true, 0);
    rest.ask(other, 8000, false, 100);
    expect([rest.mayTake(4999), rest.mayTake(5000)]).toEqual([false, true]);
  });

  test('ends at once when the upstream is found to be down', () => {
    const rest = new Rest();
    rest.ask(one, 5000, true, 0);
    rest.end();
    expect([rest.mayTake(1), rest.strictUntilMs]).toEqual([true, -Infinity]);
  });
});

describe('a Retry-After that may be about one sender', () => {
  test('makes nobody rest, however often that sender is told so', () => {
    const rest = new Rest();
    for (let nowMs = 0; nowMs < 10; nowMs += 1) rest.ask(one, 5000, false, nowMs);
    expect(rest.mayTake(10)).toBe(true);
  });

  test('makes all rest when a second sender is told so without a delivery in between', () => {
    const rest = new Rest();
    rest.ask(one, 5000, false, 0);
    rest.ask(other, 6000, false, 100);
    expect([rest.mayTake(100), rest.mayTake(1099)]).toEqual([false, false]);
    expect(rest.strictUntilMs).toBe(-Infinity);
  });

  test('makes nobody rest when AMP has taken something in between', () => {
    const rest = new Rest();
    rest.ask(one, 5000, false, 0);
    rest.delivered();
    rest.ask(other, 6000, false, 100);
    expect(rest.mayTake(100)).toBe(true);
  });

  test('makes nobody rest when the first sender was asked to wait for a time that is over', () => {
    const rest = new Rest();
    rest.ask(one, 5000, false, 0);
    rest.ask(other, 9000, false, 5000);
    expect(rest.mayTake(5000)).toBe(true);
    rest.ask(one, 9000, false, 5001);
    expect(rest.mayTake(5001)).toBe(false);
  });
});

function resting(): Rest {
  const rest = new Rest();
  rest.ask(one, 5000, false, 0);
  rest.ask(other, 5000, false, 100);
  return rest;
}

describe('a rest of two senders', () => {
  test('lets one batch through each second', () => {
    const rest = resting();
    expect(rest.nextTakeAtMs).toBe(1100);
    expect(rest.mayTake(1100)).toBe(true);
    rest.took(1150);
    expect([rest.nextTakeAtMs, rest.mayTake(1151)]).toEqual([2150, false]);
  });

  test('ends at its time', () => {
    const rest = resting();
    rest.took(4900);
    expect([rest.mayTake(4999), rest.mayTake(5000)]).toEqual([false, true]);
  });

  test('ends with the first delivery', () => {
    const rest = resting();
    rest.delivered();
    expect(rest.mayTake(101)).toBe(true);
  });

  test('is not shortened by a later answer', () => {
    const rest = resting();
    rest.ask(one, 4950, false, 200);
    rest.took(4900);
    expect(rest.mayTake(4960)).toBe(false);
  });
});
