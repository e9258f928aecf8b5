import { expect, test } from 'vitest';
import { sharedKey, uniqueKey } from '../../src/parcel/merge-key.ts';

test('requests with equal deduplication keys share a batch, those with others do not', () => {
  expect(sharedKey('3:eksa')).toEqual({ kind: 'shared', id: '3:eksa' });
  expect(sharedKey('3:eksa').id).toBe(sharedKey('3:eksa').id);
  expect(sharedKey('3:eksb').id).not.toBe(sharedKey('3:eksa').id);
});

test('requests without a deduplication key share the one key, which is not made anew', () => {
  expect(sharedKey('')).toEqual({ kind: 'shared', id: '' });
  expect(sharedKey('')).toBe(sharedKey(''));
});

test.each(['unmergeable', 'unproven', 'isolated'] as const)('a key that is %s is shared with nobody', (kind) => {
  const keys = Array.from({ length: 100 }, () => uniqueKey(kind));
  expect(keys.every((key) => key.kind === kind)).toBe(true);
  expect(new Set([...keys, uniqueKey('isolated'), sharedKey('')].map(({ id }) => id)).size).toBe(102);
});

test('a deduplication key never names a unique key, whatever its labels are', () => {
  // A deduplication key begins with the length of the cluster label, as the kernel writes it.
  expect(uniqueKey('isolated').id).not.toMatch(/^\d/);
});
