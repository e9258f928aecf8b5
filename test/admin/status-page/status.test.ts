import { afterEach, expect, test, vi } from 'vitest';
import { Status, type StatusDeps } from '../../../src/admin/status-page/status.ts';

const ROOMS: StatusDeps = {
  version: 'test',
  destinations: () => [],
  senders: () => [],
  readiness: () => ({ ready: true, reasons: [] }),
  draining: () => false,
  budget: { usedBytes: 0 },
  maxInflightBytes: 1,
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  log: { error: () => undefined },
};

afterEach(() => vi.useRealTimers());

test('the status is read once a second, and no longer after it was stopped', async () => {
  vi.useFakeTimers();
  const senders = vi.fn<StatusDeps['senders']>(() => []);
  const status = new Status({ ...ROOMS, senders });
  status.start();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(senders).toHaveBeenCalledTimes(5);
  status.stop();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(senders).toHaveBeenCalledTimes(5);
});

test('a fault of it is logged once and ends the page, not the proxy', async () => {
  vi.useFakeTimers();
  const error = vi.fn<StatusDeps['log']['error']>();
  const status = new Status({
    ...ROOMS,
    log: { error },
    senders: () => {
      throw new Error('a fault');
    },
  });
  status.start();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(error).toHaveBeenCalledOnce();
  expect(error.mock.calls[0]?.[0]).toMatchObject({ error: expect.stringContaining('a fault') });
});

test('problems that belong to no destination are shown among the problems', () => {
  const problem = { destination: '', what: 'w', said: '', remedy: '', sender: '', count: 1, firstAtMs: 1, lastAtMs: 1 };
  const status = new Status({ ...ROOMS, problems: () => [problem, { ...problem, what: 'later', lastAtMs: 2 }] });
  expect(status.snapshot().problems.map(({ what }) => what)).toEqual(['later', 'w']);
});
