import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { drainServer } from '../../../src/receive/http/drain.ts';
import { rawConnection, until } from '../../support/loopback.ts';

const REQUEST = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
/** Allows for the poll and a busy machine. */
const SOON_MS = 1_500;

let servers: Server[] = [];

afterEach(() => {
  for (const server of servers) server.close().closeAllConnections();
  servers = [];
});

async function start(react: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(react);
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a listening TCP server has an AddressInfo
  const { port } = server.address() as AddressInfo;
  return { server, port };
}

/** Everything that the connection has said, while it says it. */
function heard(socket: Socket): () => string {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return () => text;
}

/** A connection that has had one answer and is idle. */
async function idleConnection(port: number): Promise<{ socket: Socket; text: () => string }> {
  const socket = await rawConnection(port);
  const text = heard(socket);
  socket.write(REQUEST);
  await until(() => text().includes('HTTP/1.1 204'), 'the first answer');
  return { socket, text };
}

async function took(work: Promise<void>): Promise<number> {
  const startedAtMs = performance.now();
  await work;
  return performance.now() - startedAtMs;
}

const noContent: RequestListener = (_request, response) => void response.writeHead(204).end();
const NOTHING_PENDING = (): number => 0;

test('a drain without connections ends immediately', async () => {
  const { server } = await start(noContent);
  expect(await took(drainServer(server, 30_000, NOTHING_PENDING))).toBeLessThan(SOON_MS);
});

test('no new connection is accepted from the start of a drain', async () => {
  const { server, port } = await start(noContent);
  const { socket } = await idleConnection(port);
  const drained = drainServer(server, 30_000, NOTHING_PENDING);
  await expect(rawConnection(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  socket.destroy();
  await drained;
});

test('an idle connection can carry one more request, and is not cut under it', async () => {
  let closing = false;
  const { server, port } = await start((request, response) => {
    if (closing) response.shouldKeepAlive = false;
    noContent(request, response);
  });
  const { socket, text } = await idleConnection(port);
  closing = true;
  const drained = took(drainServer(server, 30_000, NOTHING_PENDING));
  await new Promise((resolve) => {
    setTimeout(resolve, 200);
  });
  expect(socket.readyState).toBe('open');
  let reset = false;
  socket.on('error', () => (reset = true));
  socket.write(REQUEST);
  await once(socket, 'close');
  expect(text().match(/HTTP\/1\.1 204/g)).toHaveLength(2);
  expect(text().toLowerCase()).toContain('connection: close');
  expect(reset).toBe(false);
  expect(await drained).toBeLessThan(SOON_MS);
});

test('the time of idle connections ends, also where they stay', async () => {
  const { server, port } = await start(noContent);
  await idleConnection(port);
  const ms = await took(drainServer(server, 300, NOTHING_PENDING));
  expect(ms).toBeGreaterThanOrEqual(300);
  expect(ms).toBeLessThan(300 + SOON_MS);
});

test('pending requests are waited for, however long after that time', async () => {
  const { server, port } = await start(noContent);
  await idleConnection(port);
  let pending = 2;
  let over = false;
  const drained = drainServer(server, 50, () => pending).then(() => (over = true));
  await new Promise((resolve) => {
    setTimeout(resolve, 400);
  });
  expect(over).toBe(false);
  pending = 0;
  expect(await drained).toBe(true);
});

test('an answer that is on its way when the last connection ends is whole', async () => {
  const { server, port } = await start((_request, response) => {
    response.shouldKeepAlive = false;
    setTimeout(() => response.writeHead(200).end('x'.repeat(100_000)), 200);
  });
  const socket = await rawConnection(port);
  const text = heard(socket);
  socket.write(REQUEST);
  await new Promise((resolve) => {
    setTimeout(resolve, 50);
  });
  await drainServer(server, 30_000, NOTHING_PENDING);
  await until(() => socket.closed, 'the connection is closed');
  expect(text().match(/x/g)).toHaveLength(100_000);
});

test('draining what is drained already is over at once', async () => {
  const { server } = await start(noContent);
  await drainServer(server, 30_000, NOTHING_PENDING);
  expect(await took(drainServer(server, 30_000, NOTHING_PENDING))).toBeLessThan(SOON_MS);
});
