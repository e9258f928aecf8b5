/**
 * A connection's heads, one after another on one reader, beside a parser that knows nothing of those before. All are
 * read from one buffer, as the fast path's are, in which the bytes of earlier ones lie about.
 */
import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { HeadReader } from '../../../../src/receive/http/fast-path/head-reader.ts';
import { tryParseHead, type RequestHead } from '../../../../src/receive/http/fast-path/request-head.ts';
import { arbitraryComing, arbitraryHead, headText } from '../../../support/arbitrary-heads.ts';
import { PROPERTY_TIMEOUT_MS, runs } from '../../../support/arbitrary-runs.ts';

// It parses as ever, and its calls are counted.
vi.mock('../../../../src/receive/http/fast-path/request-head.ts', { spy: true });

const MAX_HEAD_BYTES = 8_192;

interface Read {
  readonly head: RequestHead | undefined;
  readonly bodyAt: number | undefined;
}

const UNREAD: Read = { head: undefined, bodyAt: undefined };

class Connection {
  /** The number of heads that were parsed, and not recalled. */
  parsed = 0;
  readonly #reader = new HeadReader();
  /** Never made clean. */
  readonly #buffer = Buffer.alloc(3 * MAX_HEAD_BYTES);

  /** @param missing how many bytes at the text's end lie in the buffer, but have not come */
  read(text: string, at = 0, missing = 0): Read {
    const end = at + this.#buffer.write(text, at, 'latin1') - missing;
    vi.mocked(tryParseHead).mockClear();
    const head = this.#reader.tryRead(this.#buffer, at, end);
    this.parsed += vi.mocked(tryParseHead).mock.calls.length;
    return { head, bodyAt: head === undefined ? undefined : this.#reader.bodyAt };
  }
}

/** Returns the result of a reader that remembers nothing. */
function readAnew(text: string, at: number): Read {
  const headEnd = text.indexOf('\r\n\r\n');
  const head = headEnd === -1 || headEnd > MAX_HEAD_BYTES ? undefined : tryParseHead(text.slice(0, headEnd));
  return head === undefined ? UNREAD : { head, bodyAt: at + headEnd + 4 };
}

/** 90 bytes when the length has one digit. @param changes old and new */
function headOf(length: string, ...changes: readonly (readonly [from: string, to: string])[]): string {
  const lines = ['POST /api/v1/write HTTP/1.1', 'Host: proxy', 'Content-Length: #', 'Authorization: Basic YTpi'];
  const text = `${lines.join('\r\n')}\r\n\r\n`;
  return changes.reduce((changed, [from, to]) => changed.replace(from, to), text).replace('#', length);
}

/** A head of so many bytes without the empty line. */
function headOfSize(bytes: number, length: string): string {
  const padded = (pad: number): string => headOf(length, ['Host', `X-Pad: ${'x'.repeat(pad)}\r\nHost`]);
  return padded(bytes + 4 - padded(0).length);
}

const FIVE: RequestHead = {
  path: '/api/v1/write',
  contentLength: 5,
  contentType: undefined,
  contentEncoding: undefined,
  authorization: 'Basic YTpi',
};

function read(bodyAt: number, otherwise: Partial<RequestHead> = {}): Read {
  return { head: { ...FIVE, ...otherwise }, bodyAt };
}

/** One whose first request has been read. */
function begun(): Connection {
  const connection = new Connection();
  expect(connection.read(`${headOf('5')}abcde`)).toStrictEqual(read(90));
  expect(connection.parsed).toBe(1);
  return connection;
}

describe('a head that differs from the one before in the digits of its length', () => {
  test.each([
    ['the same', '5', 'abcde', read(90)],
    ['zero', '0', '', read(90, { contentLength: 0 })],
    ['of another length', '4200', 'abcde', read(93, { contentLength: 4200 })],
    ['of ten digits', '9876543210', 'abcde', read(99, { contentLength: 9_876_543_210 })],
    ['with leading zeros', '0000000042', 'abcde', read(99, { contentLength: 42 })],
    ['of zeros', '00', '', read(91, { contentLength: 0 })],
    ['before a body of digits', '3', '123', read(90, { contentLength: 3 })],
    ['before a body that looks like more of the head', '7', '\r\nA: b\r\n\r\n', read(90, { contentLength: 7 })],
  ])('%s: it is recalled, not parsed', (_what, length, body, expected) => {
    const connection = begun();
    expect(connection.read(headOf(length) + body)).toStrictEqual(expected);
    expect(connection.parsed).toBe(1);
  });

  test('is recalled wherever it is in the buffer', () => {
    const connection = begun();
    expect(connection.read(`${headOf('12')}abcde`, 33)).toStrictEqual(read(124, { contentLength: 12 }));
    expect(connection.read(`${headOf('6')}abcde`, 1)).toStrictEqual(read(91, { contentLength: 6 }));
    expect(connection.parsed).toBe(1);
  });

  test.each(['', '\t', ' \t '])('is recalled with the white space %j before its length', (blanks) => {
    const connection = new Connection();
    for (const length of ['1', '22', '333']) {
      const text = headOf(length, [': #', `:${blanks}#`]);
      expect(connection.read(text).head?.contentLength).toBe(Number(length));
    }
    expect(connection.parsed).toBe(1);
  });

  test.each(['00000000005', '12345678901', '123456789012'])('is left to Node with the length %s', (length) => {
    expect(begun().read(`${headOf(length)}abcde`)).toStrictEqual(UNREAD);
  });

  test.each(['', ' ', '+5', '-5', '0x5', '5,5', '5 5', '5.', '5\r\n 5', '\xb2', '/', ':'])(
    'is left to Node with a length that is none: %j',
    (length) => {
      expect(begun().read(`${headOf(length)}abcde`)).toStrictEqual(UNREAD);
    },
  );

  test('is not read before all of it has come, though an earlier one has left the same bytes behind', () => {
    const connection = begun();
    const text = headOf('12');
    for (let missing = 1; missing <= text.length; missing += 1) {
      expect(connection.read(text, 0, missing), `${missing} bytes are missing`).toStrictEqual(UNREAD);
    }
    expect(connection.read(text)).toStrictEqual(read(91, { contentLength: 12 }));
    expect(connection.parsed).toBe(1);
  });

  test('is not read to the end of the buffer, where that comes first', () => {
    const reader = new HeadReader();
    const text = headOf('5');
    expect(reader.tryRead(Buffer.from(text), 0, 90)?.contentLength).toBe(5);
    for (let bytes = 0; bytes < text.length; bytes += 1) {
      expect(reader.tryRead(Buffer.from(text.slice(0, bytes)), 0, bytes)).toBeUndefined();
    }
  });

  test('is left to Node where its length makes it longer than 8 KiB', () => {
    for (let bytes = 8_174; bytes <= 8_192; bytes += 1) {
      const connection = new Connection();
      expect(connection.read(headOfSize(bytes, '5'))).toStrictEqual(read(bytes + 4));
      const { bodyAt } = connection.read(headOfSize(bytes + 9, '1234567890'));
      expect(bodyAt).toBe(bytes + 9 <= 8_192 ? bytes + 13 : undefined);
    }
  });
});

describe('a head that differs otherwise is read as if there had been none before it', () => {
  test.each<[string, [string, string], Read]>([
    ['another path', ['/write', '/wrote'], read(90, { path: '/api/v1/wrote' })],
    ['a longer path', ['/write', '/write/a'], read(92, { path: '/api/v1/write/a' })],
    ['another password', ['YTpi', 'Yzpk'], read(90, { authorization: 'Basic Yzpk' })],
    ['a longer password', ['YTpi', 'YTpiYg=='], read(94, { authorization: 'Basic YTpiYg==' })],
    ['no password', ['Authorization: Basic YTpi\r\n', ''], read(63, { authorization: undefined })],
    ['a type', ['YTpi', 'YTpi\r\nContent-Type: a/b'], read(109, { contentType: 'a/b' })],
    ['a type before', ['Host', 'Content-Type: a/b\r\nHost'], read(109, { contentType: 'a/b' })],
    ['a type in Latin-1', ['YTpi', 'YTpi\r\nContent-Type: \xe4'], read(107, { contentType: '\xe4' })],
    ['an encoding', ['YTpi', 'YTpi\r\nContent-Encoding: gzip'], read(114, { contentEncoding: 'gzip' })],
    ['its name in small letters', ['Content-Length', 'content-length'], read(90)],
    ['no white space', [': #', ':#'], read(89)],
    ['more white space', [': #', ':  #'], read(91)],
    ['white space behind', ['#', '# '], read(91)],
    ['another method', ['POST', 'PUT'], UNREAD],
    ['another first letter', ['POST', 'MOST'], UNREAD],
    ['a second length before', ['Host', 'content-length: 7\r\nHost'], UNREAD],
    ['a second length behind', ['#', '#\r\nContent-Length: 5'], UNREAD],
    ['a chunked body', ['#', '#\r\nTransfer-Encoding: chunked'], UNREAD],
    ['a connection that closes', ['Host', 'Connection: close\r\nHost'], UNREAD],
    ['no length', ['Content-Length: #\r\n', ''], UNREAD],
    ['a length of another name', ['Content-Length', 'Content-Lengti'], UNREAD],
    ['a bare LF at its end', ['YTpi\r\n\r\n', 'YTpi\r\n\n'], UNREAD],
    ['something else at its end', ['YTpi\r\n\r\n', 'YTpi\r\n\r\t'], UNREAD],
  ])('%s', (_what, change, expected) => {
    const connection = begun();
    expect(connection.read(`${headOf('5', change)}abcde`)).toStrictEqual(expected);
  });

  test('recalls a second identical head behind the first in the same buffer', () => {
    const connection = begun();
    expect(connection.read(headOf('8', ['YTpi', 'Yzpk']), 95)).toStrictEqual(
      read(185, { contentLength: 8, authorization: 'Basic Yzpk' }),
    );
  });

  test.each([
    'X-Content-Length: 8',
    'X-A: Content-Length: 8',
    'Content-Length-X: 8',
    'Content_Length: 8',
    'X-A: \xc3\xa4 8',
    'X-A: 5',
    'Content-Encoding: 5',
  ])('so is one whose length is not in the line "%s"', (line) => {
    const change = ['Host', `${line}\r\nHost`] as const;
    const connection = new Connection();
    expect(connection.read(`${headOf('5', change)}abcde`).head?.contentLength).toBe(5);
    expect(connection.read(`${headOf('600', change)}abcde`).head?.contentLength).toBe(600);
    expect(connection.parsed).toBe(1);
    const changed = line.replace(/\d/, '9');
    const other = connection.read(`${headOf('600', ['Host', `${changed}\r\nHost`])}abcde`);
    expect(other.head?.contentLength).toBe(600);
    expect(connection.parsed).toBe(2);
  });
});

/** Reads heads of these paths. @returns how many of them were parsed */
function parsedOf(connection: Connection, names: string): number {
  const before = connection.parsed;
  for (const name of names) {
    const text = headOf('5', ['/write', `/write/${name}`]);
    expect(connection.read(`${text}abcde`).head?.path).toBe(`/api/v1/write/${name}`);
  }
  return connection.parsed - before;
}

describe('what is remembered', () => {
  test('is the last head, as it was', () => {
    const connection = new Connection();
    expect(parsedOf(connection, 'aaabbb')).toBe(2);
    expect(parsedOf(connection, 'a')).toBe(1);
  });

  test('is nothing new after four heads in a row that were all others', () => {
    expect(parsedOf(new Connection(), 'abcdd')).toBe(4);
    expect(parsedOf(new Connection(), 'abcdee')).toBe(6);
    expect(parsedOf(new Connection(), 'abcdeffggghaaabbb')).toBe(17);
  });

  test('is the fourth of them, and when it comes again others are remembered too', () => {
    const connection = new Connection();
    expect(parsedOf(connection, 'abcdeee')).toBe(7);
    expect(parsedOf(connection, 'd')).toBe(0);
    expect(parsedOf(connection, 'eee')).toBe(1);
  });

  test('is counted anew after each head that came again', () => {
    expect(parsedOf(new Connection(), 'abcc'.repeat(10))).toBe(30);
  });

  test('is never a head that was left to Node', () => {
    const connection = begun();
    const bad = `${headOf('5', ['Host', 'Transfer-Encoding: chunked\r\nHost'])}abcde`;
    for (let times = 0; times < 10; times += 1) expect(connection.read(bad)).toStrictEqual(UNREAD);
    expect(connection.read(`${headOf('5')}abcde`)).toStrictEqual(read(90));
    expect(connection.parsed).toBe(11);
  });
});

test(
  'a head is read as by a parser that remembers nothing, whatever came before',
  { timeout: PROPERTY_TIMEOUT_MS },
  () => {
    const counts = { all: 0, unread: 0, recalled: 0 };
    const property = fc.property(
      fc.array(arbitraryHead, { minLength: 1, maxLength: 3 }),
      fc.array(arbitraryComing, { minLength: 2, maxLength: 12 }),
      ([first, ...others], requests) => {
        if (first === undefined) return;
        const connection = new Connection();
        for (const { head: index, length, body, at, missing, change, changeAt } of requests) {
          const text = headText(others[index] ?? first, length) + body;
          const place = changeAt % text.length;
          const sent = change === undefined ? text : text.slice(0, place) + change + text.slice(place + 1);
          const come = sent.slice(0, sent.length - (missing % sent.length));
          const { parsed } = connection;
          const { head, bodyAt } = connection.read(sent, at, sent.length - come.length);
          counts.all += 1;
          if (head === undefined) counts.unread += 1;
          else if (connection.parsed === parsed) counts.recalled += 1;
          expect({ head, bodyAt }).toStrictEqual(readAnew(come, at));
        }
      },
    );
    fc.assert(property, runs(1_500));
    // Or nothing was compared.
    expect(counts.unread / counts.all).toBeGreaterThan(0.1);
    expect(counts.recalled / counts.all).toBeGreaterThan(0.1);
  },
);
