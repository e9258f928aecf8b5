/** Connections that are opened and not used, or too many of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { Registry } from 'prom-client';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeAdminServer } from '../../src/admin/server.ts';
import { AdminHosts } from '../../src/admin/hosts.ts';
import { capConnections } from '../../src/receive/access/connection-cap.ts';
import { makeServer, type RoutedDestination } from '../../src/receive/server.ts';
import { ServerTls } from '../../src/receive/access/tls.ts';
import { trySelfSigned } from '../support/certificates.ts';
import { Exposition } from '../support/exposition.ts';
import { listening, readAnswer, until } from '../support/loopback.ts';
import { encodeBody } from '../support/parcels.ts';
import { rawRequest, SERIES, startReceiver } from '../support/receiving.ts';

const BODY = encodeBody(SERIES);
const certificate = trySelfSigned('IP:127.0.0.1');
const TIMING = {
  timeouts: { firstRequest: 300, request: 300, keepAlive: 60_000 },
  checkIntervalMs: 50,
  nowMs: () => performance.now(),
};

async function open(port: number, localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  socket.resume();
  await new Promise((resolve) => void socket.once('connect', resolve).once('close', resolve));
  return socket;
}

describe('more connections of an address than it may have', () => {
  test('are closed at once, counted and logged; other addresses are served, and so is the next when one has left', async () => {
    const receiver = await startReceiver({ maxConnectionsOfAddress: 5 });
    const first = await Promise.all(Array.from({ length: 5 }, async () => open(receiver.port, '127.0.0.2')));
    const more = await Promise.all(Array.from({ length: 3 }, async () => open(receiver.port, '127.0.0.2')));
    await until(() => more.every(({ closed }) => closed), 'those that are too many are closed');
    expect(first.map(({ closed }) => closed)).toEqual(first.map(() => false));
    const other = await open(receiver.port);
    other.write(rawRequest(BODY));
    expect((await readAnswer(other)).status).toBe(204);
    const metrics = new Exposition(await receiver.metrics.registry.metrics());
    const labels = { reason: 'too_many_of_address' };
    expect(metrics.sum('amp_write_proxy_connections_refused_total', labels)).toBe(3);
    expect(receiver.warnings).toHaveLength(1);
    expect(receiver.warnings[0]).toMatchObject({ address: '127.0.0.2', maxOfAddress: 5 });
    expect(JSON.stringify(receiver.warnings)).toContain('limits.max_connections_per_address');
    first[0]?.destroy();
    await until(() => receiver.fastPath.fastPathConnections === 5, 'one has left');
    const next = await open(receiver.port, '127.0.0.2');
    next.write(rawRequest(BODY));
    expect((await readAnswer(next)).status).toBe(204);
  });

  test('and more than all may have are counted and logged too', async () => {
    const server = createServer((_request, response) => response.end());
    const counted: string[] = [];
    const logged: object[] = [];
    capConnections(server, {
      maxConnections: 2,
      maxOfAddress: 2,
      remedy: '',
      count: (reason) => counted.push(reason),
      log: { warn: (fields) => logged.push(fields) },
      nowMs: () => 0,
    });
    await using started = await listening(server);
    const sockets = [await open(started.port), await open(started.port, '127.0.0.2')];
    const third = await open(started.port, '127.0.0.3');
    await until(() => third.closed, 'the third is closed');
    expect([counted, logged]).toEqual([['too_many'], [{ address: '127.0.0.3', maxConnections: 2 }]]);
    for (const socket of sockets) socket.destroy();
  });
});

describe.skipIf(certificate === undefined)('over TLS (skipped where there is no openssl)', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    // A record of a ClientHello that says it has 512 bytes.
    ['the beginning of a handshake', Buffer.from('160301020001', 'hex')],
  ])('a connection that sends %s is closed when the time for a head is over', async (_what, bytes) => {
    const socket = await open(await startTls());
    socket.write(bytes);
    await until(() => socket.closed, 'it is closed', 3_000);
    expect(socket.bytesRead).toBeLessThan(200);
  });

  test('an address has so many connections and no more, and the next when one has left', async () => {
    const port = await startTls(3);
    const inside = await Promise.all(Array.from({ length: 3 }, async () => shaken(port)));
    expect(await shaken(port)).toBeUndefined();
    inside[0]?.destroy();
    let next: Socket | undefined;
    for (let tries = 0; next === undefined && tries < 50; tries += 1) next = await shaken(port);
    expect(next).toBeDefined();
  });
});

describe('on the admin port', () => {
  test.each(['', 'GET /metr'])('a connection that sends no more than %j is closed', async (text) => {
    const { port } = await startAdmin();
    const socket = await open(port);
    socket.write(text);
    await until(() => socket.closed, 'it is closed', 3_000);
    expect(socket.bytesRead).toBeLessThan(200);
  });

  test('an address has so many connections and no more; a probe of another gets in', async () => {
    const { port, logged } = await startAdmin(3);
    await Promise.all(Array.from({ length: 3 }, async () => open(port, '127.0.0.2')));
    const fourth = await open(port, '127.0.0.2');
    await until(() => fourth.closed, 'the fourth is closed');
    expect(logged).toHaveLength(1);
    const probe = await open(port);
    probe.write('GET /-/healthy HTTP/1.1\r\nHost: 10.0.0.1:8006\r\n\r\n');
    expect((await readAnswer(probe)).status).toBe(200);
  });
});

async function startTls(maxOfAddress = 100): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'amp-write-proxy-hostile-'));
  const [cert_file, key_file] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  writeFileSync(cert_file, certificate?.cert ?? '');
  writeFileSync(key_file, certificate?.key ?? '');
  const tls = new ServerTls({ cert_file, key_file }, { info: () => {}, error: () => {} });
  const { route } = await startReceiver();
  const destination: RoutedDestination = {
    name: 'default',
    workspaceId: undefined,
    accept: () => ({ trySettle: () => false }),
  };
  const deps = { maxOfAddress, count: () => {}, log: { warn: () => {} } };
  const server = makeServer([destination], route, deps, tls, TIMING);
  await server.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    tls.stop();
    rmSync(folder, { recursive: true, force: true });
    const closed = server.close();
    server.server.closeAllConnections();
    await closed;
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a listening TCP server has an AddressInfo
  return (server.server.address() as AddressInfo).port;
}

/** Undefined where it was closed before its handshake was done. */
async function shaken(port: number): Promise<Socket | undefined> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  return new Promise((resolve) => {
    socket.once('secureConnect', () => resolve(socket));
    socket.once('close', () => resolve(undefined));
  });
}

async function startAdmin(maxOfAddress?: number): Promise<{ port: number; logged: object[] }> {
  const logged: object[] = [];
  const server = makeAdminServer(new Registry(), () => ({ ready: true, reasons: [] }), {
    hosts: new AdminHosts([], '127.0.0.1'),
    log: { warn: (fields) => logged.push(fields) },
    timing: { headersTimeout: 200, connectionsCheckingInterval: 50 },
    ...(maxOfAddress === undefined ? {} : { maxOfAddress }),
  });
  onTestFinished(async () => server.close());
  return { port: Number(new URL(await server.listen({ host: '127.0.0.1', port: 0 })).port), logged };
}
