import { expect, test } from 'vitest';
import { MAX_KINDS } from '../../../src/admin/status-page/recent-events.ts';
import { Problems, tell } from '../../../src/admin/status-page/problems.ts';

const told = (problems: Problems) => problems.list().map((problem) => tell(problem, 'default'));

const retry = (code: string, message: string) =>
  ({
    kind: 'retry',
    code,
    throttle: undefined,
    mayLieInData: false,
    down: true,
    retryAfterMs: undefined,
    message,
  }) as const;

test('a problem that recurs is one entry with its count, its last words and its remedy', () => {
  let nowMs = 1000;
  const problems = new Problems(() => nowMs);
  problems.attempted(retry('500', 'the upstream answered 500 Internal Server Error: one'));
  nowMs = 5000;
  problems.attempted(retry('500', 'the upstream answered 500 Internal Server Error: two'));
  expect(told(problems)).toEqual([
    {
      destination: 'default',
      what: 'AMP answers 500 (internal error)',
      said: 'two',
      remedy: 'The fault is with AMP; look at its health dashboard if it stays.',
      sender: '',
      count: 2,
      firstAtMs: 1000,
      lastAtMs: 5000,
    },
  ]);
  expect(problems.failing).toBe('500');
  problems.attempted({ kind: 'delivered', deduplicated: false });
  expect(problems.failing).toBeUndefined();
});

test('a remedy that the log gives in brackets is not repeated', () => {
  const problems = new Problems(() => 0);
  const message = 'the upstream answered 403 (is aps:RemoteWrite on this workspace allowed?): User: x may not';
  problems.attempted({ kind: 'unauthorized', code: '403', message });
  expect(told(problems)[0]?.said).toBe('User: x may not');
});

test('a rejection names its sender; refusals during an outage are no problem of their own', () => {
  const problems = new Problems(() => 0);
  problems.closed('10.0.0.7', { kind: 'rejected', status: 400, reason: 'out_of_order', message: 'out of order' });
  problems.closed('10.0.0.8', { kind: 'refused', reason: 'upstream_down', message: 'down' });
  problems.closed('10.0.0.8', { kind: 'delivered', deduplicated: false });
  expect(told(problems)).toMatchObject([{ sender: '10.0.0.7', said: 'out of order' }]);
});

test('a quota of series has its own remedy, whatever the status; what is not AMP is said to be something else', () => {
  const problems = new Problems(() => 0);
  const message = 'per-user series limit of 10 exceeded';
  for (const status of [400, 429]) {
    problems.closed('10.0.0.7', { kind: 'rejected', status, reason: 'series_limit', message });
  }
  problems.attempted(retry('foreign_400', 'the upstream answered 400 Bad Request (a page, not an answer): Blocked'));
  expect(told(problems)).toMatchObject([
    { what: expect.stringContaining('web page'), said: 'Blocked', remedy: expect.stringContaining('load balancer') },
    { sender: '10.0.0.7', said: message, count: 2, remedy: expect.stringContaining('ACTIVE SERIES') },
  ]);
  expect(problems.failing).toBe('foreign_400');
});

test('the latest kinds of problem are kept, however many there are', () => {
  const problems = new Problems(() => 0);
  for (let sender = 0; sender < 1000; sender += 1) {
    problems.closed(`10.0.0.${sender}`, { kind: 'rejected', status: 400, reason: 'other', message: 'no' });
  }
  const list = told(problems);
  expect(MAX_KINDS).toBe(20);
  expect([list.length, list[0]?.sender]).toEqual([MAX_KINDS, '10.0.0.999']);
});
