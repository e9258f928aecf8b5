/** Senders that guess, and what those learn whom server.auth does not know. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Authenticator } from '../../src/receive/auth.ts';
import { rawConnection, readUntilClose } from '../support/loopback.ts';
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

test('who is not known is told the same on every path, to the byte: not which entries there are', async () => {
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

test('who is known is told what there is', async () => {
  const receiver = await startWithToken();
  const request = rawRequest(BODY, ['Authorization: Bearer s3cret', 'X-Filler: a'], '/api/v1/write/nobody');
  const socket = await rawConnection(receiver.port);
  const answer = readUntilClose(socket, 200);
  socket.write(request);
  expect(await answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*first, second, bare/);
});
