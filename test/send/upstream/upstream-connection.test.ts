/** An answer that comes too early, and what comes with one. */
import { Socket, type OnReadOpts } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { dialler, type Dial } from '../../../src/send/upstream/dial.ts';
import type { UpstreamAnswer } from '../../../src/outcome/outcome.ts';
import { UpstreamConnection } from '../../../src/send/upstream/upstream-connection.ts';
import { bodiesOf, echo, FORGED, HEADERS, OK, openDirect, startScript } from '../../support/direct-upstream.ts';
import { until } from '../../support/loopback.ts';
import type { ScriptedUpstream } from '../../support/scripted-upstream.ts';

/** The answer has as many bytes as are read at a time. */
const LONG = `HTTP/1.1 200 OK\r\nContent-Length: 8151\r\n\r\n${'y'.repeat(8151)}`;

describe('what comes with an answer is not the answer to the next request', () => {
  test.each<[string, string]>([
    ['a second answer', OK + FORGED],
    ['a second answer behind one that fills the memory that is read into', LONG + FORGED],
    ['half of a second answer', OK + FORGED.slice(0, 30)],
    ['the body of an answer that has none', `HTTP/1.1 204 No Content\r\n\r\n${FORGED}`],
  ])('%s', async (_what, bytes) => {
    const server = await startScript((asked, index) => {
      if (index === 0) asked.socket.write(bytes);
      else echo(asked);
    });
    const client = openDirect(server.url);
    // The second waits for the connection, so that it would be sent as the first is answered.
    const [first, second] = await Promise.all([
      client.post(HEADERS, Buffer.from('1')),
      client.post(HEADERS, Buffer.from('2')),
    ]);
    expect(LONG).toHaveLength(8192);
    expect(first).toMatchObject({ kind: 'answered' });
    expect(second.message).not.toContain('forged');
    expect(await client.post(HEADERS, Buffer.from('3'))).toMatchObject({ status: 200, message: '3' });
    expect(new Set(bodiesOf(server)).size).toBe(server.requests.length);
  });
});

/** Answers before it reads the request, of which it takes no more until it is told. */
async function early(bytes: string): Promise<ScriptedUpstream> {
  return startScript(() => {}, {
    connected: (socket) => {
      socket.once('data', () => {
        socket.pause();
        socket.write(bytes);
      });
    },
  });
}

describe('an answer before all of the request was sent', () => {
  test.each([400, 413, 503])('%i ends the connection', async (status) => {
    const server = await early(`HTTP/1.1 ${status} No\r\nContent-Length: 2\r\n\r\nno`);
    const client = openDirect(server.url);
    const result = await client.post(HEADERS, Buffer.alloc(16_000_000));
    expect(result).toMatchObject({ kind: 'answered', status, message: 'no' });
    server.sockets[0]?.resume();
    await server.idle();
  });

  test.each<[string, string]>([
    ['200', OK],
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['200 up to the end', 'HTTP/1.1 200 OK\r\n\r\n'],
  ])('is none that says that it is stored: %s', async (_what, bytes) => {
    const server = await early(bytes);
    const client = openDirect(server.url);
    const result = client.post(HEADERS, Buffer.alloc(16_000_000));
    await until(() => server.sockets.length === 1, 'the connection');
    await sleep(100);
    server.sockets[0]?.destroy();
    expect(await result).toMatchObject({ kind: 'failed', reason: 'reset' });
  });

  test.each<[string, string]>([
    ['with nothing', ''],
    ['with a whole 200', OK],
    ['with a 200 up to the end', 'HTTP/1.1 200 OK\r\n\r\n'],
  ])('ends with the connection, though the other side reads no more: %s', async (_what, bytes) => {
    const server = await startScript(() => {}, {
      connected: (socket) => void socket.once('data', () => void socket.pause().end(bytes)),
    });
    const result = await openDirect(server.url).post(HEADERS, Buffer.alloc(16_000_000));
    expect(result).toMatchObject({ kind: 'failed', reason: 'reset' });
  });

  test('that says that it is stored counts when all of it is sent', async () => {
    const server = await early(OK);
    const client = openDirect(server.url);
    const result = client.post(HEADERS, Buffer.alloc(16_000_000));
    await until(() => server.sockets.length === 1, 'the connection');
    await sleep(50);
    server.sockets[0]?.resume();
    expect(await result).toMatchObject({ kind: 'answered', status: 200 });
    await until(() => server.requests.length === 1, 'all of the request');
  });

  test('ends with the timeout where the rest is never read', async () => {
    const server = await early(OK);
    const client = openDirect(server.url, { timeoutMs: 200 });
    expect(await client.post(HEADERS, Buffer.alloc(16_000_000))).toMatchObject({ reason: 'timeout' });
  });
});

/** One connection, whose attempt and owner count what they are told. */
function connectAlone(dial: Dial): { connection: UpstreamConnection; settled: UpstreamAnswer[]; ended: () => number } {
  const settled: UpstreamAnswer[] = [];
  let ended = 0;
  const connection = new UpstreamConnection(dial, { released() {}, ended: () => (ended += 1) }, Infinity);
  onTestFinished(() => connection.cut(OVER));
  connection.send({ head: HEAD, body: Buffer.from('x'), settle: (answer) => settled.push(answer) });
  return { connection, settled, ended: () => ended };
}

const HEAD = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n';
const OVER: UpstreamAnswer = { kind: 'failed', reason: 'timeout', message: 'over' };

test.each<[string, (socket: Socket) => void]>([
  ['an answer', (socket) => socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')],
  ['an answer up to the end', (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n')],
  ['the end', (socket) => socket.end()],
  ['a reset', (socket) => socket.resetAndDestroy()],
  ['garbage, and again', (socket) => socket.end('garbage'.repeat(3000))],
])('the attempt is settled once and the end is told once: %s', async (_what, finish) => {
  const server = await startScript(({ socket }) => finish(socket));
  const { connection, settled, ended } = connectAlone(dialler({ url: server.url, tls: { insecureSkipVerify: false } }));
  await until(() => settled.length > 0, 'an answer');
  connection.cut(OVER);
  await server.idle();
  await sleep(20);
  connection.cut(OVER);
  expect(settled).toHaveLength(1);
  expect(settled).not.toContain(OVER);
  expect(ended()).toBe(1);
});

test('a 2xx does not count when the rest of the request could not be sent', () => {
  const underWay: ((error: Error) => void)[] = [];
  /** Never connects; what is written is under way until the test says otherwise. */
  class Stuck extends Socket {
    override _writev(_chunks: unknown, callback: (error: Error) => void): void {
      underWay.push(callback);
    }
  }
  const reads: OnReadOpts[] = [];
  const { settled } = connectAlone((onread) => {
    reads.push(onread);
    return new Stuck();
  });
  for (const onread of reads) {
    const memory = typeof onread.buffer === 'function' ? onread.buffer() : onread.buffer;
    memory.set(Buffer.from(OK));
    onread.callback(OK.length, memory);
  }
  expect(settled).toEqual([]);
  for (const fail of underWay) fail(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  expect(underWay).toHaveLength(1);
  expect(settled).not.toContainEqual(expect.objectContaining({ kind: 'answered' }));
});
