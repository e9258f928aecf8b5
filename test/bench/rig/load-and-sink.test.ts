import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { prepareBodies } from '../../../bench/bodies/bodies.ts';
import { writeBodyFile } from '../../../bench/bodies/body-file.ts';
import { Load } from '../../../bench/rig/load.ts';
import { startSink } from '../../../bench/rig/sink.ts';

let directory = '';
let bodyFile = '';
beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'bench-load-'));
  bodyFile = path.join(directory, 'bodies');
  const shape = { samplesPerRequest: 20, samplesPerSeries: 1, connections: 3, senders: 1, bodiesPerConnection: 2 };
  writeBodyFile(bodyFile, prepareBodies(shape, 1_700_000_000_000));
});
afterEach(() => rmSync(directory, { recursive: true }));

test('the load counts as acknowledged just what the sink has answered', async () => {
  const sink = await startSink({ requireSignature: false });
  const load = new Load({ port: sink.port, path: '/write', tls: false, bodyFile });
  const result = await load.run({ durationMs: 500 });
  expect(result.requests).toBe(sink.snapshot().requests);
  expect(result.requests).toBeGreaterThan(3);
  expect(result.samples).toBe(20 * result.requests);
  expect(result.failed).toEqual({});
  expect(sink.snapshot().connections).toBe(3);
  load.close();
  sink.close();
});

test('a load of a fixed rate sends as many requests as fall due', async () => {
  const sink = await startSink({ requireSignature: false });
  const load = new Load({ port: sink.port, path: '/write', tls: false, bodyFile });
  const result = await load.run({ durationMs: 500, ratePerSecond: 200 });
  expect(result.requests).toBe(100);
  load.close();
  sink.close();
});

test('at a fixed rate a request that waits for a connection counts from when it was due', async () => {
  const sink = await startSink({ requireSignature: false });
  sink.latencyMs = 100;
  const load = new Load({ port: sink.port, path: '/write', tls: false, bodyFile });
  // 3 connections at 100 ms each carry 30 a second: at 100 a second the last ones wait long.
  const result = await load.run({ durationMs: 400, ratePerSecond: 100 });
  expect(result.requests).toBe(40);
  expect(result.latencyMs.p50).toBeGreaterThanOrEqual(99);
  expect(result.latencyMs.p99).toBeGreaterThan(500);
  load.close();
  sink.close();
});

test('a sink that asks for a signature answers 403 without one, and the load reports it', async () => {
  const sink = await startSink({ requireSignature: true });
  const load = new Load({ port: sink.port, path: '/write', tls: false, bodyFile });
  const result = await load.run({ durationMs: 120 });
  // The first request of each connection, and on a fast machine the thousandth after it.
  expect(result.failed['403']).toBeGreaterThanOrEqual(3);
  expect(sink.snapshot().unsigned).toBe(result.failed['403']);
  load.close();
  sink.close();
});

test('requests that get no answer count as failed, and the load ends all the same', async () => {
  const server = net.createServer((socket) => socket.once('data', () => socket.destroy())).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const load = new Load({ port, path: '/write', tls: false, bodyFile });
  const result = await load.run({ durationMs: 200 });
  expect(result.requests).toBe(0);
  expect(result.failed['0']).toBeGreaterThanOrEqual(3);
  load.close();
  server.close();
});
