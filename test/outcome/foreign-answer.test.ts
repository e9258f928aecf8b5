import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify, responseCode } from '../../src/outcome/classify.ts';
import type { UpstreamAnswer, Verdict } from '../../src/outcome/outcome.ts';
import { rejectionReason } from '../../src/outcome/rejection-reason.ts';
import { HOSTILE, REJECTIONS, SERIES_QUOTAS } from './wordings.ts';

function answered(status: number, message: string, errorType?: string): UpstreamAnswer {
  return { kind: 'answered', status, message, retryAfter: undefined, date: undefined, errorType };
}

function verdictOn(status: number, message: string, errorType?: string): Verdict {
  return classify(answered(status, message, errorType), 0);
}

/** nginx src/http/ngx_http_special_response.c. */
const NGINX = (title: string): string =>
  `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n<hr><center>nginx/1.27.0</center>\r\n</body>\r\n</html>`;

describe('a 4xx that is positively not of AMP is no verdict on data:', () => {
  test.each([
    NGINX('400 The plain HTTP request was sent to HTTPS port'),
    '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n<title>400 Bad Request</title>',
    '\uFEFF <?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>BadDigest</Code></Error>',
    '<HTML><HEAD><TITLE>Access blocked by policy</TITLE></HEAD>',
  ])('a page %#', (page) => {
    for (const status of [400, 403, 422]) {
      expect(verdictOn(status, page)).toMatchObject({
        kind: 'retry',
        code: `foreign_${status}`,
        throttle: undefined,
        down: true,
        mayLieInData: true,
      });
    }
  });

  test('a page tells its title, not its mark-up', () => {
    const verdict = verdictOn(400, NGINX('400 The plain HTTP request was sent to HTTPS port'));
    expect(verdict.kind === 'retry' && verdict.message).toMatch(
      /a page, not an answer of AMP.*: 400 The plain HTTP request was sent to HTTPS port$/,
    );
  });

  test.each([
    // Go src/net/http/server.go.
    'Client sent an HTTP request to an HTTPS server.\n',
    'The plain HTTP request was sent to HTTPS port',
  ])('a sentence of a server that wants TLS: %j', (sentence) => {
    expect(verdictOn(400, sentence)).toMatchObject({ kind: 'retry', code: 'foreign_400', mayLieInData: true });
  });

  test('a page with 200 acknowledges nothing: a captive portal stores no samples', () => {
    expect(verdictOn(200, '<!doctype html><title>Log in</title>')).toMatchObject({
      kind: 'retry',
      code: 'foreign_200',
    });
  });

  test('a page with 413 is cut as any other, for it is the limit of a proxy on the way', () => {
    expect(verdictOn(413, NGINX('413 Request Entity Too Large'))).toMatchObject({ kind: 'too_large' });
  });

  test.each(['ThrottlingException', 'Throttling', 'RequestLimitExceeded', 'TooManyRequestsException'])(
    '%s throttles requests',
    (type) => {
      const expected = { kind: 'retry', code: 'throttled_400', throttle: 'requests', mayLieInData: false };
      expect(verdictOn(400, 'Rate exceeded', type)).toMatchObject(expected);
      expect(verdictOn(400, `{"__type":"com.amazonaws.aps#${type}"}`)).toMatchObject(expected);
      expect(verdictOn(400, `{"message":"no","code":"${type}"}`)).toMatchObject(expected);
    },
  );

  test.each([
    'RequestExpired',
    'ExpiredToken',
    'ExpiredTokenException',
    'IncompleteSignature',
    'IncompleteSignatureException',
    'UnrecognizedClientException',
    'InvalidSignatureException',
    'MissingAuthenticationToken',
    'MissingAuthenticationTokenException',
    'AccessDeniedException',
    'InvalidClientTokenId',
  ])('%s asks for fresh credentials', (type) => {
    const expected = { kind: 'unauthorized', code: 'unauthorized_400' };
    expect(verdictOn(400, 'no', type)).toMatchObject(expected);
    expect(verdictOn(400, `{"__type":"${type}","message":"no"}`)).toMatchObject(expected);
  });

  test.each([
    '{"message":"The security token included in the request is expired"}',
    '{"message":"The security token included in the request is invalid."}',
    '{"Message":"Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z"}',
    '{"message":"Missing Authentication Token"}',
    '{"message":"The request signature we calculated does not match the signature you provided. Check your AWS',
  ])('a sentence of AWS without a type asks for fresh credentials: %s', (body) => {
    expect(verdictOn(400, body)).toMatchObject({ kind: 'unauthorized', code: 'unauthorized_400' });
  });
});

describe('what is recognised as data stays a verdict', () => {
  test.each(REJECTIONS)('%s', (said, reason) => {
    for (const body of [said, JSON.stringify({ message: said }), JSON.stringify({ status: 'error', error: said })]) {
      expect(verdictOn(400, body)).toMatchObject({ kind: 'rejected', status: 400, reason });
    }
    expect(rejectionReason(400, said)).toBe(reason);
  });

  test('in any envelope, cut anywhere after its own words, with any words in what the sender chose', () => {
    const envelopes = [
      (text: string) => text,
      (text: string) => `${text}\n`,
      (text: string) => JSON.stringify({ message: text }),
      (text: string) => JSON.stringify({ Message: text, requestId: '1' }),
      (text: string) => JSON.stringify({ status: 'error', errorType: 'bad_data', error: text }),
      (text: string) => JSON.stringify({ code: 400, message: text }, null, 2),
    ];
    const chosen = fc.oneof(
      fc.constantFrom(HOSTILE, '"}', "'", '<html>', '"__type":"ThrottlingException"'),
      fc.string(),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...REJECTIONS),
        fc.constantFrom(...envelopes),
        chosen,
        fc.integer({ min: 0, max: 300 }),
        ([said], envelope, label, cutOff) => {
          const body = envelope(`${said} series={note=${JSON.stringify(label)}}`);
          expect(verdictOn(400, body.slice(0, Math.max(300, body.length - cutOff)))).toMatchObject({
            kind: 'rejected',
          });
        },
      ),
      { numRuns: 500 },
    );
  });

  test('a type that AWS uses for input does not hold it back', () => {
    expect(verdictOn(400, '{"message":"out of order sample"}', 'ValidationException')).toMatchObject({
      kind: 'rejected',
      reason: 'out_of_order',
    });
  });

  test.each([
    'received message larger than max (2000000 vs 1000000)',
    'rpc error: grpc: received message larger than max',
  ])('but that a message is too large is mended by cutting: %s', (said) => {
    expect(verdictOn(400, said)).toMatchObject({ kind: 'too_large' });
  });
});

test('the code of an answer tells what its status alone would hide', () => {
  const [quota = ''] = SERIES_QUOTAS;
  expect(
    [
      answered(200, ''),
      answered(400, 'out of order sample'),
      answered(429, 'ingestion rate limit (1) exceeded'),
      answered(429, quota),
      answered(400, '<html>'),
      answered(400, '', 'ThrottlingException'),
      answered(403, '', 'AccessDeniedException'),
      answered(400, '', 'ExpiredTokenException'),
      { kind: 'failed', reason: 'dns', message: '' } as const,
    ].map(responseCode),
  ).toEqual(['200', '400', '429', 'quota_429', 'foreign_400', 'throttled_400', '403', 'unauthorized_400', 'dns']);
});
