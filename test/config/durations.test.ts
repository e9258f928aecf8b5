import { describe, expect, test } from 'vitest';

import { formatDuration, tryParseDuration } from '../../src/config/durations.ts';

describe('durations', () => {
  test.each([
    ['0', 0],
    ['0s', 0],
    ['50ms', 50],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1d', 86_400_000],
    ['1w2d', 777_600_000],
    ['1y', 31_536_000_000],
    ['1m1ms', 60_001],
  ])('%s is %d milliseconds', (text, milliseconds) => {
    expect(tryParseDuration(text)).toBe(milliseconds);
  });

  test.each(['', '30', '1.5s', '30 s', '30S', '-1s', '1m1h', '1s1s', 'ms', '1us', ' 1s'])(
    '"%s" is none, as in Prometheus',
    (text) => {
      expect(tryParseDuration(text)).toBeUndefined();
    },
  );

  test.each([
    [0, '0s'],
    [50, '50ms'],
    [90_000, '1m30s'],
    [5_400_000, '1h30m'],
  ])('%d milliseconds are written %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });
});
