/**
 * Ends a server without a sender ever seeing a reset: it stops listening immediately, and every answer from then on
 * asks the sender to close (WriteHandler.drain). Idle connections get the time to carry one more request, since a
 * connection that is closed just as its sender writes is reset.
 */
import type { Server } from 'node:http';
import { Server as TcpServer } from 'node:net';

const POLL_MS = 50;

/** Resolves when no connection is left, or after `idleMs` once nothing is pending. */
export async function drainServer(server: Server, idleMs: number, pending: () => number): Promise<void> {
  let closed = false;
  // http.Server.close would close idle connections too.
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
