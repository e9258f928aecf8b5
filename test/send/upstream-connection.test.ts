/** An answer that comes too early, and what comes with one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { bodiesOf, echo, FORGED, HEADERS, OK, openDirect, startScript } from '../support/direct-upstream.ts';
import { until } from '../support/loopback.ts';
import type { ScriptedUpstream } from '../support/scripted-upstream.ts';

/** As many bytes as are read at a time. */
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
