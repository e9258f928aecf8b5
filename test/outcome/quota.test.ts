import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify } from '../../src/outcome/classify.ts';
import { httpAnswer } from '../../src/outcome/http-answer.ts';
import type { UpstreamAnswer, Verdict } from '../../src/outcome/outcome.ts';
import { HOSTILE, REQUEST_RATES, SAMPLE_RATES, SERIES_QUOTAS } from './wordings.ts';

function verdictOn(status: number, message: string, errorType?: string): Verdict {
  const answer: UpstreamAnswer = { kind: 'answered', status, message, retryAfter: '3', date: undefined, errorType };
  return classify(answer, 0);
}

describe('a 429', () => {
  test.each(SERIES_QUOTAS)('about series or metadata is a verdict on data: %s', (said) => {
    for (const message of [said, JSON.stringify({ message: said })]) {
      expect(verdictOn(429, message)).toMatchObject({ kind: 'rejected', status: 429, reason: 'series_limit' });
    }
  });

  test('about series is told to the sender as 400 with the words of AMP, since some senders send again on 429', () => {
    const [said = ''] = SERIES_QUOTAS;
    const verdict = verdictOn(429, said);
    expect(verdict.kind === 'rejected' && httpAnswer(verdict)).toEqual({
      status: 400,
      body: said,
      retryAfter: undefined,
    });
  });

  test.each(SAMPLE_RATES)('about samples in a second throttles, and does not lie in the data: %s', (said) => {
    for (const message of [said, JSON.stringify({ message: said })]) {
      expect(verdictOn(429, message)).toMatchObject({
        kind: 'retry',
        code: '429',
        throttle: 'samples',
        mayLieInData: false,
        retryAfterMs: 3000,
      });
    }
  });

  test.each(REQUEST_RATES)('about requests in a second throttles, and does not lie in the data: %s', (message) => {
    expect(verdictOn(429, message)).toMatchObject({ kind: 'retry', throttle: 'requests', mayLieInData: false });
  });

  test('whose header names throttling is about requests, whatever its body', () => {
    for (const errorType of ['ThrottlingException', 'TooManyRequestsException:http://internal.amazon.com/coral/']) {
      expect(verdictOn(429, 'hm', errorType)).toMatchObject({ throttle: 'requests', mayLieInData: false });
    }
  });

  test.each(['', 'slow down', '<html>429</html>', 'too many series'])(
    'in words that are not known throttles and may lie in the data: %j',
    (message) => {
      expect(verdictOn(429, message)).toMatchObject({ kind: 'retry', throttle: 'unknown', mayLieInData: true });
    },
  );

  test('is never decided by what a sender chose', () => {
    const envelopes = [
      (text: string) => `new quota exceeded. series={__name__="up", note=${JSON.stringify(text)}}`,
      (text: string) => `new quota exceeded for metric ${text}`,
      (text: string) => `new quota exceeded, label: '${text}'`,
      (text: string) => JSON.stringify({ message: `new quota exceeded. series={note=${JSON.stringify(text)}}` }),
    ];
    const words = fc.constantFrom(HOSTILE, '"}', "'", '\\', ...SERIES_QUOTAS, ...SAMPLE_RATES, ...REQUEST_RATES);
    fc.assert(
      fc.property(fc.array(words, { maxLength: 3 }), fc.constantFrom(...envelopes), (chosen, envelope) => {
        expect(verdictOn(429, envelope(chosen.join(' ')).slice(0, 1024))).toMatchObject({ throttle: 'unknown' });
      }),
    );
  });
});
