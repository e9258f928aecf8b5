/** Answers of AMP in AWS's words, and what the doctor makes of them. */
import { describe, expect, test } from 'vitest';

import { explainAnswer, explainClock } from '../../../src/commands/doctor/answer.ts';

const CONTEXT = {
  url: 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1/api/v1/remote_write',
  region: 'us-west-2',
  skewMs: 0,
};

describe('an answer', () => {
  test.each([
    [
      403,
      'User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: aps:RemoteWrite on resource: x because no identity-based policy allows the aps:RemoteWrite action',
      'the role may not aps:RemoteWrite',
      'arn:aws:aps:us-west-2:ACCOUNT:workspace/ws-1',
    ],
    [
      403,
      'is not authorized to perform: aps:RemoteWrite with an explicit deny in a service control policy',
      'explicitly',
      'service control',
    ],
    [
      403,
      'because no VPC endpoint policy allows the aps:RemoteWrite action',
      'the policy of the VPC endpoint',
      'Allow',
    ],
    [403, 'The security token included in the request is expired', 'the credentials have expired', 'Get new ones'],
    [403, 'The security token included in the request is invalid.', 'AWS does not know', 'opt-in region'],
    [403, 'Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z', 'clock is wrong', 'chrony'],
    [403, 'Credential should be scoped to a valid region.', 'wrong region (us-west-2)', 'sigv4.region'],
    [403, 'Missing Authentication Token', 'the signature did not arrive', 'Authorization header'],
    [403, 'something new', 'refused (403: something new)', 'bootstrap status'],
    [404, '', 'there is no such workspace', 'aws amp list-workspaces --region us-west-2'],
    [301, '', 'redirected', 'never followed'],
    [500, 'oops', 'unexpected answer (500: oops)', 'try again'],
  ])('%i %s is told apart', (status, message, words, remedy) => {
    const result = explainAnswer(status, message, CONTEXT);
    expect(result.status).toBe('failed');
    expect(result.message).toContain(words);
    expect(result.remedy).toContain(remedy);
  });

  test.each([
    [
      400,
      '<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head>',
      undefined,
      'something else than AMP answers, with a web page (400: 400 The plain HTTP request was sent to HTTPS port)',
      'TLS inspector',
    ],
    [200, '<!doctype html><title>Log in</title>', undefined, 'web page (200: Log in)', 'proxy_url'],
    [403, '<html><title>Blocked</title>', undefined, 'web page (403: Blocked)', 'firewall'],
    [400, '', 'ExpiredTokenException', 'the credentials have expired', 'Get new ones'],
    [400, '{"message":"no","__type":"RequestExpired"}', undefined, "this machine's clock is wrong", 'chrony'],
    [400, '', 'MissingAuthenticationToken', 'the signature did not arrive', 'Authorization header'],
  ])('%i %s %s is no verdict on data', (status, message, errorType, words, remedy) => {
    const result = explainAnswer(status, message, { ...CONTEXT, errorType });
    expect(result.status).toBe('failed');
    expect(result.message).toContain(words);
    expect(result.remedy).toContain(remedy);
  });

  test('that throttles, or tells of a quota of series, is a warning with a remedy of its own', () => {
    const throttled = explainAnswer(400, '{"message":"Rate exceeded"}', CONTEXT);
    expect(throttled).toMatchObject({ status: 'warning', message: expect.stringContaining('throttled') });
    const quota = explainAnswer(429, 'per-user series limit of 10 exceeded', CONTEXT);
    expect(quota).toMatchObject({ status: 'warning', remedy: expect.stringContaining('ACTIVE SERIES') });
  });

  test('of 2xx with nothing in it is the proof, with the time that it took', () => {
    for (const status of [200, 202, 204]) {
      const result = explainAnswer(status, '', { ...CONTEXT, tookMs: 123 });
      expect(result).toMatchObject({ status: 'ok', message: expect.stringContaining('in 123 ms') });
    }
    expect(explainAnswer(429, '', CONTEXT).status).toBe('warning');
  });

  test('that any web server could give proves nothing', () => {
    expect(explainAnswer(200, 'ok', CONTEXT)).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('something else is there'),
    });
    expect(explainAnswer(400, 'Bad Request', CONTEXT)).toMatchObject({
      status: 'warning',
      message: expect.stringContaining('proves neither'),
    });
  });

  test('is quoted without the canonical request and without tokens', () => {
    const token = 'IQoJb3JpZ2luX2VjEJr'.repeat(10);
    const message = `does not match. The Canonical String for this request should have been 'POST x-amz-security-token:${token}'`;
    expect(explainAnswer(403, message, CONTEXT).message).not.toContain('IQoJ');
    expect(explainAnswer(403, `token ${token}`, CONTEXT).message).not.toContain('IQoJ');
    const echo = `bad gateway; authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-west-2/aps/aws4_request, Signature=${'0a'.repeat(32)}`;
    expect(explainAnswer(500, echo, CONTEXT).message).not.toMatch(/AKIA|0a0a/);
  });
});

describe('the clock', () => {
  test('is well within a minute, doubtful within five, wrong beyond', () => {
    const skews = [0, -30_000, 61_000, -299_000, 301_000, undefined];
    expect(skews.map((skewMs) => explainClock({ ...CONTEXT, skewMs }).status)).toEqual([
      'ok',
      'ok',
      'warning',
      'warning',
      'failed',
      'warning',
    ]);
  });
});
