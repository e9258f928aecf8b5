import { describe, expect, test } from 'vitest';

import { formatSize, tryParseSize } from '../../src/config/sizes.ts';

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['1048576', 1_048_576],
    ['12B', 12],
    ['1KB', 1000],
    ['1KiB', 1024],
    ['1MB', 1_000_000],
    ['1MiB', 1_048_576],
    ['2GB', 2_000_000_000],
    ['1GiB', 1_073_741_824],
  ])('%s is %d bytes', (text, bytes) => {
    expect(tryParseSize(text)).toBe(bytes);
  });

  test.each(['', '1.5MB', '10 MB', '1mb', '1M', '1Mi', '-1', 'MB', '1TB'])('"%s" is none', (text) => {
    expect(tryParseSize(text)).toBeUndefined();
  });

  test.each([
    [10_485_760, '10MiB'],
    [1_000_000, '1MB'],
    [1_000_001, '1000001B'],
    [0, '0B'],
  ])('%d bytes are written %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});
