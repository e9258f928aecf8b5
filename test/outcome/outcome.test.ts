import { describe, expect, test } from 'vitest';
import { classify, parseRetryAfter } from '../../src/outcome/classify.ts';
import { httpAnswer } from '../../src/outcome/http-answer.ts';
import { DEDUPLICATED, DELIVERED, type UpstreamAnswer } from '../../src/outcome/outcome.ts';

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

function answered(status: number, retryAfter?: string): Extract<UpstreamAnswer, { kind: 'answered' }> {
  return { kind: 'answered', status, message: 'said so', retryAfter, date: undefined };
}

describe('classify', () => {
  test.each([200, 201, 204, 299])('%i is delivered', (status) => {
    expect(classify(answered(status), NOW_MS)).toEqual({ kind: 'delivered', deduplicated: false });
  });

  test('202 is delivered and deduplicated: the samples of a replica that is not elected', () => {
    expect(classify(answered(202), NOW_MS)).toEqual({ kind: 'delivered', deduplicated: true });
  });

  test.each([400, 409, 422, 499])('%i is rejected with the message of the upstream', (status) => {
    expect(classify(answered(status), NOW_MS)).toEqual({
      kind: 'rejected',
      status,
      reason: 'other',
      message: 'said so',
    });
  });

  test.each([401, 403])('%i asks for fresh credentials and never reaches a sender', (status) => {
    expect(classify(answered(status), NOW_MS)).toMatchObject({ kind: 'unauthorized', code: String(status) });
  });

  test.each([
    ['alone', (secret: string) => `The security token ${secret} included in the request is invalid`],
    ['before a request that is quoted', (secret: string) => `Bad token ${secret} in Authorization: AWS4-HMAC-SHA256 x`],
    ['before a signature that is quoted', (secret: string) => `{"message":"${secret} is expired, Signature=abc"}`],
  ])('a token in a 403 is not shown: %s', (_what, say) => {
    // The beginning of a session token is the same for all; a real one has several hundred characters.
    const token = `IQoJb3JpZ2luX2VjE${'aB3/dE5+'.repeat(20)}==`;
    const verdict = classify({ ...answered(403), message: say(token) }, NOW_MS);
    expect(verdict).toMatchObject({ kind: 'unauthorized', code: '403' });
    const { message } = verdict.kind === 'unauthorized' ? verdict : { message: '' };
    expect(message).not.toMatch(/IQoJ|aB3|dE5/);
    expect(message).toContain('the upstream answered 403');
  });

  test('413 is too large', () => {
    expect(classify(answered(413), NOW_MS)).toMatchObject({ kind: 'too_large' });
  });

  test.each([408, 429, 503])('%i is throttled and honours Retry-After', (status) => {
    expect(classify(answered(status, '7'), NOW_MS)).toMatchObject({
      kind: 'retry',
      throttle: 'unknown',
      retryAfterMs: 7000,
    });
  });

  test.each([101, 301, 302, 304, 307, 308, 404, 500, 502, 504, 599])('%i is tried again', (status) => {
    expect(classify(answered(status), NOW_MS)).toMatchObject({ kind: 'retry', throttle: undefined });
  });

  test.each([
    'timeout',
    'connect_refused',
    'connect_timeout',
    'dns',
    'tls',
    'tls_untrusted',
    'proxy_407',
    'reset',
    'garbage',
    'credentials',
  ] as const)('no answer (%s) is tried again', (reason) => {
    const verdict = classify({ kind: 'failed', reason, message: 'why' }, NOW_MS);
    expect(verdict).toEqual({
      kind: 'retry',
      code: reason,
      throttle: undefined,
      down: true,
      mayLieInData: ['timeout', 'reset', 'garbage'].includes(reason),
      retryAfterMs: undefined,
      message: 'the upstream did not answer: why',
    });
  });

  test('every status that is tried again says whether the upstream is down', () => {
    // A wrong URL, method, header or proxy is answered with one of these.
    const wrongPlace = new Set([402, 404, 405, 406, 407, 410, 411, 414, 415, 421, 426, 431]);
    for (let status = 100; status < 600; status += 1) {
      const isDown = [1, 3, 5].includes(Math.floor(status / 100)) || wrongPlace.has(status);
      // 408 and 429 are answers of an upstream that works.
      const expected = status === 408 || status === 429 ? false : isDown ? true : undefined;
      const verdict = classify(answered(status), NOW_MS);
      expect([status, verdict.kind === 'retry' ? verdict.down : undefined]).toEqual([status, expected]);
    }
  });

  test('only 2xx is delivered, of all statuses there are', () => {
    const delivered = Array.from({ length: 500 }, (_, index) => 100 + index).filter(
      (status) => classify(answered(status), NOW_MS).kind === 'delivered',
    );
    expect([delivered.at(0), delivered.at(-1), delivered.length]).toEqual([200, 299, 100]);
  });
});

describe('parseRetryAfter', () => {
  test.each([
    ['0', 0],
    ['120', 120_000],
    [' 3 ', 3000],
    // RFC 9110, section 5.6.7: the three forms of a date; 55 s after NOW_MS.
    ['Fri, 02 Jan 2026 03:05:00 GMT', 55_000],
    ['Friday, 02-Jan-26 03:05:00 GMT', 55_000],
    ['Fri, 02 Jan 2026 03:00:00 GMT', 0],
  ])('%j is %i ms', (value, expected) => {
    expect(parseRetryAfter(value, NOW_MS)).toBe(expected);
  });

  test.each([undefined, '', 'soon', '1e3x'])('%j is nothing', (value) => {
    expect(parseRetryAfter(value, NOW_MS)).toBeUndefined();
  });
});

describe('httpAnswer', () => {
  test('delivered is 204 without a body, deduplicated or not', () => {
    const noContent = { status: 204, body: '', retryAfter: undefined };
    expect([httpAnswer(DELIVERED), httpAnswer(DEDUPLICATED)]).toEqual([noContent, noContent]);
  });

  test('rejected is what the upstream said', () => {
    const answer = httpAnswer({ kind: 'rejected', status: 400, reason: 'out_of_order', message: 'out of order' });
    expect(answer).toEqual({ status: 400, body: 'out of order', retryAfter: undefined });
  });

  test.each([
    [undefined, 1],
    [0, 1],
    [1, 1],
    [1000, 1],
    [1001, 2],
    [1500, 2],
    [2000, 2],
    [25_000, 25],
  ])('refused with %s ms to wait is Retry-After in whole seconds, never less: %i', (retryAfterMs, seconds) => {
    const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
    const answer = httpAnswer({ kind: 'refused', reason: 'queue_full', message: 'why', ...wait });
    expect(answer).toEqual({ status: 503, body: 'why', retryAfter: seconds });
  });

  test.each([
    [400, 400],
    [413, 413],
    [422, 422],
    // Senders that are set to send again on 429 would do so for hours.
    [429, 400],
  ])('what AMP rejects with %i is told as %i', (status, told) => {
    const answer = httpAnswer({ kind: 'rejected', status, reason: 'series_limit', message: 'limit' });
    expect(answer).toEqual({ status: told, body: 'limit', retryAfter: undefined });
  });

  test.each(['delivery_timeout', 'queue_full', 'draining', 'sender_gone', 'internal'] as const)(
    'refused for %s is 503 with Retry-After, so that Prometheus keeps the samples',
    (reason) => {
      const answer = httpAnswer({ kind: 'refused', reason, message: 'why' });
      expect(answer).toMatchObject({ status: 503, body: 'why' });
      expect(answer.retryAfter).toBeGreaterThan(0);
    },
  );
});
