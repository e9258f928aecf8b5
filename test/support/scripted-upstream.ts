/** An upstream that reads each request whole and leaves it to a script what bytes go back, and when. */
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { listening, type LoopbackServer } from './loopback.ts';

export interface Asked {
  readonly socket: Socket;
  readonly head: string;
  readonly body: Buffer;
}

export interface ScriptedUpstream extends LoopbackServer {
  /** Every connection that there ever was. */
  readonly sockets: Socket[];
  /** The requests in the order in which they ended. */
  readonly requests: Asked[];
  /** The most connections that were open at a time. */
  mostOpen: number;
  /** Resolves when no connection is open. */
  idle(): Promise<void>;
}

export interface ScriptedOptions {
  readonly tls?: TlsOptions;
  readonly host?: string;
  /** Default: one that is free. */
  readonly port?: number;
  /** Called for each connection, before any byte has arrived. */
  readonly connected?: (socket: Socket) => void;
}

const HEAD_END = '\r\n\r\n';

export async function startScriptedUpstream(
  react: (asked: Asked, index: number) => void,
  { tls, host, port, connected }: ScriptedOptions = {},
): Promise<ScriptedUpstream> {
  const open = new Set<Socket>();
  const sockets: Socket[] = [];
  const requests: Asked[] = [];
  const accept = (socket: Socket): void => {
    sockets.push(socket);
    open.add(socket);
    upstream.mostOpen = Math.max(upstream.mostOpen, open.size);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    connected?.(socket);
    let held: Buffer[] = [];
    let heldBytes = 0;
    let neededBytes = 0;
    socket.on('data', (bytes: Buffer) => {
      held.push(bytes);
      heldBytes += bytes.length;
      if (heldBytes < neededBytes) return;
      let rest = Buffer.concat(held);
      neededBytes = bytesOfFirst(rest);
      while (rest.length >= neededBytes) {
        const asked = readRequest(socket, rest.subarray(0, neededBytes));
        rest = rest.subarray(neededBytes);
        neededBytes = bytesOfFirst(rest);
        requests.push(asked);
        react(asked, requests.length - 1);
      }
      held = [rest];
      heldBytes = rest.length;
    });
  };
  const server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept);
  const started = await listening(server, host, port);
  const upstream: ScriptedUpstream = {
    ...started,
    sockets,
    requests,
    mostOpen: 0,
    async idle() {
      // Not by `once`, which an error on the way to the end would reject.
      await Promise.all([...open].map(async (socket) => new Promise((resolve) => void socket.once('close', resolve))));
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await started[Symbol.asyncDispose]();
    },
  };
  return upstream;
}

/** Returns the bytes of the first request, as far as they can be told: at least one more than there are. */
function bytesOfFirst(bytes: Buffer): number {
  const end = bytes.indexOf(HEAD_END);
  if (end === -1) return bytes.length + 1;
  return end + HEAD_END.length + Number(/^content-length: (\d+)$/im.exec(bytes.toString('latin1', 0, end))?.[1]);
}

function readRequest(socket: Socket, bytes: Buffer): Asked {
  const end = bytes.indexOf(HEAD_END);
  return { socket, head: bytes.toString('latin1', 0, end), body: bytes.subarray(end + HEAD_END.length) };
}
