import { expect, test } from 'vitest';
import { BatchSizeLimit } from '../../src/send/batch-size-limit.ts';

test('begins with the most', () => {
  expect(new BatchSizeLimit(2000).maxSamples).toBe(2000);
});

test('a throttled batch halves the limit', () => {
  const limit = new BatchSizeLimit(2000);
  limit.throttled(2000, 0);
  expect(limit.maxSamples).toBe(1000);
});

test('a throttled batch below the limit brings it to half of that batch', () => {
  const limit = new BatchSizeLimit(2000);
  limit.throttled(1200, 0);
  expect(limit.maxSamples).toBe(600);
});

test('a throttled batch of less than half the limit was not refused for its size, and lowers nothing', () => {
  const limit = new BatchSizeLimit(2000);
  limit.throttled(999, 0);
  expect(limit.maxSamples).toBe(2000);
  limit.throttled(1000, 0);
  expect(limit.maxSamples).toBe(500);
});

test('a throttled batch over the limit, which was on its way before, halves no more than the limit', () => {
  const limit = new BatchSizeLimit(2000);
  limit.throttled(2000, 0);
  limit.throttled(2000, 1000);
  expect(limit.maxSamples).toBe(500);
});

test('answers within a second halve it once', () => {
  const limit = new BatchSizeLimit(2000);
  limit.throttled(2000, 0);
  limit.throttled(2000, 999);
  expect(limit.maxSamples).toBe(1000);
  limit.throttled(1000, 1000);
  expect(limit.maxSamples).toBe(500);
});

test('is never less than 100 samples', () => {
  const limit = new BatchSizeLimit(2000);
  for (let count = 0; count < 20; count += 1) limit.throttled(limit.maxSamples, count * 1000);
  expect(limit.maxSamples).toBe(100);
});

test('stays at a most that is less than 100 samples', () => {
  const limit = new BatchSizeLimit(40);
  limit.throttled(40, 0);
  expect(limit.maxSamples).toBe(40);
});

test('goes up by a twentieth of the most with each delivery, and no farther than the most', () => {
  const limit = new BatchSizeLimit(2000);
  limit.throttled(2000, 0);
  limit.delivered(1000);
  expect(limit.maxSamples).toBe(1100);
  for (let count = 0; count < 8; count += 1) limit.delivered(2000);
  expect(limit.maxSamples).toBe(1900);
  for (let count = 0; count < 5; count += 1) limit.delivered(2000);
  expect(limit.maxSamples).toBe(2000);
});

test('a delivery of less than half the limit does not raise it', () => {
  const limit = new BatchSizeLimit(2000);
  limit.throttled(2000, 0);
  limit.delivered(499);
  expect(limit.maxSamples).toBe(1000);
  limit.delivered(500);
  expect(limit.maxSamples).toBe(1100);
});

test('is a whole number', () => {
  const limit = new BatchSizeLimit(1001);
  limit.throttled(1001, 0);
  expect(limit.maxSamples).toBe(500);
});
