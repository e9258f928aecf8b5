// The far end of the bench: answers every POST with 200 after an optional latency and decodes nothing.
// It insists on a SigV4 Authorization header on the first request of each connection and on one of 1000 after that,
// so that nobody wins by not signing, and otherwise spends as little as it can.
import net from 'node:net';
import tls from 'node:tls';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { MessageReader } from './http-message.ts';
import { sinkCommand, sinkOptions, type SinkOptions, type SinkSnapshot } from './messages.ts';

export type Sink = { readonly port: number; latencyMs: number; snapshot(): SinkSnapshot; close(): void };

const OK = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
const FORBIDDEN = Buffer.from('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
const CHECK_ONE_IN = 1000;

export async function startSink(options: SinkOptions): Promise<Sink> {
  const seen = { requests: 0, bodyBytes: 0, connections: 0, unsigned: 0, malformed: 0 };
  const timing = { latencyMs: 0 };
  const open = new Set<net.Socket>();

  const serve = (socket: net.Socket): void => {
    let requestsHere = 0;
    seen.connections += 1;
    open.add(socket);
    socket.setNoDelay(true);
    const answer = (response: Buffer): void => {
      if (timing.latencyMs === 0) socket.write(response);
      else setTimeout(() => socket.writable && socket.write(response), timing.latencyMs);
    };
    const reader = new MessageReader((head, bodyBytes) => {
      seen.requests += 1;
      seen.bodyBytes += bodyBytes;
      const mustCheck = options.requireSignature && requestsHere % CHECK_ONE_IN === 0;
      requestsHere += 1;
      if (mustCheck && !/\r\nauthorization: *AWS4-HMAC-SHA256 /i.test(head)) {
        seen.unsigned += 1;
        answer(FORBIDDEN);
      } else {
        answer(OK);
      }
    });
    socket.on('data', (bytes: Buffer) => {
      try {
        reader.push(bytes);
      } catch {
        seen.malformed += 1;
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket));
  };

  const server =
    options.tls === undefined
      ? net.createServer(serve)
      : tls.createServer({ key: readFileSync(options.tls.keyFile), cert: readFileSync(options.tls.certFile) }, serve);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the sink has no TCP port');
  return {
    port: address.port,
    get latencyMs() {
      return timing.latencyMs;
    },
    set latencyMs(latencyMs) {
      timing.latencyMs = latencyMs;
    },
    snapshot() {
      const cpu = process.cpuUsage();
      return { ...seen, cpuSeconds: (cpu.user + cpu.system) / 1e6 };
    },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

if (import.meta.main) {
  const sink = await startSink(sinkOptions.parse(JSON.parse(process.argv[2] ?? '{}')));
  process.on('message', (message) => {
    const command = sinkCommand.parse(message);
    if (command !== 'snapshot') sink.latencyMs = command;
    process.send?.(sink.snapshot());
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ port: sink.port });
}
