/**
 * Ends a server without a sender ever seeing a reset: it stops listening at once; every answer from now on asks the
 * sender to close (WriteHandler.drain); connections that are idle are given the time to carry one more request, for one
 * that is closed just as its sender writes is reset.
 */
import type { Server } from 'node:http';
import { Server as TcpServer } from 'node:net';

const POLL_MS = 50;

/** Resolves when no connection is left, or when `idleMs` are over and nothing is pending. */
export async function drainServer(server: Server, idleMs: number, pending: () => number): Promise<void> {
  let closed = false;
  // http.Server.close would close idle connections as well.
  TcpServer.prototype.close.call(server, () => {
    closed = true;
  });
  const idleUntilMs = performance.now() + idleMs;
  for (;;) {
    if (closed || (pending() === 0 && performance.now() >= idleUntilMs)) return;
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}
