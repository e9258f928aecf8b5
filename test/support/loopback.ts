/** Servers on loopback that do as they are told: an HTTP upstream that follows a script, and a raw TCP one. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { stretched } from './slowness.ts';

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values as they were on the wire. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

export type Reaction = (request: ReceivedRequest, index: number, response: ServerResponse) => void | Promise<void>;

export interface LoopbackServer extends AsyncDisposable {
  readonly url: URL;
  readonly port: number;
}

export interface LoopbackUpstream extends LoopbackServer {
  readonly requests: ReceivedRequest[];
}

/** Reads each request whole, notes it, and leaves the answer to `react`. */
export async function startUpstream(react: Reaction): Promise<LoopbackUpstream> {
  const requests: ReceivedRequest[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readAll(request);
    const { method = '', url: path = '', headers, rawHeaders } = request;
    const received = { method, path, headers, rawHeaders, body };
    requests.push(received);
    await react(received, requests.length - 1, response);
  };
  const server = createServer((request, response) => {
    // Fails when the sender breaks off, which is up to the test.
    void serve(request, response).catch(() => {});
  });
  const started = await listening(server);
  return {
    ...started,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await started[Symbol.asyncDispose]();
    },
  };
}

/** Calls `react` for each connection; errors of connections are swallowed. */
export async function startTcpServer(react: (socket: Socket) => void): Promise<LoopbackServer> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    react(socket);
  });
  const started = await listening(server);
  return {
    ...started,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await started[Symbol.asyncDispose]();
    },
  };
}

/** A port that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = await startTcpServer(() => {});
  await server[Symbol.asyncDispose]();
  return server.port;
}

/** Answers with a status, headers and text. */
export function answer(
  response: ServerResponse,
  status: number,
  body = '',
  headers: Record<string, string | number> = {},
): void {
  response.writeHead(status, headers).end(body);
}

/** @param port by default one that is free */
export async function listening(server: Server, host = '127.0.0.1', port = 0): Promise<LoopbackServer> {
  server.listen(port, host);
  await once(server, 'listening');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a listening TCP server has an AddressInfo
  const { port: given } = server.address() as AddressInfo;
  return {
    port: given,
    url: new URL(`http://${host.includes(':') ? `[${host}]` : host}:${given}/workspaces/ws-1/api/v1/remote_write`),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** A connection on which a test writes bytes of its own. */
export async function rawConnection(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Resolves with all that the other side writes until it closes, or with what there is after `waitMs`. */
export async function readUntilClose(socket: Socket, waitMs = 2000): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)));
  if (!socket.closed) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
  return Buffer.concat(chunks).toString();
}

/** The first answer on a connection, as soon as all of it is there. */
export async function readAnswer(socket: Socket): Promise<RawAnswer> {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  const whole = (): boolean => {
    const { headers, body } = parseAnswer(text);
    return text.includes('\r\n\r\n') && body.length >= Number(headers['content-length'] ?? 0);
  };
  await until(() => whole() || socket.closed, 'an answer');
  return parseAnswer(text);
}

/** The first answer in what a connection said. */
export function parseAnswer(text: string): RawAnswer {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(statusLine.split(' ')[1]), headers, body };
}

/** Resolves when `condition` holds; rejects after `waitMs`, which stretches on a slow machine. */
export async function until(condition: () => boolean, what: string, waitMs = 5000): Promise<void> {
  const startedAtMs = performance.now();
  while (!condition()) {
    const waitedMs = performance.now() - startedAtMs;
    if (waitedMs > stretched(waitMs)) throw new Error(`after ${waitedMs.toFixed()} ms not yet: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
  }
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) {
    if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
