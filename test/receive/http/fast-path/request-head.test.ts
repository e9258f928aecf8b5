/**
 * The fast path's parser of heads, beside Node's own (llhttp), which reads the same bytes from a real connection. Whatever the
 * lane takes, Node's HTTP server has to read alike: the same request, the same headers, and a body that ends at the same
 * byte. What the fast path leaves to Node it may leave for any reason.
 */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tryParseHead } from '../../../../src/receive/http/fast-path/request-head.ts';
import { mostly } from '../../../support/arbitrary-mostly.ts';
import { PROPERTY_TIMEOUT_MS, runs } from '../../../support/arbitrary-runs.ts';
import { listening, type LoopbackServer } from '../../../support/loopback.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** The requests that Node's HTTP server has read on the connection that a test has open. */
let seen: Seen[] = [];
let node: LoopbackServer;

beforeAll(async () => {
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('latin1');
    request.on('data', (text: string) => (body += text));
    request.on('error', () => {});
    request.on('end', () => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body });
      response.writeHead(204).end();
    });
  });
  node = await listening(server);
});

afterAll(async () => {
  await node[Symbol.asyncDispose]();
});

const LAST = 'GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const MAX_BODY_BYTES = 5_000;

/** Writes a request and a last one after it, and says what Node's HTTP server took them for. */
async function readByNode(head: string, body: string): Promise<Seen[]> {
  seen = [];
  const socket = connect(node.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`${head}\r\n\r\n${body}${LAST}`, 'latin1');
  socket.resume();
  await once(socket, 'close');
  return seen;
}

/** Fails unless the fast path leaves the head alone, or takes it for what Node takes it for. @returns whether it takes it */
async function expectReadAlike(head: string): Promise<boolean> {
  const taken = tryParseHead(head);
  if (taken === undefined) return false;
  // Too long a body to be sent by a test is sent as one that was cut off: the head is not judged by it.
  if (taken.contentLength > MAX_BODY_BYTES) return true;
  // A body which, if its end is missed, is a request of its own.
  const body = 'POST /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'
    .repeat(100)
    .slice(0, taken.contentLength);
  const [first, last, ...more] = await readByNode(head, body);
  expect([last?.url, more]).toEqual(['/last', []]);
  expect({ method: first?.method, url: first?.url, body: first?.body }).toEqual({
    method: 'POST',
    url: taken.path,
    body,
  });
  expect(Number(first?.headers['content-length'])).toBe(taken.contentLength);
  expect(first?.headers['transfer-encoding']).toBeUndefined();
  expect(first?.headers['content-type']).toBe(taken.contentType);
  expect(first?.headers['content-encoding']).toBe(taken.contentEncoding);
  expect(first?.headers.authorization).toBe(taken.authorization);
  return true;
}

const ORDINARY: Readonly<Record<string, string>> = {
  Host: 'proxy:8005',
  'User-Agent': 'Prometheus/3.5.3',
  'Content-Length': '42',
  'Content-Encoding': 'snappy',
  'Content-Type': 'application/x-protobuf',
  'X-Prometheus-Remote-Write-Version': '0.1.0',
};

const REQUEST_LINE = 'POST /api/v1/write HTTP/1.1';

/** @param changes headers to be had otherwise, or not at all @param more lines at the end */
function ordinary(changes: Readonly<Record<string, string | undefined>> = {}, ...more: readonly string[]): string {
  const headers = Object.entries({ ...ORDINARY, ...changes }).filter(([, value]) => value !== undefined);
  return [REQUEST_LINE, ...headers.map(([name, value]) => `${name}: ${value}`), ...more].join('\r\n');
}

describe('a head that the fast path takes', () => {
  test.each([
    ['of Prometheus', ordinary()],
    ['with its names in small letters', ordinary().replaceAll(/^[A-Z][\w-]+:/gm, (name) => name.toLowerCase())],
    ['that says keep-alive', ordinary({ Connection: 'Keep-Alive' })],
    ['with white space around its values', ordinary({ 'Content-Length': '  42  ', 'Content-Type': '\t a/b \t' })],
    ['without white space', ordinary().replaceAll(': ', ':')],
    ['with a length in leading zeros', ordinary({ 'Content-Length': '0042' })],
    ['without a body', ordinary({ 'Content-Length': '0' })],
    ['with a password', ordinary({ Authorization: 'Basic bmFtZTpwYXNzd29yZA==' })],
    ['with values that are empty, or Latin-1', ordinary({ 'Content-Type': '', 'User-Agent': 'gr\xfc\xdfe' })],
    ['with a path of all that may be in one', ordinary().replace('/write', "/w%2f;a=b/'(x)*!,?q=[1]&r#s")],
  ])('%s is read as Node reads it', async (_what, head) => {
    expect(await expectReadAlike(head)).toBe(true);
  });
});

