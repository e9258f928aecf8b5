/** A server whose queue of connections is full, so that the kernel drops each SYN, as a firewall does. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import { OK } from './direct-upstream.ts';
import { until } from './loopback.ts';

export interface BusyServer {
  readonly port: number;
  /** It accepts connections from now on. */
  release(): void;
}

/** @param tls key and certificate, PEM, for a server that speaks TLS */
export async function startBusyServer(tls?: { readonly key: string; readonly cert: string }): Promise<BusyServer> {
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
    { eval: true, workerData: { gate, tls, answer: OK } },
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
