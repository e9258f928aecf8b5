/** Bytes that are not an answer of RFC 9112, however they arrive. */
import { describe, expect, test } from 'vitest';
import { CHUNKED, head, OK, readHowever } from '../../support/answer-reading.ts';

describe('no answer at all', () => {
  test.each<[string, string]>([
    ['another protocol', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['a request', head('POST / HTTP/1.1', 'Content-Length: 0')],
    ['a TLS alert', '\x15\x03\x01\x00\x02\x02\x16'],
    ['HTTP/2', head('HTTP/2 200')],
    ['HTTP/1.2', head('HTTP/1.2 200 OK', 'Content-Length: 0')],
    ['HTTP/1.10', head('HTTP/1.10 200 OK', 'Content-Length: 0')],
    ['a small name of the protocol', head('http/1.1 200 OK', 'Content-Length: 0')],
    ['an empty line before it', `\r\n${head(OK, 'Content-Length: 0')}`],
    ['a status of two digits', head('HTTP/1.1 20 OK', 'Content-Length: 0')],
    ['a status of four digits', head('HTTP/1.1 2000 OK', 'Content-Length: 0')],
    ['a status below 100', head('HTTP/1.1 020 OK', 'Content-Length: 0')],
    ['a status that is none', head('HTTP/1.1 OK 200', 'Content-Length: 0')],
    ['no status', head('HTTP/1.1 ', 'Content-Length: 0')],
    ['a tab before the status', head('HTTP/1.1\t200 OK', 'Content-Length: 0')],
    ['two spaces before the status', head('HTTP/1.1  200 OK', 'Content-Length: 0')],
    ['a status that goes on', head('HTTP/1.1 200OK', 'Content-Length: 0')],
    ['a control in the reason', head('HTTP/1.1 200 O\0K', 'Content-Length: 0')],
    ['a bare CR in the reason', head('HTTP/1.1 200 O\rK', 'Content-Length: 0')],
    ['bare LFs', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n\r\n\r\n'],
    ['a bare LF in a value', head(OK, 'X: a\nContent-Length: 0')],
    ['a bare CR in a value', head(OK, 'X: a\rContent-Length: 0')],
    ['a NUL in a value', head(OK, 'X: \0', 'Content-Length: 0')],
    ['a DEL in a value', head(OK, 'X: \x7f', 'Content-Length: 0')],
    ['a folded value', head(OK, 'X: a', ' b', 'Content-Length: 0')],
    ['white space before a colon', head(OK, 'Content-Length : 0')],
    ['white space before a name', head(OK, ' Content-Length: 0')],
    ['no name', head(OK, ': 0', 'Content-Length: 0')],
    ['no colon', head(OK, 'Content-Length')],
    ['an odd name', head(OK, 'X(Y): 0', 'Content-Length: 0')],
    ['101, which nobody asked for', head('HTTP/1.1 101 Switching Protocols', 'Upgrade: h2c')],
    ['garbage after an interim answer', `${head('HTTP/1.1 100 Continue')}garbage`],
  ])('%s', (_what, text) => {
    expect(readHowever(text)).toBe('fault');
  });

  test.each([
    '',
    '-1',
    '+1',
    '1.0',
    '0x1',
    '1e1',
    '1 1',
    '1, 1',
    '1;',
    'a',
    '9999999999999999',
    '\xa01',
    '1\xa0',
    '1\x85',
    '\xb9',
  ])('a length of %j', (length) => {
    expect(readHowever(`${head(OK, `Content-Length: ${length}`)}a`)).toBe('fault');
    expect(readHowever(head('HTTP/1.1 204 No Content', `Content-Length: ${length}`))).toBe('fault');
  });

  test.each<[string, readonly string[]]>([
    ['two lengths', ['Content-Length: 1', 'Content-Length: 2']],
    ['one length, said twice', ['Content-Length: 1', 'content-length: 1']],
    ['one length, written in two ways', ['Content-Length: 1', 'Content-Length: 01']],
    ['a length and chunks', ['Content-Length: 1', 'Transfer-Encoding: chunked']],
    ['chunks and a length', ['Transfer-Encoding: chunked', 'Content-Length: 1']],
    ['another encoding', ['Transfer-Encoding: gzip']],
    ['another encoding, then chunks', ['Transfer-Encoding: gzip, chunked']],
    ['chunks in chunks', ['Transfer-Encoding: chunked, chunked']],
    ['chunks, said twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    ['chunks, then the identity', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity']],
    ['the identity', ['Transfer-Encoding: identity']],
    ['an encoding of no name', ['Transfer-Encoding:']],
    ['an encoding that is hidden', ['Transfer-Encoding: \xa0chunked']],
    ['an encoding that is nearly chunked', ['Transfer-Encoding: xchunked']],
    ['an encoding with a parameter', ['Transfer-Encoding: chunked;a=b']],
  ])('%s', (_what, lines) => {
    expect(readHowever(`${head(OK, ...lines)}1\r\na\r\n0\r\n\r\n`)).toBe('fault');
  });

  test('chunks in HTTP/1.0, which has none', () => {
    expect(readHowever(`${head('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked')}0\r\n\r\n`)).toBe('fault');
  });

  test.each<[string, string]>([
    ['no size', '\r\na\r\n'],
    ['a size that is none', 'g\r\na\r\n'],
    ['a size with a sign', '+1\r\na\r\n'],
    ['a size with 0x', '0x1\r\na\r\n'],
    ['a size of nine digits', '100000000\r\na\r\n'],
    ['white space before a size', ' 1\r\na\r\n'],
    ['white space after a size', '1 \r\na\r\n'],
    ['a bare LF after a size', '1\na\r\n0\r\n\r\n'],
    ['a bare CR in an extension', '1;a\rb\r\na\r\n0\r\n\r\n'],
    ['a bare LF in an extension', '1;a\n0\r\na\r\n0\r\n\r\n'],
    ['an extension without a name', '1;\r\na\r\n0\r\n\r\n'],
    ['an extension in an open quotation', '1;a="b\r\na\r\n0\r\n\r\n'],
    ['more bytes than its size', '1\r\nab\r\n0\r\n\r\n'],
    ['fewer bytes than its size', '3\r\na\r\n0\r\n\r\n'],
    ['two other bytes after it', '1\r\naXX0\r\n\r\n'],
    ['a bare LF after it', '1\r\na\n0\r\n\r\n'],
    ['a bare CR after it', '1\r\na\r0\r\n\r\n'],
    ['a trailer that is no header', '0\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['a trailer without a name', '0\r\n: x\r\n\r\n'],
    ['a trailer with a bare LF', '0\r\nX: a\nb\r\n\r\n'],
    ['a trailer that is folded', '0\r\nX: a\r\n b\r\n\r\n'],
  ])('a chunk with %s', (_what, body) => {
    expect(readHowever(`${CHUNKED}${body}`)).toBe('fault');
  });

  test.each<[string, string]>([
    ['nothing', ''],
    ['a status line', 'HTTP/1.1 200 OK\r\n'],
    ['a head without its empty line', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n'],
    ['an interim answer', head('HTTP/1.1 100 Continue')],
    ['a body that is too short', `${head(OK, 'Content-Length: 3')}ab`],
    ['a body that is missing', head(OK, 'Content-Length: 3')],
    ['no chunk', CHUNKED],
    ['a chunk that is too short', `${CHUNKED}3\r\nab`],
    ['chunks without the last one', `${CHUNKED}3\r\nabc\r\n`],
    ['the last chunk without its empty line', `${CHUNKED}0\r\n`],
    ['a trailer without its empty line', `${CHUNKED}0\r\nX: y\r\n`],
  ])('the connection ends after %s', (_what, text) => {
    expect(readHowever(text)).toBe('unfinished');
  });
});
