/** Heads of one connection that are much alike, for a reader that remembers them. */
import * as fc from 'fast-check';
import { mostly } from './arbitrary-mostly.ts';

const LINES = [
  'Authorization: Basic YTpi',
  'Authorization: Basic Yzpk',
  'Content-Type: text/plain',
  'X-Content-Length: 5',
  'X-A: Content-Length: 5',
  'Content-Length-X: 5',
  'X-A: 5',
  'X-A: \xc3\xa4',
  'Connection: keep-alive',
];
const BAD_LINES = ['Content-Length: 5', 'content-length: 77', 'Transfer-Encoding: chunked', 'Host: other', 'X-A : b'];

/** All of a head but its length. */
export const arbitraryHead = fc.record({
  path: mostly('/api/v1/write', '/api/v1/wrote', '/api/v1/write/a'),
  lines: fc.uniqueArray(fc.constantFrom(...LINES), { maxLength: 3 }),
  bad: mostly([], ...BAD_LINES.map((line) => [line])),
  name: mostly('Content-Length', 'content-length', 'CONTENT-LENGTH', 'Content-Lengt', 'Content-Length '),
  before: mostly(' ', '', '\t', ' \t ', ' 0', ' 5 '),
  after: mostly('', ' ', '\t', ' \t ', '0', ', 5', '\r\n 5', '\n'),
  place: fc.nat(),
  /** The length of a long head when its length has one digit. */
  bytes: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 8_180, max: 8_192 })),
});

const digits = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'0123456789'.split('')), minLength, maxLength });

/** A request with one of several heads, and how it comes. */
export const arbitraryComing = fc.record({
  head: fc.nat({ max: 2 }),
  length: fc.oneof(
    { weight: 8, arbitrary: fc.nat({ max: 2_000 }).map(String) },
    { weight: 4, arbitrary: digits(1, 12) },
    fc.constantFrom('', '+5', '5,5', '5 5', '/', ':'),
  ),
  body: fc.oneof(
    digits(0, 20),
    fc.constantFrom(
      '\r\n\r\n',
      '\r\nContent-Length: 1\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n',
    ),
  ),
  at: fc.nat({ max: 64 }),
  /** The number of bytes missing at its end, at most all of them. */
  missing: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.nat({ max: 40 }), fc.nat()),
  change: mostly(undefined, '\r', '\n', '\t', ' ', '0', 'a', ':'),
  changeAt: fc.nat(),
});

type Head = typeof arbitraryHead extends fc.Arbitrary<infer Value> ? Value : never;

export function headText({ path, lines, bad, name, before, after, place, bytes }: Head, length: string): string {
  const all = ['Host: proxy', ...lines, ...bad];
  all.splice(place % (all.length + 1), 0, `${name}:${before}#${after}`);
  const text = [`POST ${path} HTTP/1.1`, ...all].join('\r\n');
  const pad = bytes === 0 ? '' : `\r\nX-Pad: ${'x'.repeat(bytes - text.length - 9)}`;
  return `${text.replace('#', length)}${pad}\r\n\r\n`;
}