describe('a head that is left to Node', () => {
  test.each([
    ['GET', ordinary().replace('POST', 'GET')],
    ['a method in small letters', ordinary().replace('POST', 'post')],
    ['HTTP/1.0', ordinary().replace('HTTP/1.1', 'HTTP/1.0')],
    ['HTTP/2', ordinary().replace('HTTP/1.1', 'HTTP/2.0')],
    ['an absolute URL', ordinary().replace('/api', 'http://proxy/api')],
    ['the target *', ordinary().replace('/api/v1/write', '*')],
    ['two spaces in the request line', ordinary().replace('POST ', 'POST  ')],
    ['a tab in the request line', ordinary().replace('POST ', 'POST\t')],
    ['a space in the path', ordinary().replace('/write', '/wr ite')],
    ['a path beyond ASCII', ordinary().replace('/write', '/wr\xefte')],
    ['an empty line before it', `\r\n${ordinary()}`],
    ['no header', REQUEST_LINE],
    ['a chunked body', ordinary({ 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' })],
    ['a chunked body and a length', ordinary({ 'Transfer-Encoding': 'chunked' })],
    ['Transfer-Encoding in other letters', ordinary({}, 'tRANSFER-eNCODING: xchunked')],
    ['no length', ordinary({ 'Content-Length': undefined })],
    ['two lengths', ordinary({}, 'Content-Length: 43')],
    ['the same length twice', ordinary({}, 'content-length: 42')],
    ['an empty length', ordinary({ 'Content-Length': '' })],
    ['a length with a sign', ordinary({ 'Content-Length': '+42' })],
    ['a negative length', ordinary({ 'Content-Length': '-42' })],
    ['a hexadecimal length', ordinary({ 'Content-Length': '0x2a' })],
    ['a list of lengths', ordinary({ 'Content-Length': '42,42' })],
    ['a length with a fraction', ordinary({ 'Content-Length': '42.0' })],
    ['a length with an exponent', ordinary({ 'Content-Length': '42e0' })],
    ['a length in two words', ordinary({ 'Content-Length': '4 2' })],
    ['a length in other digits', ordinary({ 'Content-Length': '\xb2' })],
    ['a length of 20 digits', ordinary({ 'Content-Length': '18446744073709551658' })],
    ['a folded length', ordinary({ 'Content-Length': '4\r\n 2' })],
    ['a folded value', ordinary({ 'User-Agent': 'a\r\n\tb' })],
    ['white space before the colon', ordinary({}, 'X-A : b')],
    ['white space before the first name', ordinary().replace('Host', ' Host')],
    ['a line without a colon', ordinary({}, 'X-A')],
    ['an empty name', ordinary({}, ': b')],
    ['a name with brackets', ordinary({}, 'X(A): b')],
    ['a name beyond ASCII', ordinary({}, 'X-\xc4: b')],
    ['a bare LF between two lines', ordinary().replace('\r\nUser', '\nUser')],
    ['a bare CR between two lines', ordinary().replace('\r\nUser', '\rUser')],
    ['a bare LF in a value', ordinary({ 'User-Agent': 'a\nContent-Length: 1' })],
    ['a bare CR in a value', ordinary({ 'User-Agent': 'a\rContent-Length: 1' })],
    ['a NUL in a value', ordinary({ 'User-Agent': 'a\0' })],
    ['a DEL in a value', ordinary({ 'User-Agent': 'a\x7f' })],
    ['no Host', ordinary({ Host: undefined })],
    ['two Hosts', ordinary({}, 'host: other')],
    ['two types', ordinary({}, 'Content-Type: text/plain')],
    ['two encodings', ordinary({}, 'content-encoding: gzip')],
    ['two passwords', ordinary({ Authorization: 'Basic YTpi' }, 'authorization: Basic Yzpk')],
    ['Connection: close', ordinary({ Connection: 'close' })],
    ['Connection: keep-alive, close', ordinary({ Connection: 'keep-alive, close' })],
    ['two Connections', ordinary({ Connection: 'keep-alive' }, 'connection: close')],
    ['Proxy-Connection, which Node heeds', ordinary({ 'Proxy-Connection': 'close' })],
    ['Expect', ordinary({ Expect: '100-continue' })],
    ['Upgrade', ordinary({ Connection: 'Upgrade', Upgrade: 'websocket' })],
    ['Upgrade alone', ordinary({ Upgrade: 'h2c' })],
    ['Trailer', ordinary({ Trailer: 'X-A' })],
    ['more headers than Node keeps', ordinary({}, ...Array.from({ length: 1_001 }, () => 'a:'))],
  ])('%s', (_what, head) => {
    expect(tryParseHead(head)).toBeUndefined();
  });
});

const blanks = mostly(' ', '', '\t', '  ', ' \t ', '\x0b', '\xa0', '\r\n ');
const after = mostly('', ' ', '\t', ' \t', '\x0c', '\0', '\r');
const requestLine = mostly(
  REQUEST_LINE,
  'POST /api/v1/write?a=b#c HTTP/1.1',
  'POST //api/v1/write HTTP/1.1',
  'POST /"<>\\^`{|}~ HTTP/1.1',
  'POST /a##b HTTP/1.1',
  'POST /?? HTTP/1.1',
  'POST / HTTP/1.1 ',
  'POST * HTTP/1.1',
  'POST http://x/ HTTP/1.1',
  'POST / HTTP/1.10',
  'POST / http/1.1',
  'GET / HTTP/1.1',
);
const length = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 300 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom('007', '+5', '0x5', '5,5', '5;', '5.', '', '-0', '9999999999', '5 5', '٥') },
);
const VALUES = ['chunked', 'close', 'keep-alive', 'identity', '5', '100-continue', 'a\xe4b', '"', 'a, b', 'snappy'];
const NAMES = 'Host Content-Length Content-Type Content-Encoding Authorization Connection Proxy-Connection Keep-Alive';
const MORE_NAMES =
  'Transfer-Encoding TE Trailer Upgrade Expect HTTP2-Settings Content_Length X-A Cookie Via Set-Cookie';
const name = fc
  .tuple(fc.constantFrom(...NAMES.split(' '), ...MORE_NAMES.split(' ')), fc.boolean())
  .map(([text, small]) => (small ? text.toLowerCase() : text));
const anyLine = fc
  .tuple(name, mostly(':', ' :', '::', '', ': \r\n '), blanks, fc.constantFrom('', ...VALUES), after)
  .map((parts) => parts.join(''));
const built = fc
  .tuple(
    requestLine,
    fc.tuple(blanks, length, after).map((parts) => `Content-Length:${parts.join('')}`),
    fc.tuple(blanks, after).map(([before, behind]) => `Host:${before}proxy${behind}`),
    fc.array(anyLine, { maxLength: 3 }),
    fc.nat(),
    mostly('\r\n', '\n', '\r', '\n\r'),
  )
  .map(([first, lengthLine, host, others, at, end]) => {
    const lines = [host, ...others];
    lines.splice(at % (lines.length + 1), 0, lengthLine);
    const [last = '', ...rest] = lines.toReversed();
    return [first, ...rest.toReversed()].join('\r\n') + end + last;
  });

const SPECIAL = '\r\n\t :,;0+-_aA\0\x7f\x80\xff#?%*/"';
const mutation = fc.record({
  at: fc.nat(),
  removed: fc.nat({ max: 2 }),
  added: fc.string({ unit: fc.constantFrom(...SPECIAL.split('')), maxLength: 2 }),
});
const mutated = fc
  .tuple(
    fc.constantFrom(ordinary(), ordinary({ Connection: 'keep-alive', Authorization: 'Basic YTpi' })),
    fc.array(mutation, { minLength: 1, maxLength: 3 }),
  )
  .map(([head, mutations]) =>
    mutations.reduce((text, { at, removed, added }) => {
      const from = at % text.length;
      return text.slice(0, from) + added + text.slice(from + removed);
    }, head),
  )
  .filter((head) => !head.includes('\r\n\r\n'));

describe('of heads without number', () => {
  test.each([
    ['made of odd parts', built],
    ['of Prometheus with some characters changed', mutated],
  ])('%s, whatever the fastPath takes is what Node reads', { timeout: PROPERTY_TIMEOUT_MS }, async (_what, heads) => {
    let [count, taken] = [0, 0];
    await fc.assert(
      fc.asyncProperty(heads, async (head) => {
        count += 1;
        if (await expectReadAlike(head)) taken += 1;
      }),
      runs(1_500),
    );
    // Or nothing was compared.
    expect(taken / count).toBeGreaterThan(0.1);
  });
});
