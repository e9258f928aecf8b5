import { expect, test } from 'vitest';
import { WorkerExits } from '../../../src/serve/workers/worker-exits.ts';

test('ends of one kind are one problem with its count, the latest worker and what it mostly means', () => {
  let nowMs = 1_000;
  const ends = new WorkerExits(() => nowMs);
  ends.add(1, 'signal SIGKILL');
  nowMs = 5_000;
  ends.add(2, 'signal SIGKILL');
  ends.add(1, 'exit status 1');
  expect(ends.list()).toMatchObject([
    { said: 'worker 2: signal SIGKILL', count: 2, firstAtMs: 1_000, lastAtMs: 5_000 },
    { said: 'worker 1: exit status 1', count: 1, firstAtMs: 5_000, remedy: expect.stringContaining('log') },
  ]);
  expect(ends.list()[0]?.remedy).toContain('memory');
});

test('a worker that hung is not reported as out of memory, though it ends by SIGKILL too', () => {
  const ends = new WorkerExits(() => 0);
  ends.add(1, 'said nothing for 30 s: signal SIGKILL');
  expect(ends.list()[0]?.remedy).not.toContain('memory');
});

test('the latest ways to end are kept, however many there are', () => {
  const ends = new WorkerExits(() => 0);
  for (let status = 0; status < 100; status += 1) ends.add(1, `exit status ${status}`);
  expect([ends.list().length, ends.list().at(-1)?.said]).toEqual([20, 'worker 1: exit status 99']);
});
