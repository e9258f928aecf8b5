import { expect, test } from 'vitest';
import { RequestError } from '../../../src/outcome/errors.ts';
import { assertBodySize, ByteBudget } from '../../../src/receive/access/byte-budget.ts';

function refusal(run: () => void): RequestError {
  try {
    run();
  } catch (error) {
    if (error instanceof RequestError) return error;
  }
  throw new Error('nothing was refused');
}

test('a body of the limit is accepted, and of one byte more refused with what to do', () => {
  expect(() => assertBodySize(1000, 1000)).not.toThrow();
  const error = refusal(() => assertBodySize(12_100_000, 10 * 1024 * 1024));
  expect(error.httpStatus).toBe(413);
  expect(error.message).toContain('12.1 MB');
  expect(error.message).toContain('limits.max_body_bytes (10MiB)');
});

const over = (reserve: () => void): boolean => {
  try {
    reserve();
    return false;
  } catch (error) {
    expect(error).toMatchObject({ code: 'OVER_INFLIGHT_BYTES', httpStatus: 503 });
    expect(String(error)).toContain('limits.max_inflight_bytes');
    return true;
  }
};

test('the budget is never exceeded and can be filled exactly', () => {
  const budget = new ByteBudget(100);
  const [first, second, third] = [{ heldBytes: 0 }, { heldBytes: 0 }, { heldBytes: 0 }];
  expect([over(() => budget.reserve(60, first)), over(() => budget.reserve(41, second))]).toEqual([false, true]);
  expect([over(() => budget.reserve(40, second)), over(() => budget.reserve(1, third))]).toEqual([false, true]);
  budget.release(60, first);
  expect([budget.usedBytes, first.heldBytes, second.heldBytes]).toEqual([40, 0, 40]);
  expect(over(() => budget.reserve(60, third))).toBe(false);
});

test('a sender alone gets three quarters of the budget, so that the next one finds something', () => {
  const budget = new ByteBudget(1000);
  const flood = { heldBytes: 0 };
  let taken = 0;
  while (!over(() => budget.reserve(10, flood))) taken += 10;
  expect(taken).toBe(750);
  expect(over(() => budget.reserve(250, { heldBytes: 0 }))).toBe(false);
});

test('the only request of a sender may be above its share, and its next one may not', () => {
  const budget = new ByteBudget(1000);
  const large = { heldBytes: 0 };
  expect(over(() => budget.reserve(100, { heldBytes: 0 }))).toBe(false);
  // 900 are left; a share is three times what is left behind it, 3 * 20.
  expect(over(() => budget.reserve(880, large))).toBe(false);
  expect(over(() => budget.reserve(1, large))).toBe(true);
  expect([budget.usedBytes, large.heldBytes]).toEqual([980, 880]);
});

test('a sender that holds nothing may have the rest, however many senders flood', () => {
  const budget = new ByteBudget(10_000);
  for (let index = 0; index < 5; index += 1) {
    const flood = { heldBytes: 0 };
    while (!over(() => budget.reserve(10, flood)));
  }
  const left = budget.limitBytes - budget.usedBytes;
  expect(left).toBeGreaterThan(0);
  expect(over(() => budget.reserve(left, { heldBytes: 0 }))).toBe(false);
});
