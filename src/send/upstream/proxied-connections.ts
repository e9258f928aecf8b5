/**
 * The connections that undici has made for one upstream behind a proxy. undici neither closes a connection for its age
 * nor for the status of an answer; this class does both, on the sockets that it sends on.
 */
import type { Socket } from 'node:net';
import { keepsConnection, retirementMs, SWEEP_INTERVAL_MS } from './connection-lifetime.ts';

interface Connection {
  readonly retireAtMs: number;
  inUse: boolean;
}

export class ProxiedConnections {
  readonly #random: () => number;
  /** Sockets that have carried a request and are not closed. */
  readonly #open = new Map<Socket, Connection>();
  readonly #sweep: NodeJS.Timeout;

  constructor(random: () => number) {
    this.#random = random;
    this.#sweep = setInterval(() => this.#closeOld(), SWEEP_INTERVAL_MS).unref();
  }

  /**
   * Called when a request goes out on this socket. Its age counts from its first request, for which undici makes it.
   */
  use(socket: Socket): void {
    const known = this.#open.get(socket);
    if (known !== undefined) {
      known.inUse = true;
      return;
    }
    this.#open.set(socket, { retireAtMs: retirementMs(performance.now(), this.#random()), inUse: true });
    socket.once('close', () => this.#open.delete(socket));
  }

  /**
   * Called when the answer on this socket is complete. Closing it fails nothing: undici sends waiting requests on a new
   * one.
   */
  release(socket: Socket, status: number): void {
    const connection = this.#open.get(socket);
    // If the answer came before the whole request was sent, the rest must not be read from memory that is reused.
    const isSent = socket.writableLength === 0;
    if (connection === undefined || !isSent || !keepsConnection(status) || isOld(connection)) socket.destroy();
    else connection.inUse = false;
  }

  stop(): void {
    clearInterval(this.#sweep);
  }

  #closeOld(): void {
    for (const [socket, connection] of this.#open) if (!connection.inUse && isOld(connection)) socket.destroy();
  }
}

/** Returns true also if it grows too old before the next sweep, since undici could send on it until then. */
function isOld({ retireAtMs }: Connection): boolean {
  return performance.now() + SWEEP_INTERVAL_MS > retireAtMs;
}
