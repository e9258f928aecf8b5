/** Authorities that are replaced while the proxy runs, and the range of TLS versions. */
import { writeFile, rename } from 'node:fs/promises';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { connect, type Server } from 'node:net';
import { once } from 'node:events';
import path from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { openUpstream } from '../../../src/send/upstream/open-upstream.ts';
import { upstreamTls, WatchedUpstreamTls } from '../../../src/send/upstream/upstream-tls.ts';
import type { UpstreamTls } from '../../../src/send/upstream/upstream.ts';
import { trySelfSigned } from '../../support/certificates.ts';
import { HEADERS } from '../../support/direct-upstream.ts';
import { until } from '../../support/loopback.ts';
import { temporaryDirectory } from '../../support/processes.ts';

const mine = trySelfSigned('DNS:localhost');
const others = trySelfSigned('DNS:localhost');
const CONFIG = { insecure_skip_verify: false, min_version: 'TLS12', max_version: 'TLS13' } as const;

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const ignore = (): void => undefined;

const answer200: RequestListener = (request, response) => {
  request.resume().on('end', () => response.end());
};

async function startSecure(options: { maxVersion?: 'TLSv1.2' } = {}): Promise<number> {
  const server = createServer({ ...mine, ...options }, answer200);
  onTestFinished(() => server.closeAllConnections());
  return listen(server);
}

/** A proxy that tunnels everything to `port`, and notes the headers of each CONNECT. */
async function startTunnelling(port: number, heads: NodeJS.Dict<string[]>[] = []): Promise<string> {
  const proxy = createHttpServer();
  proxy.on('connect', (request, socket) => {
    heads.push(request.headersDistinct);
    const upstream = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    upstream.pipe(socket).pipe(upstream);
    for (const each of [upstream, socket]) each.on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
  });
  return `http://127.0.0.1:${await listen(proxy)}`;
}

async function post(port: number, tls: UpstreamTls, proxy?: string): Promise<unknown> {
  const url = new URL(`https://localhost:${port}/w`);
  const upstream = openUpstream(
    { url, connections: 1, timeoutMs: 5000, tls },
    proxy === undefined ? undefined : { url: proxy },
  );
  onTestFinished(async () => upstream.destroy());
  return upstream.post(HEADERS, Buffer.of(0));
}

describe.skipIf(mine === undefined || others === undefined)('authorities', () => {
  test.each(['directly', 'through a tunnel'])('that replace others hold for the next connection, %s', async (way) => {
    const port = await startSecure();
    const proxy = way === 'directly' ? undefined : { url: await startTunnelling(port) };
    const tls = { insecureSkipVerify: false, ca: others?.cert };
    const url = new URL(`https://localhost:${port}/w`);
    const upstream = openUpstream({ url, connections: 1, timeoutMs: 5000, tls }, proxy);
    onTestFinished(async () => upstream.destroy());
    expect(await upstream.post(HEADERS, Buffer.of(0))).toMatchObject({ kind: 'failed', reason: 'tls_untrusted' });
    tls.ca = mine?.cert;
    expect(await upstream.post(HEADERS, Buffer.of(0))).toMatchObject({ kind: 'answered', status: 200 });
  });

  test('in ca_file are read again when the file changes; a file without certificates changes nothing', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const file = path.join(await temporaryDirectory(), 'ca.pem');
    await writeFile(file, others?.cert ?? '');
    const logged: string[] = [];
    const note = (_fields: object, message: string): void => void logged.push(message);
    const tls = new WatchedUpstreamTls({ ...CONFIG, ca_file: file }, { info: note, error: note });
    onTestFinished(() => tls.stop());
    expect(tls.ca).toBe(others?.cert);

    const replace = async (text: string): Promise<void> => {
      const before = logged.length;
      await writeFile(`${file}.new`, text);
      await rename(`${file}.new`, file);
      vi.advanceTimersByTime(6_000);
      await until(() => logged.length > before, 'the change to be noticed');
    };
    await replace('not a certificate');
    expect(tls.ca).toBe(others?.cert);
    await replace(mine?.cert ?? '');
    expect(tls.ca).toBe(mine?.cert);
    expect(logged.at(-1)).toBe('files were read again');
  });

  test('written out in ca are trusted as those of a file', async () => {
    const tls = new WatchedUpstreamTls({ ...CONFIG, ca: mine?.cert }, { info: ignore, error: ignore });
    expect(await post(await startSecure(), tls)).toMatchObject({ status: 200 });
  });

  test.each(['directly', 'through a tunnel'])('min_version is kept %s', async (way) => {
    const port = await startSecure({ maxVersion: 'TLSv1.2' });
    const proxy = way === 'directly' ? undefined : await startTunnelling(port);
    const strict = upstreamTls({ ...CONFIG, min_version: 'TLS13' }, mine?.cert);
    expect(await post(port, strict, proxy)).toMatchObject({ kind: 'failed' });
    expect(await post(port, upstreamTls({ ...CONFIG, min_version: 'TLS10' }, mine?.cert), proxy)).toMatchObject({
      status: 200,
    });
  });

  test('proxy_connect_header is sent with CONNECT, every value of it', async () => {
    const port = await startSecure();
    const heads: NodeJS.Dict<string[]>[] = [];
    const proxy = { url: await startTunnelling(port, heads), connectHeaders: { 'X-Team': ['a', 'b'], 'X-One': ['c'] } };
    const url = new URL(`https://localhost:${port}/w`);
    const tls = upstreamTls({ ...CONFIG }, mine?.cert);
    const upstream = openUpstream({ url, connections: 1, timeoutMs: 5000, tls }, proxy);
    onTestFinished(async () => upstream.destroy());
    expect(await upstream.post(HEADERS, Buffer.of(0))).toMatchObject({ status: 200 });
    expect(heads).toEqual([expect.objectContaining({ 'x-team': ['a', 'b'], 'x-one': ['c'] })]);
  });
});
