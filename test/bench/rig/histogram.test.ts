import { expect, test } from 'vitest';
import { LatencyHistogram } from '../../../bench/rig/histogram.ts';

test('percentiles agree with those of the sorted values within one bucket', () => {
  const histogram = new LatencyHistogram();
  const values: number[] = [];
  let state = 12_345;
  for (let index = 0; index < 20_000; index += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const latencyMs = 0.05 * 10 ** ((state / 2 ** 32) * 4); // 50 us to 500 ms
    values.push(latencyMs);
    histogram.record(latencyMs);
  }
  const sorted = values.toSorted((a, b) => a - b);
  for (const quantile of [0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
    const exact = sorted[Math.ceil(quantile * sorted.length) - 1] ?? Number.NaN;
    expect(histogram.percentileMs(quantile) / exact, `p${quantile * 100}`).toBeCloseTo(1, 1.9);
  }
  expect(histogram.count).toBe(20_000);
});

test('values below the first and above the last bucket are counted in them', () => {
  const histogram = new LatencyHistogram();
  histogram.record(0);
  histogram.record(1e9);
  expect(histogram.percentileMs(0.5)).toBeLessThan(0.0011);
  expect(histogram.percentileMs(1)).toBeGreaterThan(100_000);
});

test('a histogram of nothing has no percentile', () => {
  expect(new LatencyHistogram().percentileMs(0.5)).toBeNaN();
});
