/** Web pages that lead a name of their own to the admin port, and those who may ask it. */
import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { makeAdminServer } from '../../src/admin/server.ts';
import { AdminHosts } from '../../src/admin/hosts.ts';
import { rawConnection, readAnswer } from '../support/loopback.ts';

async function startAdmin(hosts: readonly string[], listen: string): Promise<{ port: number; logged: object[] }> {
  const logged: object[] = [];
  const access = { hosts: new AdminHosts(hosts, listen), log: { warn: (fields: object) => void logged.push(fields) } };
  const server = makeAdminServer(new Registry(), () => ({ ready: true, reasons: [] }), access);
  onTestFinished(async () => server.close());
  return { port: Number(new URL(await server.listen({ host: '127.0.0.1', port: 0 })).port), logged };
}

async function statusOf(port: number, path: string, hostLine: string): Promise<number> {
  const socket = await rawConnection(port);
  onTestFinished(() => void socket.destroy());
  socket.write(`GET ${path} HTTP/1.${hostLine === '' ? 0 : 1}\r\n${hostLine}\r\n`);
  return (await readAnswer(socket)).status;
}

const SERVICE = 'amp-write-proxy-admin.monitoring.svc';

// A port-forward, the kubelet and Prometheus (the pod's address), a Service, an ingress, HTTP/1.0 without a name.
test.each([
  'localhost:8006',
  'LOCALHOST',
  '127.0.0.1:8006',
  '10.1.2.3:8006',
  '[::1]:8006',
  '[fd00::1:2]:8006',
  '[::ffff:10.1.2.3]',
  `${SERVICE}:8006`,
  `${SERVICE}.:8006`,
  'proxy.corp.example:443',
  'listened.example:8006',
  undefined,
])('who asks for %s is answered', async (host) => {
  const { port, logged } = await startAdmin([SERVICE, '*.corp.example'], 'listened.example');
  expect(await statusOf(port, '/metrics', host === undefined ? '' : `Host: ${host}\r\n`)).toBe(200);
  expect(logged).toEqual([]);
});

test.each([
  'rebound.example:8006',
  'localhost.rebound.example:8006',
  '127.0.0.1.rebound.example:8006',
  '0x7f.1:8006',
  '2130706433:8006',
  'corp.example:8006',
  'evilcorp.example:8006',
  `${SERVICE}.rebound.example`,
  '[localhost]:8006',
  '[127.0.0.1]:8006',
  '::1',
  'a@localhost',
  'localhost:8006:x',
  '',
])('a page of %j is told nothing, on every path', async (host) => {
  const { port, logged } = await startAdmin([SERVICE, '*.corp.example'], '0.0.0.0');
  for (const path of ['/metrics', '/', '/-/ready', '/status/stream', '/nowhere', '/-/healthy/../metrics']) {
    expect([path, await statusOf(port, path, `Host: ${host}\r\n`)]).toEqual([path, 421]);
  }
  expect(logged).toHaveLength(1);
  expect(logged[0]).toMatchObject({
    host,
    address: '127.0.0.1',
    remedy: expect.stringContaining('server.admin_hosts'),
  });
});

test('liveness is told under any host name, so that no probe restarts the process because of one', async () => {
  const { port } = await startAdmin([], '0.0.0.0');
  expect(await statusOf(port, '/-/healthy', 'Host: probe.example\r\n')).toBe(200);
});
