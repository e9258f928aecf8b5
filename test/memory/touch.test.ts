import { expect, test } from 'vitest';
import { touchInSteps } from '../../src/memory/touch.ts';
import { finish } from '../../src/platform/steps.ts';

const MIB = 1024 * 1024;

test('leaves every byte as it was', () => {
  const bytes = Buffer.alloc(5 * MIB, 'whatever is in there');
  const before = Buffer.from(bytes);
  finish(touchInSteps(bytes, 1000, bytes.length));
  expect(bytes.equals(before)).toBe(true);
});

test.each([
  [0, 0],
  [2 * MIB, 0],
  [2 * MIB + 1, 1],
  [10 * MIB, 4],
])('for %i bytes stops %i times', (count, stops) => {
  const steps = touchInSteps(Buffer.alloc(10 * MIB + 5), 5, 5 + count);
  let stopped = 0;
  while (steps.next().done !== true) stopped += 1;
  expect(stopped).toBe(stops);
});
