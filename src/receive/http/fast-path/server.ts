/**
 * The fast path bypasses Node's HTTP server. A connection's bytes are read into one buffer that all connections share,
 * and requests of remote write, which all look alike, are taken from there (connection.ts). At the first request that
 * looks different, Node's HTTP server gets the connection and keeps it.
 *
 * Why: Node's HTTP server copies every piece of a body into separate memory outside V8's heap, and V8 collects all
 * garbage over and over to free it: a third of the proxy's CPU at 500 samples a request (bench/throughput/main.ts).
 * Node's HTTP server also takes twice as long per request.
 */
import { Server, type RequestListener, type ServerOptions } from 'node:http';
import { Socket } from 'node:net';
import type { Exchange } from '../exchange.ts';
import type { ConnectionOwner, FastPathTimeouts } from './connection-owner.ts';
import { FastPathConnection } from './connection.ts';

export interface FastPathOptions {
  /** Takes a request with this path; returns false if it does not belong to the fast path. */
  readonly tryHandle: (exchange: Exchange, path: string) => boolean;
  readonly timeouts: FastPathTimeouts;
  /** The interval at which connections are checked for timeouts, ms. */
  readonly checkIntervalMs: number;
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
}

/** Most requests of 2000 samples arrive in two reads; a larger buffer gains nothing more. */
const READ_BYTES = 256 * 1024;
/** The most bytes kept that were read before they could be used; they precede the byte budget. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;

export class FastPathServer extends Server implements ConnectionOwner<FastPathConnection> {
  readonly #fastPath: FastPathOptions;
  readonly #connections = new Set<FastPathConnection>();
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #timer: NodeJS.Timeout;
  #keptBytes = 0;
  /** The connection listeners of Node's HTTP server, for connections that are handed over. */
  readonly #listeners: readonly ((socket: Socket) => void)[];

  constructor(options: ServerOptions, listener: RequestListener, fastPath: FastPathOptions) {
    super(options, listener);
    this.#fastPath = fastPath;
    this.#listeners = this.listeners('connection');
    this.removeAllListeners('connection');
    this.on('connection', (socket: Socket) => this.#take(socket));
    // Nothing is read before the fast path has chosen a buffer.
    Object.assign(this, { pauseOnConnect: true });
    this.#timer = setInterval(() => this.#sweep(), fastPath.checkIntervalMs).unref();
    this.once('close', () => clearInterval(this.#timer));
  }

  get closing(): boolean {
    return !this.listening;
  }

  /** The number of connections on the fast path. */
  get fastPathConnections(): number {
    return this.#connections.size;
  }

  /** The bytes that connections keep because they could not be used when they were read. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  tryKeep(bytes: number): boolean {
    if (this.#keptBytes + bytes > MAX_KEPT_BYTES) return false;
    this.#keptBytes += bytes;
    return true;
  }

  letGo(bytes: number): void {
    this.#keptBytes -= bytes;
  }

  tryHandle(exchange: Exchange, path: string): boolean {
    return this.#fastPath.tryHandle(exchange, path);
  }

  handOver(connection: FastPathConnection): void {
    const { socket } = connection;
    this.#connections.delete(connection);
    connection.putBack();
    for (const listener of this.#listeners) listener.call(this, socket);
  }

  override closeIdleConnections(): void {
    super.closeIdleConnections();
    for (const connection of this.#connections) if (connection.idle) connection.socket.destroy();
  }

  override closeAllConnections(): void {
    super.closeAllConnections();
    for (const { socket } of this.#connections) socket.destroy();
  }

  /**
   * A socket's buffer is chosen when the socket is created, and the server has created this socket already, so a second
   * one is created around its handle. The first stays with the server, which counts its connections by it.
   */
  #take(accepted: Socket): void {
    const handle = takeHandle(accepted);
    if (handle === undefined) {
      for (const listener of this.#listeners) listener.call(this, accepted);
      accepted.resume();
      return;
    }
    const onread = {
      buffer: this.#buffer,
      callback: (bytes: number): boolean => connection.read(bytes, this.#buffer),
    };
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `handle` is not among the documented options
    const socket = new Socket({ handle, onread, allowHalfOpen: true } as unknown as ConstructorParameters<
      typeof Socket
    >[0]);
    const connection = new FastPathConnection(socket, this, this.#fastPath.timeouts);
    this.#connections.add(connection);
    socket.once('close', () => {
      this.#connections.delete(connection);
      accepted.destroy();
    });
    socket.resume();
  }

  #sweep(): void {
    const nowMs = this.#fastPath.nowMs();
    for (const connection of this.#connections) connection.sweep(nowMs);
  }
}

/**
 * Takes the operating system's handle out of a socket. Returns undefined if this Node keeps it elsewhere, and on
 * Windows, which fills a buffer before it says for which socket, so that it cannot be shared.
 */
function takeHandle(socket: Socket): object | undefined {
  if (process.platform === 'win32') return undefined;
  if (!('_handle' in socket) || typeof socket._handle !== 'object' || socket._handle === null) return undefined;
  const handle = socket._handle;
  socket._handle = null;
  return handle;
}
