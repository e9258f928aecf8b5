import { expect, test } from 'vitest';
import { Rest } from '../../src/send/rest.ts';

test('there is no rest before one begins', () => {
  const rest = new Rest();
  expect(rest.mayTake(0)).toBe(true);
  expect(rest.untilMs).toBe(-Infinity);
});

test('lets one batch through each quarter of a second', () => {
  const rest = new Rest();
  rest.begin(5000, 100);
  expect([rest.mayTake(100), rest.mayTake(349), rest.nextTakeAtMs]).toEqual([false, false, 350]);
  expect(rest.mayTake(350)).toBe(true);
  rest.took(400);
  expect([rest.nextTakeAtMs, rest.mayTake(401)]).toEqual([650, false]);
});

test('ends at its time', () => {
  const rest = new Rest();
  rest.begin(5000, 100);
  rest.took(4900);
  expect([rest.mayTake(4999), rest.mayTake(5000)]).toEqual([false, true]);
});

test('can be ended at once', () => {
  const rest = new Rest();
  rest.begin(5000, 100);
  rest.end();
  expect(rest.mayTake(101)).toBe(true);
});

test('is made longer by what asks for more, not shorter by what asks for less', () => {
  const rest = new Rest();
  rest.begin(5000, 100);
  rest.begin(4950, 200);
  expect(rest.untilMs).toBe(5000);
  rest.begin(6000, 300);
  expect(rest.untilMs).toBe(6000);
});

test('that is made longer is tried no later for it', () => {
  const rest = new Rest();
  rest.begin(5000, 100);
  rest.begin(6000, 300);
  expect(rest.nextTakeAtMs).toBe(350);
});

test('begins anew when the last one is over', () => {
  const rest = new Rest();
  rest.begin(500, 100);
  rest.begin(9000, 800);
  expect(rest.nextTakeAtMs).toBe(1050);
});
