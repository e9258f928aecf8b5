import { expect, test } from 'vitest';
import { explain, failureSummary } from '../../src/outcome/explain.ts';

test('every status and failure has words; what can be mended has a remedy', () => {
  expect(explain('403').remedy).toMatch(/Keys.*aps:RemoteWrite.*doctor/);
  expect(explain('tls').remedy).toContain('port');
  expect(explain('418').what).toBe('answers 418');
  expect(explain('599').remedy).not.toBe('');
  expect(explain('constructor').what).toBe('answers constructor');
});

test('a quota of series has a remedy of its own, apart from throttling', () => {
  for (const code of ['series_limit', 'quota_429']) expect(explain(code).remedy).toContain('ACTIVE SERIES');
  expect(explain('429').remedy).not.toContain('ACTIVE SERIES');
});

test("an answer that is not AMP's is explained by its meaning, with the status", () => {
  expect(explain('foreign_400')).toEqual({
    what: expect.stringContaining('web page (400)'),
    remedy: expect.stringMatching(/load balancer.*TLS inspector.*url of remote_write.*proxy_url/),
  });
  expect(explain('throttled_400').what).toContain('(400)');
  expect(explain('unauthorized_400').remedy).toContain('doctor');
});

test('the summary of a failure holds none of the words of the upstream', () => {
  const message = 'the upstream answered 500 Internal Server Error: series={tenant="secret"}';
  const retry = { throttle: undefined, down: true, mayLieInData: true, retryAfterMs: undefined, message } as const;
  expect([
    failureSummary({ kind: 'retry', code: '500', ...retry }),
    failureSummary({ kind: 'retry', code: 'timeout', ...retry }),
    failureSummary({ kind: 'unauthorized', code: '403', message }),
    failureSummary({ kind: 'too_large', message }),
    failureSummary({ kind: 'rejected', status: 400, reason: 'other', message }),
    failureSummary({ kind: 'delivered', deduplicated: false }),
  ]).toEqual([
    'the upstream answers 500 (internal error)',
    'the upstream does not answer in time',
    'the upstream answers 403 (forbidden)',
    'the upstream answers 413 (too large)',
    'the upstream answers',
    'the upstream answers',
  ]);
});
