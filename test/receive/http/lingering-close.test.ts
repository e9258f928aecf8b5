import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { answerText } from '../../../src/receive/http/lingering-close.ts';
import {
  listening,
  parseAnswer,
  rawConnection,
  readUntilClose,
  until,
  type LoopbackServer,
} from '../../support/loopback.ts';

const MIB = 1024 * 1024;

let cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups) await cleanup();
  cleanups = [];
});

/** Answers every request by its head alone. */
async function start(text: string, headers: Record<string, string | number> = {}): Promise<LoopbackServer> {
  const server = createServer((request, response) => answerText(request, response, 413, text, headers));
  const started = await listening(server);
  cleanups.push(async () => {
    server.closeAllConnections();
    await started[Symbol.asyncDispose]();
  });
  return started;
}

function head(bytes: number, ...more: readonly string[]): string {
  return `${['POST / HTTP/1.1', 'Host: x', `Content-Length: ${bytes}`, ...more].join('\r\n')}\r\n\r\n`;
}

function heard(socket: Socket): () => string {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return () => text;
}

const answers = (text: string): number => text.split('HTTP/1.1 413').length - 1;

/** Writes as fast as the other side reads. @returns false when the connection ended first */
async function pour(socket: Socket, bytes: number): Promise<boolean> {
  const chunk = Buffer.alloc(MIB);
  for (let left = bytes; left > 0; left -= chunk.length) {
    if (socket.destroyed) return false;
    if (socket.write(chunk.subarray(0, Math.min(left, chunk.length)))) continue;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        socket.off('drain', go).off('close', go);
        resolve();
      };
      socket.on('drain', go).on('close', go);
    });
  }
  return !socket.destroyed;
}

describe('the answer', () => {
  test('is text with its length in bytes, a line end, and the headers that were asked for', async () => {
    const server = await start('zu groß', { 'retry-after': 7 });
    const socket = await rawConnection(server.port);
    socket.write(head(0, 'Connection: close'));
    const answer = parseAnswer(await readUntilClose(socket));
    expect([answer.status, answer.body]).toEqual([413, 'zu groß\n']);
    expect(answer.headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'retry-after': '7' });
    expect(answer.headers['content-length']).toBe('9'); // ß has two bytes in UTF-8
  });

  test('comes whole before the body does', async () => {
    const server = await start('too large');
    const socket = await rawConnection(server.port);
    const text = heard(socket);
    socket.write(head(1_000_000));
    await until(() => text().endsWith('too large\n'), 'the answer', 1000);
    expect(socket.destroyed).toBe(false);
    socket.destroy();
  });

  test('comes to a sender that never says how much it sends', async () => {
    const server = await start('too large');
    const socket = await rawConnection(server.port);
    const text = heard(socket);
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n');
    await until(() => text().endsWith('too large\n'), 'the answer', 1000);
    expect(parseAnswer(text()).status).toBe(413);
    socket.destroy();
  });
});

describe('the rest of the body', () => {
  test('is thrown away, and the connection serves the next request, also after the time for it is over', async () => {
    const server = await start('no');
    const socket = await rawConnection(server.port);
    const text = heard(socket);
    socket.write(head(MIB));
    await until(() => answers(text()) === 1, 'the answer');
    expect(await pour(socket, MIB)).toBe(true);
    socket.write(head(0));
    await until(() => answers(text()) === 2, 'the second answer');
    await new Promise((resolve) => {
      setTimeout(resolve, 2_300);
    });
    socket.write(head(3));
    socket.write('abc');
    await until(() => answers(text()) === 3, 'the third answer');
    socket.destroy();
  });

  test('of a sender that wants its connection closed is read first, so that it sees no reset', async () => {
    const server = await start('no');
    const socket = await rawConnection(server.port);
    const failures: Error[] = [];
    socket.on('error', (error) => failures.push(error));
    const text = heard(socket);
    socket.write(head(20 * MIB, 'Connection: close'));
    expect(await pour(socket, 20 * MIB)).toBe(true);
    await until(() => socket.closed, 'the connection is closed');
    expect([answers(text()), failures]).toEqual([1, []]);
  });

  test('is waited for 2 s, and the connection is closed then', async () => {
    const server = await start('no');
    const socket = await rawConnection(server.port);
    const startedAtMs = performance.now();
    socket.write(head(1_000_000));
    const text = await readUntilClose(socket, 5_000);
    const tookMs = performance.now() - startedAtMs;
    expect(answers(text)).toBe(1);
    expect(tookMs).toBeGreaterThan(1_900);
    expect(tookMs).toBeLessThan(3_500);
  });

  test('a byte now and then does not keep it longer', async () => {
    const server = await start('no');
    const socket = await rawConnection(server.port);
    const startedAtMs = performance.now();
    socket.write(head(1_000_000));
    const drip = setInterval(() => socket.write('x'), 100);
    await readUntilClose(socket, 5_000);
    clearInterval(drip);
    expect(performance.now() - startedAtMs).toBeLessThan(3_500);
  });

  test('of 60 MiB is read whole; of more than 64 MiB the connection is closed', async () => {
    const server = await start('no');
    const good = await rawConnection(server.port);
    good.resume();
    good.write(head(60 * MIB));
    expect(await pour(good, 60 * MIB)).toBe(true);
    const endless = await rawConnection(server.port);
    endless.resume();
    endless.write(head(1024 * MIB));
    expect(await pour(endless, 1024 * MIB)).toBe(false);
    expect(endless.bytesWritten).toBeGreaterThan(60 * MIB);
    expect(good.destroyed).toBe(false);
    good.destroy();
  });

  test('of a sender that goes away is forgotten', async () => {
    const server = await start('no');
    const socket = await rawConnection(server.port);
    const text = heard(socket);
    socket.write(head(1_000_000));
    await until(() => answers(text()) === 1, 'the answer');
    socket.resetAndDestroy();
    const next = await rawConnection(server.port);
    next.write(head(0, 'Connection: close'));
    expect(answers(await readUntilClose(next))).toBe(1);
  });
});
