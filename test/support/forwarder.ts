/** A TCP forwarder, so that a program that cannot choose its address comes to the proxy from one of its own. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** @param localAddress one in 127.0.0.0/8 @returns the URL with this forwarder's host and port; it ends with the test */
export async function startForwarder(target: string, localAddress: string): Promise<string> {
  const { hostname: host, port } = new URL(target);
  const open = new Set<Socket>();
  const server = createServer((incoming) => {
    const outgoing = connect({ host, port: Number(port), localAddress });
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      open.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the forwarder has no port');
  const url = new URL(target);
  url.host = `127.0.0.1:${address.port}`;
  return url.href;
}
