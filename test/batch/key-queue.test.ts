import { expect, test } from 'vitest';
import { KeyQueue } from '../../src/batch/parcel-queue.ts';
import { sharedKey } from '../../src/parcel/merge-key.ts';

test('a key waits, is ready, and is empty again when a batch is taken', () => {
  const queue = new KeyQueue(sharedKey(''));
  queue.wait();
  queue.makeReady();
  expect(queue.state).toBe('ready');
  queue.take();
  expect(queue.state).toBe('empty');
});

test('a key cannot be ready twice, and has no batch to take before', () => {
  const queue = new KeyQueue(sharedKey(''));
  expect(() => queue.take()).toThrow('a key that is empty does not become empty');
  queue.makeReady();
  expect(() => queue.makeReady()).toThrow('a key that is ready does not become ready');
  expect(() => queue.wait()).toThrow('a key that is ready does not become waiting');
});
