/** Senders that guess, and what those learn whom server.auth does not know. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { hashSync } from 'bcryptjs';
import { expect, onTestFinished, test } from 'vitest';
import { Authenticator } from '../../src/receive/access/auth.ts';
import { rawConnection, readAnswer, readUntilClose, until } from '../support/loopback.ts';
import { encodeBody } from '../support/parcels.ts';
import { rawRequest, SERIES, startReceiver, type Receiver } from '../support/receiving.ts';

const BODY = encodeBody(SERIES);

function startWithToken(): Promise<Receiver> {
  const folder = mkdtempSync(join(tmpdir(), 'amp-write-proxy-hostile-'));
  const file = join(folder, 'token');
  writeFileSync(file, 's3cret');
  const auth = new Authenticator({ bearer_token_file: file }, { info: () => {}, error: () => {} });
  onTestFinished(() => {
    auth.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return startReceiver({ auth });
}

/** All that the proxy says to it, but for the time of day. */
async function answerTo(receiver: Receiver, request: Buffer): Promise<string> {
  const socket = await rawConnection(receiver.port);
  const answer = readUntilClose(socket);
  socket.write(request);
  return (await answer).replace(/^date: .*$/im, 'date');
}

test('an unknown sender gets the same answer on every path, to the byte, and learns of no entry', async () => {
  const receiver = await startWithToken();
  const ours = ['/api/v1/write', '/api/v1/write/', '/api/v1/write/second', '/workspaces/ws-1/api/v1/remote_write'];
  const others = ['/api/v1/write/nobody', '/workspaces/ws-9/api/v1/remote_write', '/', '/metrics', '/-/ready'];
  const answers = await Promise.all([...ours, ...others].map((path) => answerTo(receiver, rawRequest(BODY, [], path))));
  expect(answers[0]).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n/);
  expect(answers[0]).toMatch(/^connection: close\r$/im);
  expect(answers[0]).not.toMatch(/first|second|bare|ws-1/);
  expect(new Set(answers).size).toBe(1);
});

test.each(['?x=1', '%61', '#'])('nor by a path that ends with %s', async (end) => {
  const receiver = await startWithToken();
  const paths = ['/api/v1/write/second', '/api/v1/write/nobody', '/workspaces/ws-1', '/nowhere'];
  const answers = await Promise.all(
    paths.map((path) => answerTo(receiver, rawRequest(BODY, ['Authorization: Bearer wrong'], `${path}${end}`))),
  );
  expect(answers[0]).toMatch(/^HTTP\/1\.1 401 /);
  expect(new Set(answers).size).toBe(1);
});

test.each(['GET', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'])('nor by the method %s', async (method) => {
  const receiver = await startWithToken();
  const request = (path: string): Buffer => Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const paths = ['/api/v1/write', '/api/v1/write/second', '/api/v1/write/nobody', '/', '/metrics'];
  const answers = await Promise.all(paths.map((path) => answerTo(receiver, request(path))));
  expect(answers[0]).toMatch(/^HTTP\/1\.1 401 /);
  expect(new Set(answers).size).toBe(1);
});

test('a known sender is told which entries exist', async () => {
  const receiver = await startWithToken();
  const request = rawRequest(BODY, ['Authorization: Bearer s3cret', 'X-Filler: a'], '/api/v1/write/nobody');
  const socket = await rawConnection(receiver.port);
  const answer = readUntilClose(socket, 200);
  socket.write(request);
  expect(await answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*first, second, bare/);
});

test.each([
  ['another', '127.0.0.2'],
  ['the same', '127.0.0.1'],
])(
  'a guesser gets few answers however many connections it has, and a login of %s address gets in beside it',
  async (_what, address) => {
    const { receiver, auth } = await startWithPasswords(10);
    const guesser = startGuessing(receiver.port, address, 100);
    await until(() => guesser.statuses.length > 20, 'it guesses');
    await until(() => guesser.statuses.includes(401), 'a guess is wrong');
    const answeredBefore = guesser.statuses.length;
    const startedAtMs = performance.now();
    expect(await statusOf(receiver.port, 'fresh:right')).toBe(204);
    const perSecond = (1000 * (guesser.statuses.length - answeredBefore)) / (performance.now() - startedAtMs + 250);
    expect(perSecond).toBeLessThan(300);
    expect(auth.tryCheck(`Basic ${Buffer.from('fresh:right').toString('base64')}`, 0)).toBe('allowed');
    expect(receiver.faults).toEqual([]);
  },
);

