/** A host name with an IPv4 and an IPv6 address, of which only the first is reachable, and that not at once. */
import { writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openUpstream } from '../../../src/send/upstream/open-upstream.ts';
import { trySelfSigned } from '../../support/certificates.ts';
import { HEADERS, OK } from '../../support/direct-upstream.ts';
import '../../support/lookup-hook.ts';
import { until } from '../../support/loopback.ts';
import { temporaryDirectory } from '../../support/processes.ts';

const certificate = trySelfSigned('DNS:localhost');

interface Busy {
  readonly port: number;
  /** It accepts connections from now on. */
  release(): void;
}

/** A server on 127.0.0.1 whose queue of connections is full, so that the kernel drops each SYN. */
async function startBusy(secure: boolean): Promise<Busy> {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
    const { gate, tls, answer } = workerData;
    const serve = (socket) => socket.on('error', () => {}).on('data', () => socket.write(answer));
    const server = tls ? require('node:tls').createServer(tls, serve) : require('node:net').createServer(serve);
    server.on('tlsClientError', () => {});
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port);
      setImmediate(() => Atomics.wait(gate, 0, 0, 10_000));
    });`,
    { eval: true, workerData: { gate, tls: secure ? certificate : undefined, answer: OK } },
  );
  let port = 0;
  worker.on('message', (message: number) => {
    port = message;
  });
  await until(() => port > 0, 'the server');
  const fillers: Socket[] = [];
  const release = (): void => {
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
  };
  onTestFinished(async () => {
    release();
    for (const filler of fillers) filler.destroy();
    await worker.terminate();
  });
  for (let isFull = false; !isFull;) {
    const filler = connect(port, '127.0.0.1').on('error', () => {});
    fillers.push(filler);
    await sleep(100);
    isFull = filler.connecting;
    if (fillers.length > 20) throw new Error('the queue of connections does not fill');
  }
  return { port, release };
}

const tls = { insecureSkipVerify: true };

test.each([
  ['over HTTP', (port: number) => [`http://aps.invalid:${port}/`, undefined] as const],
  ...(certificate === undefined
    ? []
    : [['over TLS', (port: number) => [`https://aps.invalid:${port}/`, undefined] as const] as const]),
  ['to a proxy', (port: number) => ['http://aps.example/', `http://aps.invalid:${port}`] as const],
] as const)('a SYN that is lost on the way to the IPv4 address is sent again: %s', async (way, at) => {
  const hosts = path.join(await temporaryDirectory(), 'hosts.json');
  vi.stubEnv('TEST_HOSTS_FILE', hosts);
  onTestFinished(() => void vi.unstubAllEnvs());
  // Nothing listens at the IPv6 address.
  await writeFile(hosts, JSON.stringify({ 'aps.invalid': ['127.0.0.1', '::1'] }));
  const busy = await startBusy(way === 'over TLS');
  const [url, proxyUrl] = at(busy.port);
  const upstream = openUpstream({ url: new URL(url), connections: 1, timeoutMs: 10_000, tls }, proxyUrl);
  onTestFinished(async () => upstream.destroy());
  const result = upstream.post(HEADERS, Buffer.from('x'));
  // The kernel sends the SYN again after a second. https://www.rfc-editor.org/rfc/rfc6298#section-2
  await sleep(600);
  busy.release();
  expect(await result).toMatchObject({ kind: 'answered', status: 200 });
});
