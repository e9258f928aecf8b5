/** What a connection of the fast path needs of its server. */
import type { Exchange } from '../exchange.ts';

/** The server's side of a connection. */
export interface ConnectionOwner<Connection> {
  /** Takes a request; returns false if its path does not belong to the fast path. */
  tryHandle(exchange: Exchange, path: string): boolean;
  /** Hands the connection over to Node's HTTP server; its unread bytes are put back into the socket first. */
  handOver(connection: Connection): void;
  /** Counts bytes that are kept; returns false if all connections together keep too many. */
  tryKeep(bytes: number): boolean;
  letGo(bytes: number): void;
  /** True when no further request may follow on this connection. */
  readonly closing: boolean;
}

/** Timeouts in ms; each may last up to two sweeps longer. */
export interface FastPathTimeouts {
  /** From the start of the connection to its first request. */
  readonly firstRequest: number;
  /** From a request's head to the end of its body. */
  readonly request: number;
  /** Between two requests. */
  readonly keepAlive: number;
}