test('the event loop turns while passwords are guessed', async () => {
  const { receiver } = await startWithPasswords(11);
  const guesser = startGuessing(receiver.port, '127.0.0.2', 20);
  await until(() => guesser.statuses.includes(503), 'it guesses');
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await until(() => guesser.statuses.includes(401), 'a guess is wrong');
  delay.disable();
  // One check of this cost takes 100 ms and more.
  expect(delay.percentile(90) / 1e6).toBeLessThan(50);
});

test('nothing of a body is kept or read while its refusal waits', async () => {
  const { receiver } = await startWithPasswords(4);
  const guess = async (body: Buffer): Promise<Socket> => {
    const socket = await rawConnection(receiver.port);
    onTestFinished(() => void socket.destroy());
    socket.write(rawRequest(body, [credentials('fresh:wrong')]));
    return socket;
  };
  // Known to be wrong after the first, so that each of these is a failure at once.
  await readUntilClose(await guess(Buffer.alloc(10)));
  await Promise.all(Array.from({ length: 4 }, async () => guess(Buffer.alloc(10))));
  const waiting = await Promise.all(Array.from({ length: 3 }, async () => guess(Buffer.alloc(90_000))));
  await until(() => receiver.fastPath.fastPathConnections >= 3, 'they wait');
  expect(receiver.fastPath.keptBytes).toBe(0);
  expect(await readUntilClose(await guess(Buffer.alloc(90_000)), 9_000)).toMatch(/^HTTP\/1\.1 401 /);
  for (const socket of waiting) socket.destroy();
  await until(() => receiver.fastPath.fastPathConnections === 0, 'the connections are forgotten');
  expect([receiver.budget.usedBytes, receiver.route.open, receiver.faults]).toEqual([0, 0, []]);
});

async function startWithPasswords(cost: number): Promise<{ receiver: Receiver; auth: Authenticator }> {
  const folder = mkdtempSync(join(tmpdir(), 'amp-write-proxy-hostile-'));
  const file = join(folder, 'passwords');
  const hash = hashSync('right', cost);
  writeFileSync(file, `good:${hash}\nfresh:${hash}\n`);
  const auth = new Authenticator({ basic_auth_file: file }, { info: () => {}, error: () => {} });
  onTestFinished(() => {
    auth.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return { receiver: await startReceiver({ auth }), auth };
}

function credentials(nameAndPassword: string): string {
  return `Authorization: Basic ${Buffer.from(nameAndPassword).toString('base64')}`;
}

/** Returns the status of a sender that resends on 503, as Prometheus does. */
async function statusOf(port: number, nameAndPassword: string): Promise<number> {
  for (;;) {
    const socket = await rawConnection(port);
    socket.write(rawRequest(BODY, [credentials(nameAndPassword)]));
    const { status } = await readAnswer(socket);
    socket.destroy();
    if (status !== 503) return status;
  }
}

/** Connections of one address, each with another wrong password as soon as it has an answer. */
function startGuessing(port: number, localAddress: string, connections: number): { statuses: number[] } {
  const statuses: number[] = [];
  let guesses = 0;
  let over = false;
  onTestFinished(() => void (over = true));
  const open = (): void => {
    if (over) return;
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => {});
    socket.on('connect', () => socket.write(rawRequest(BODY, [credentials(`good:wrong ${(guesses += 1)}`)])));
    socket.once('data', (chunk: Buffer) => {
      statuses.push(Number(chunk.toString('latin1', 9, 12)));
      socket.destroy();
    });
    socket.on('close', () => setImmediate(open));
  };
  for (let index = 0; index < connections; index += 1) open();
  return { statuses };
}
