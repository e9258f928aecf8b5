import { describe, expect, test } from 'vitest';
import { MessageReader } from '../../../bench/rig/http-message.ts';

type Message = { head: string; bodyBytes: number };

/** Returns a reader's reports on `wire` when it arrives in pieces of `size` bytes. */
function readInPieces(wire: Buffer, size: number): Message[] {
  const messages: Message[] = [];
  const reader = new MessageReader((head, bodyBytes) => messages.push({ head, bodyBytes }));
  for (let at = 0; at < wire.length; at += size) reader.push(wire.subarray(at, at + size));
  return messages;
}

const BINARY_BODY = Buffer.from('\r\n\r\nPOST / HTTP/1.1\r\n\r\n\0\xff', 'latin1');
const BY_LENGTH = Buffer.concat([
  Buffer.from(`POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${BINARY_BODY.length}\r\n\r\n`),
  BINARY_BODY,
]);
const CHUNKED = Buffer.concat([
  Buffer.from('POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'),
  Buffer.from(`${BINARY_BODY.length.toString(16)};ext=1\r\n`),
  BINARY_BODY,
  Buffer.from('\r\nA\r\n0123456789\r\n0\r\nTrailer: yes\r\n\r\n'),
]);
const EMPTY = Buffer.from('POST /c HTTP/1.1\r\ncontent-length: 0\r\n\r\n');
const NO_CONTENT = Buffer.from('HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n');

describe('a message is read to its end', () => {
  const wire = Buffer.concat([BY_LENGTH, CHUNKED, EMPTY, NO_CONTENT, CHUNKED, BY_LENGTH]);
  const bodyBytes = [BINARY_BODY.length, BINARY_BODY.length + 10, 0, 0, BINARY_BODY.length + 10, BINARY_BODY.length];

  test.each([1, 2, 3, 7, 16, 61, 100_000])('by content-length and chunked, in packets of %i bytes', (size) => {
    const messages = readInPieces(wire, size);
    expect(messages.map((message) => message.bodyBytes)).toEqual(bodyBytes);
    expect(messages.map((message) => message.head.split('\r\n', 1)[0])).toEqual([
      'POST /a HTTP/1.1',
      'POST /b HTTP/1.1',
      'POST /c HTTP/1.1',
      'HTTP/1.1 204 No Content',
      'POST /b HTTP/1.1',
      'POST /a HTTP/1.1',
    ]);
  });
});

test('a chunk size that is no number, and a head without end, are refused', () => {
  expect(() => readInPieces(Buffer.from('POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'), 1000)).toThrow(
    'chunk size',
  );
  expect(() => readInPieces(Buffer.alloc(70_000, 'a'), 70_000)).toThrow('more than 65536 bytes');
});
