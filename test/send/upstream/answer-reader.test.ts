/** Answers as RFC 9112 has them. Each comes whole, byte by byte and in pieces at random. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerReader, MAX_BODY_BYTES, MESSAGE_BYTES } from '../../../src/send/upstream/answer-reader.ts';
import { PROPERTY_TIMEOUT_MS, runs } from '../../support/arbitrary-runs.ts';
import {
  bytewise,
  CHUNKED,
  cutAt,
  cuts,
  DATE,
  head,
  OK,
  read,
  readHowever,
  type Told,
} from '../../support/answer-reading.ts';

describe('an answer', () => {
  test.each<[string, string, Partial<Told>]>([
    [
      'of a declared length',
      `${head('HTTP/1.1 429 Too Many Requests', 'Content-Length: 4', 'Retry-After: 7', `Date: ${DATE}`)}slow`,
      { status: 429, message: 'slow', retryAfter: '7', date: DATE, reusable: true, keepAliveSeconds: Infinity },
    ],
    ['of no length', head(OK, 'Content-Length: 0'), { status: 200, message: '', reusable: true }],
    ['of a length with zeros ahead', `${head(OK, 'Content-Length: 0003')}abc`, { message: 'abc', reusable: true }],
    ['without a reason', head('HTTP/1.1 200', 'Content-Length: 0'), { status: 200, reusable: true }],
    ['with an empty reason', head('HTTP/1.1 500 ', 'Content-Length: 0'), { status: 500, reusable: true }],
    ['with a reason in Latin-1', head('HTTP/1.1 400 Schl\xe4cht', 'Content-Length: 0'), { status: 400 }],
    ['with a status nobody knows', head('HTTP/1.1 999 Odd', 'Content-Length: 0'), { status: 999 }],
    ['with names in any letters', `${head(OK, 'CONTENT-LENGTH:2', 'rEtRy-AfTeR:\t5 ')}ab`, { retryAfter: '5' }],
    ['with empty values', head(OK, 'Content-Length: 0', 'Retry-After:', 'X:'), { retryAfter: '', reusable: true }],
    [
      'whose first Retry-After counts',
      head(OK, 'Content-Length: 0', 'Retry-After: 1', 'Retry-After: 2'),
      { retryAfter: '1' },
    ],
    [
      'that names an error of AWS',
      head('HTTP/1.1 400 Bad', 'Content-Length: 0', 'x-amzn-ErrorType: ThrottlingException'),
      { status: 400, errorType: 'ThrottlingException' },
    ],
    [
      'whose first error type counts',
      head('HTTP/1.1 403 No', 'X-AMZN-ERRORTYPE:  a#B:http://c/ ', 'x-amzn-errortype: D', 'Content-Length: 0'),
      { status: 403, errorType: 'a#B:http://c/' },
    ],
    ['whose first Date counts', head(OK, 'Content-Length: 0', `Date: ${DATE}`, 'Date: never'), { date: DATE }],
    ['with names that begin alike', head(OK, 'Content-Length: 0', 'Dates: x', 'X-Date: y'), { date: undefined }],
    ['with a colon in a value', head(OK, 'Content-Length: 0', 'Retry-After: a:b: c'), { retryAfter: 'a:b: c' }],
    ['204, which has no body', head('HTTP/1.1 204 No Content'), { status: 204, message: '', reusable: true }],
    ['204 that declares no length', head('HTTP/1.1 204 No Content', 'Content-Length: 0'), { reusable: true }],
    ['304, which has no body', head('HTTP/1.1 304 Not Modified'), { status: 304, message: '', reusable: true }],
    [
      '204 that declares a body, which may yet come',
      head('HTTP/1.1 204 No Content', 'Content-Length: 5'),
      { status: 204, message: '', reusable: false },
    ],
    [
      '304 that declares chunks, which may yet come',
      head('HTTP/1.1 304 Not Modified', 'Transfer-Encoding: chunked'),
      { status: 304, message: '', reusable: false },
    ],
    [
      'up to the end of the connection',
      `${head(OK, `Date: ${DATE}`)}all`,
      { message: 'all', date: DATE, reusable: false },
    ],
    ['of HTTP/1.0', `${head('HTTP/1.0 200 OK', 'Content-Length: 1')}a`, { message: 'a', reusable: false }],
    [
      'of HTTP/1.0 up to the end',
      `${head('HTTP/1.0 503 Busy')}wait`,
      { status: 503, message: 'wait', reusable: false },
    ],
    [
      'of HTTP/1.0 that would stay',
      head('HTTP/1.0 200 OK', 'Connection: keep-alive', 'Content-Length: 0'),
      { status: 200, reusable: false },
    ],
  ])('%s', (_what, text, expected) => {
    expect(readHowever(text)).toMatchObject(expected);
  });

  test.each<[string, string, Partial<Told>]>([
    ['in one chunk', `${CHUNKED}5\r\nhello\r\n0\r\n\r\n`, { status: 200, message: 'hello', reusable: true }],
    ['in several', `${CHUNKED}5\r\nhello\r\n0B\r\n, and again\r\n0\r\n\r\n`, { message: 'hello, and again' }],
    ['in none', `${CHUNKED}0\r\n\r\n`, { message: '', reusable: true }],
    [
      'with line ends in a chunk',
      `${CHUNKED}7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n`,
      { message: '\r\n0\r\n\r\n', reusable: true },
    ],
    [
      'in odd letters',
      `${head(OK, 'transfer-encoding: ChunKed')}a\r\n0123456789\r\n0\r\n\r\n`,
      { message: '0123456789' },
    ],
    ['with zeros ahead', `${CHUNKED}00000001\r\na\r\n00000000\r\n\r\n`, { message: 'a', reusable: true }],
    ['with extensions', `${CHUNKED}1;a;b=c;d="e f;g"\r\na\r\n0;end\r\n\r\n`, { message: 'a', reusable: true }],
    [
      'with trailers, which count for nothing',
      `${CHUNKED}1\r\na\r\n0\r\nRetry-After: 9\r\nX-Checksum: abc\r\n\r\n`,
      { message: 'a', retryAfter: undefined, reusable: true },
    ],
  ])('%s of a chunked body', (_what, text, expected) => {
    expect(readHowever(text)).toMatchObject(expected);
  });

  test.each<[string, string, Partial<Told>]>([
    ['100', `${head('HTTP/1.1 100 Continue')}${head(OK, 'Content-Length: 0')}`, { status: 200, reusable: true }],
    [
      'several, of whose headers none counts',
      head('HTTP/1.1 103 Early Hints', 'Retry-After: 1', 'Connection: close', 'Content-Length: 9') +
        head('HTTP/1.1 102 Processing', 'Keep-Alive: timeout=1', 'x-amzn-ErrorType: Early') +
        head('HTTP/1.1 503 Busy', 'Content-Length: 0'),
      { status: 503, retryAfter: undefined, errorType: undefined, reusable: true, keepAliveSeconds: Infinity },
    ],
  ])('after interim ones: %s', (_what, text, expected) => {
    expect(readHowever(text)).toMatchObject(expected);
  });
});

describe('a connection is used again', () => {
  test.each<[string, readonly string[], boolean]>([
    ['unless told', [], true],
    ['when told keep-alive', ['Connection: keep-alive'], true],
    ['not when told close', ['Connection: close'], false],
    ['not when told Close', ['connection:Close'], false],
    ['not when close is in a list', ['Connection: keep-alive, close'], false],
    ['not when close is in a list without spaces', ['Connection: x,close,y'], false],
    ['not when close is in a second header', ['Connection: keep-alive', 'Connection: close'], false],
    ['when only another word holds close', ['Connection: enclosed, close-notify, x-close'], true],
    ['when close is said elsewhere', ['X-Connection: close'], true],
  ])('%s', (_what, lines, reusable) => {
    expect(readHowever(`${head(OK, ...lines, 'Content-Length: 1')}a`)).toMatchObject({
      status: 200,
      message: 'a',
      reusable,
    });
  });

  test.each<[string, number]>([
    ['timeout=5', 5],
    ['timeout=0', 0],
    ['max=100, timeout=60', 60],
    ['Timeout=7,max=1', 7],
    ['max=100', Infinity],
    ['xtimeout=3', Infinity],
    ['timeout=-1', Infinity],
    ['', Infinity],
  ])('for as long as it is kept: Keep-Alive: %s', (value, keepAliveSeconds) => {
    expect(readHowever(head(OK, `Keep-Alive: ${value}`, 'Content-Length: 0'))).toMatchObject({
      reusable: true,
      keepAliveSeconds,
    });
  });

  test.each<[string, string]>([
    ['a second answer', head(OK, 'Content-Length: 0')],
    ['an empty line', '\r\n'],
    ['one byte', 'x'],
  ])('not when there is more than the answer: %s', (_what, more) => {
    const expected = { status: 204, message: '', reusable: false };
    expect(readHowever(`${head('HTTP/1.1 204 No Content')}${more}`)).toMatchObject(expected);
    expect(readHowever(`${head('HTTP/1.1 204 No Content', 'Content-Length: 0')}${more}`)).toMatchObject(expected);
    expect(readHowever(`${head(OK, 'Content-Length: 2')}ab${more}`)).toMatchObject({
      status: 200,
      message: 'ab',
      reusable: false,
    });
    expect(readHowever(`${CHUNKED}2\r\nab\r\n0\r\n\r\n${more}`)).toMatchObject({
      status: 200,
      message: 'ab',
      reusable: false,
    });
  });
});

function filled(text: string, bytes: number): string {
  return text.replace('*', 'x'.repeat(bytes - text.length + 1));
}

describe('what is too long', () => {
  const LIMIT = 16 * 1024;
  test('a head of up to 16 KiB is read, and one over it is none', () => {
    const well = filled(head(OK, 'X: *', 'Content-Length: 0'), LIMIT);
    expect(read([Buffer.from(well)])).toMatchObject({ status: 200 });
    expect(read(bytewise(Buffer.from(well)))).toMatchObject({ status: 200 });
    const over = Buffer.from(filled(head(OK, 'X: *', 'Content-Length: 0'), LIMIT + 5));
    expect(read([over])).toBe('fault');
    expect(read(bytewise(over))).toBe('fault');
  });

  test.each<[string, string]>([
    ['a head', 'HTTP/1.1 200 OK\r\nX: *'],
    ['an extension', `${CHUNKED}1;a=*`],
    ['a trailer', `${CHUNKED}0\r\nX: *`],
  ])('%s that does not end', (_what, text) => {
    const over = Buffer.from(filled(text, LIMIT + CHUNKED.length + 10));
    expect(read([over])).toBe('fault');
    expect(read(cutAt(over, [1000, 9000, 16_000]))).toBe('fault');
  });

  test.each([1, 9000, 70_000])(
    'an interim answer after another does not make a head too long (pieces of %i)',
    (size) => {
      const wire = Buffer.from(
        head('HTTP/1.1 103 Early Hints', `X: ${'x'.repeat(5000)}`).repeat(10) + head(OK, 'Content-Length: 0'),
      );
      const pieces = Array.from({ length: Math.ceil(wire.length / size) }, (_, at) =>
        wire.subarray(at * size, (at + 1) * size),
      );
      expect(read(pieces)).toMatchObject({ status: 200, reusable: true });
    },
  );

  test('the beginning of a message is kept', () => {
    const text = Array.from({ length: 3000 }, (_, index) => String.fromCodePoint(97 + (index % 26))).join('');
    const message = text.slice(0, MESSAGE_BYTES);
    expect(MESSAGE_BYTES).toBe(1024);
    expect(readHowever(`${head(OK, 'Content-Length: 3000')}${text}`)).toMatchObject({ message, reusable: true });
    expect(readHowever(`${head(OK)}${text}`)).toMatchObject({ message, reusable: false });
    const chunk = (size: number): string => `${size.toString(16)}\r\n${text.slice(0, size)}\r\n`;
    const begun = (text.slice(0, 1000) + text).slice(0, MESSAGE_BYTES);
    expect(readHowever(`${CHUNKED}${chunk(1000)}${chunk(2500)}0\r\n\r\n`)).toMatchObject({
      message: begun,
      reusable: true,
    });
  });

  const framed: [string, (bytes: number) => string][] = [
    ['declared', (bytes) => `${head('HTTP/1.1 500 Oh', `Content-Length: ${bytes}`)}${'y'.repeat(bytes)}`],
    [
      'chunked',
      (bytes) =>
        `${head('HTTP/1.1 500 Oh', 'Transfer-Encoding: chunked')}${`3e8\r\n${'y'.repeat(1000)}\r\n`.repeat(Math.floor(bytes / 1000))}${(bytes % 1000).toString(16)}\r\n${'y'.repeat(bytes % 1000)}\r\n0\r\n\r\n`,
    ],
  ];
  test.each(framed)('a body of 64 KiB is read to its end, %s', (_how, make) => {
    expect(MAX_BODY_BYTES).toBe(65_536);
    const wire = Buffer.from(make(MAX_BODY_BYTES));
    const expected = { status: 500, message: 'y'.repeat(MESSAGE_BYTES), reusable: true };
    expect(read([wire])).toMatchObject(expected);
    expect(read(bytewise(wire))).toMatchObject(expected);
  });

  test.each(framed)('a body over 64 KiB ends the connection, and the answer is there, %s', (_how, make) => {
    const wire = Buffer.from(make(MAX_BODY_BYTES + 1));
    const expected = { status: 500, message: 'y'.repeat(MESSAGE_BYTES), reusable: false };
    expect(read([wire])).toMatchObject(expected);
    expect(read(bytewise(wire))).toMatchObject(expected);
  });

  test('an answer up to the end of the connection is there when 64 KiB of it are', () => {
    const reader = new AnswerReader();
    reader.begin();
    expect(reader.push(Buffer.from(`${head('HTTP/1.1 500 Oh')}${'y'.repeat(MAX_BODY_BYTES)}`))).toBe(false);
    expect(reader.push(Buffer.from('y'))).toBe(true);
    expect(reader.reusable).toBe(false);
  });
});

test('reads one answer after another, each with its own status and body', { timeout: PROPERTY_TIMEOUT_MS }, () => {
  const answers: readonly [string, Partial<Told>][] = [
    [
      `${head('HTTP/1.1 429 Slow', 'Content-Length: 3', 'Retry-After: 7', 'x-amzn-ErrorType: T', `Date: ${DATE}`, 'Keep-Alive: timeout=9')}abc`,
      {
        status: 429,
        message: 'abc',
        retryAfter: '7',
        date: DATE,
        errorType: 'T',
        keepAliveSeconds: 9,
        reusable: true,
      },
    ],
    [`${CHUNKED}2\r\nde\r\n0\r\nX: y\r\n\r\n`, { status: 200, message: 'de', reusable: true }],
    [head('HTTP/1.1 204 No Content'), { status: 204, message: '', reusable: true }],
    [head(OK, 'Connection: close', 'Content-Length: 0'), { status: 200, message: '', reusable: false }],
    [head('HTTP/1.1 100 Continue') + head('HTTP/1.1 400 No', 'Content-Length: 0'), { status: 400, reusable: true }],
    [`${head(OK, `Content-Length: ${MAX_BODY_BYTES}`)}${'z'.repeat(MAX_BODY_BYTES)}`, { reusable: true }],
  ];
  const none = { retryAfter: undefined, date: undefined, errorType: undefined, keepAliveSeconds: Infinity };
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...answers), cuts), { maxLength: 8 }), (sequence) => {
      const reader = new AnswerReader();
      for (const [[text, expected], at] of sequence) {
        expect(read(cutAt(Buffer.from(text), at), reader)).toEqual(expect.objectContaining({ ...none, ...expected }));
      }
    }),
    runs(200),
  );
});

test('the rest of an answer that never became complete is not read as part of the next', () => {
  const reader = new AnswerReader();
  for (const text of ['HTTP/1.1 2', `${CHUNKED}5\r\nab`, `${head(OK, 'Content-Length: 9')}ab`, `${CHUNKED}0\r\nX: `]) {
    expect(read([Buffer.from(text)], reader)).toBe('unfinished');
    expect(read([Buffer.from(`${head(OK, 'Content-Length: 1')}c`)], reader)).toMatchObject({
      status: 200,
      message: 'c',
    });
  }
});

test(
  'any bytes are either an answer or a fault, and the result in pieces is the same',
  { timeout: PROPERTY_TIMEOUT_MS },
  () => {
    const bits = [
      OK,
      'HTTP/1.1 100',
      'Content-Length: 2',
      'Transfer-Encoding: chunked',
      'Connection: close',
      '\r\n',
      '\n',
      '\r',
    ];
    const bit = fc.oneof(
      fc.constantFrom(...bits, '2', '0', 'ab', ';a', ': ', ' '),
      fc.string({ unit: 'binary-ascii', maxLength: 3 }),
    );
    const wire = fc.array(bit, { maxLength: 12 }).map((given) => Buffer.from(`${OK}\r\n${given.join('')}`, 'latin1'));
    fc.assert(
      fc.property(wire, cuts, (bytes, at) => {
        const whole = read([bytes]);
        expect(read(cutAt(bytes, at))).toEqual(whole);
      }),
      runs(500),
    );
  },
);
