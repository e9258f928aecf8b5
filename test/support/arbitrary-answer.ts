/** Answers of HTTP/1.1 and 1.0 as servers write them, and what a fault on the way makes of them. */
import * as fc from 'fast-check';

const blanks = fc.constantFrom('', ' ', '\t', '  ');
const letters = fc.constantFrom(
  (name: string) => name,
  (name: string) => name.toLowerCase(),
  (name: string) => name.toUpperCase(),
);
const header = (name: string, value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(letters, blanks, value, blanks)
    .map(([change, before, text, after]) => `${change(name)}:${before}${text}${after}`);
const visible = fc.string({
  unit: fc.constantFrom('a', 'Z', '0', '9', '%', '{', '"', ':', ';', ',', '=', '/', '<', '\\', '~'),
  maxLength: 60,
});
const noise = fc.oneof(
  header('Retry-After', fc.constantFrom('7', '120', 'Fri, 02 Jan 2026 03:05:00 GMT')),
  header('Date', fc.constantFrom('Fri, 02 Jan 2026 03:05:00 GMT', 'never')),
  header('x-amzn-RequestId', visible),
  header('x-amzn-ErrorType', fc.constantFrom('ThrottlingException', 'a.b#RequestExpired:http://c.d/e/', '')),
  header('Connection', fc.constantFrom('keep-alive', 'Keep-Alive', 'close', 'x, Close', 'keep-alive , close')),
  header('Keep-Alive', fc.constantFrom('timeout=5', 'timeout=1', 'max=3, timeout=60')),
);
const interim = fc.constantFrom(
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nRetry-After: 1\r\n\r\n',
  'HTTP/1.1 102 Processing\r\n\r\n',
);
const extension = fc.constantFrom('', '', ';a', ';a=b', ';a="b c"', ';a;b=c');
const chunks = (body: string): fc.Arbitrary<string> =>
  fc
    .tuple(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 2000 }), extension), { maxLength: 5 }),
      fc.constantFrom('', 'X-Sum: 1\r\n', 'A: b\r\nRetry-After: 3\r\n'),
    )
    .map(([sizes, trailer]) => {
      let rest = body;
      let text = '';
      for (const [size, extended] of [...sizes, [Infinity, ''] as const]) {
        const piece = rest.slice(0, size);
        rest = rest.slice(size);
        if (piece !== '') text += `${piece.length.toString(16)}${extended}\r\n${piece}\r\n`;
      }
      return `${text}0\r\n${trailer}\r\n`;
    });

export interface WireAnswer {
  readonly wire: string;
  readonly ends: boolean;
}

const statuses = fc.constantFrom(200, 200, 201, 202, 204, 304, 301, 400, 403, 404, 413, 429, 500, 503, 599);
const bodies = fc.oneof(
  visible,
  fc.integer({ min: 900, max: 9000 }).map((bytes) => 'm'.repeat(1020).padEnd(bytes, 'tail')),
);
export const wellFormed: fc.Arbitrary<WireAnswer> = fc
  .record({
    before: fc.array(interim, { maxLength: 2 }),
    minor: fc.constantFrom(1, 1, 1, 0),
    status: statuses,
    reason: fc.constantFrom(' OK', ' Too Many Requests', ' ', ''),
    headers: fc.array(noise, { maxLength: 5 }),
    framing: fc.constantFrom('length', 'length', 'chunked', 'close'),
    at: fc.nat(),
    body: bodies,
  })
  .chain(({ before, minor, status, reason, headers, framing, at, body }) => {
    const bodiless = status === 204 || status === 304;
    const framed = minor === 0 && framing === 'chunked' ? 'length' : framing;
    const lines = [...headers];
    if (framed === 'length' && !bodiless) lines.splice(at % (lines.length + 1), 0, `Content-Length: ${body.length}`);
    if (framed === 'chunked' && !bodiless) lines.splice(at % (lines.length + 1), 0, 'Transfer-Encoding: Chunked');
    const head = [`HTTP/1.${minor} ${status}${reason}`, ...lines].map((line) => `${line}\r\n`).join('');
    const text = bodiless ? fc.constant('') : framed === 'chunked' ? chunks(body) : fc.constant(body);
    return text.map((sent) => ({
      wire: `${minor === 0 ? '' : before.join('')}${head}\r\n${sent}`,
      ends: framed === 'close' && !bodiless,
    }));
  });

/** Bytes that an adversary or a fault on the path would insert. */
const bit = fc.oneof(
  fc.constantFrom(
    '\r\n',
    '\n',
    '\r',
    ' ',
    '\t',
    ':',
    ',',
    '\0',
    '\xa0',
    '\x0b',
    '0',
    '1',
    '-1',
    '00',
    'a',
    ';',
    '"',
    '\r\n ',
    '\r\n\r\n',
  ),
  fc.constantFrom(
    'Content-Length: 0\r\n',
    'content-length:5\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding: gzip\r\n',
    'Connection: close\r\n',
  ),
  fc.constantFrom(
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    '0\r\n\r\n',
    'HTTP/1.1 ',
    '204',
    '500',
    'chunked',
    '\r\n0\r\n',
  ),
  fc.string({ unit: 'binary-ascii', maxLength: 3 }),
);
interface Mutation {
  readonly how: 'put' | 'over' | 'out' | 'twice' | 'end';
  readonly at: number;
  readonly count: number;
  readonly bit: string;
}

export const mutation: fc.Arbitrary<Mutation> = fc.record({
  how: fc.constantFrom<Mutation['how'][]>('put', 'over', 'out', 'twice', 'end'),
  // Most positions that matter are at the beginning.
  at: fc.oneof(fc.nat({ max: 120 }), fc.nat()),
  count: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 40 })),
  bit,
});

export function mutated(wire: string, { how, at, count, bit: text }: Mutation): string {
  const from = at % (wire.length + 1);
  if (how === 'put') return wire.slice(0, from) + text + wire.slice(from);
  if (how === 'over') return wire.slice(0, from) + text + wire.slice(from + text.length);
  if (how === 'out') return wire.slice(0, from) + wire.slice(from + count);
  if (how === 'twice') return wire.slice(0, from + count) + wire.slice(from);
  return wire.slice(0, from);
}
