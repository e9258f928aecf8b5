import { expect, test } from 'vitest';
import { measureSlowness, slowness } from './slowness.ts';

test('time limits stretch with the slower of processor and load, never shrink, and end at ten times', () => {
  expect(slowness(0.4, 0.1)).toBe(1);
  expect(slowness(2.5, 0.1)).toBe(2.5);
  expect(slowness(1, 7)).toBe(7);
  expect(slowness(40, 7)).toBe(10);
});

test('the fixed piece of work takes some time', () => {
  expect(measureSlowness()).toBeGreaterThan(0);
});
