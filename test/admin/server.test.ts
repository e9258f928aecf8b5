import type { FastifyInstance } from 'fastify';
import { Counter, Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { AdminHosts } from '../../src/admin/hosts.ts';
import { makeAdminServer, type Readiness } from '../../src/admin/server.ts';
import { send } from '../support/receiving.ts';

let servers: FastifyInstance[] = [];

afterEach(async () => {
  await Promise.all(servers.map(async (server) => server.close()));
  servers = [];
});

async function start(readiness: () => Readiness): Promise<number> {
  const registry = new Registry();
  new Counter({ name: 'test_total', help: 'For the test.', registers: [registry] }).inc(3);
  const server = makeAdminServer(registry, readiness, { hosts: new AdminHosts([], ''), log: { warn: () => {} } });
  servers.push(server);
  return Number(new URL(await server.listen({ host: '127.0.0.1', port: 0 })).port);
}

const get = async (port: number, path: string): ReturnType<typeof send> => send(port, path, undefined, {}, 'GET');

test('/metrics is in the text format of Prometheus', async () => {
  const answer = await get(await start(() => ({ ready: true, reasons: [] })), '/metrics');
  expect(answer.status).toBe(200);
  // https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
  expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(answer.body).toContain('test_total 3\n');
});

test('/-/healthy is 200 whatever the readiness', async () => {
  const answer = await get(await start(() => ({ ready: false, reasons: ['no'] })), '/-/healthy');
  expect(answer.status).toBe(200);
});

test('/-/ready follows the readiness, and says what is missing', async () => {
  let readiness: Readiness = { ready: false, reasons: ['no credentials', 'shutting down'] };
  const port = await start(() => readiness);
  const unready = await get(port, '/-/ready');
  expect([unready.status, unready.body]).toEqual([503, 'not ready: no credentials; shutting down\n']);
  readiness = { ready: true, reasons: [] };
  expect((await get(port, '/-/ready')).status).toBe(200);
});

test('/ lists the routes, and any other path is 404', async () => {
  const port = await start(() => ({ ready: true, reasons: [] }));
  expect((await get(port, '/')).body).toContain('/-/ready');
  expect((await get(port, '/nowhere')).status).toBe(404);
});

test('the admin port accepts no writes', async () => {
  const port = await start(() => ({ ready: true, reasons: [] }));
  expect((await send(port, '/api/v1/write', Buffer.from('x'))).status).toBeGreaterThanOrEqual(400);
});
