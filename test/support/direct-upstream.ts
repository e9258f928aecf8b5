/** DirectUpstream beside a scripted upstream; both end with the test. */
import { onTestFinished } from 'vitest';
import { DirectUpstream } from '../../src/send/upstream/direct-upstream.ts';
import type { UpstreamOptions } from '../../src/send/upstream/upstream.ts';
import { startScriptedUpstream, type Asked, type ScriptedUpstream } from './scripted-upstream.ts';

export const HEADERS = ['host', 'aps.example'];
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
/** Nobody asked for it. */
export const FORGED = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged';

export async function startScript(...given: Parameters<typeof startScriptedUpstream>): Promise<ScriptedUpstream> {
  const server = await startScriptedUpstream(...given);
  onTestFinished(async () => server[Symbol.asyncDispose]());
  return server;
}

/** Opens an upstream with one connection, unless told otherwise. */
export function openDirect(url: URL, options: Partial<UpstreamOptions> = {}): DirectUpstream {
  const tls = { insecureSkipVerify: false };
  const client = new DirectUpstream({ url, connections: 1, timeoutMs: 5000, tls, ...options });
  onTestFinished(async () => client.destroy());
  return client;
}

/** Answers 200, and the message is the request's body. */
export function echo({ body, socket }: Asked): void {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body.toString()}`);
}

export function bodiesOf({ requests }: ScriptedUpstream): string[] {
  return requests.map(({ body }) => body.toString());
}
