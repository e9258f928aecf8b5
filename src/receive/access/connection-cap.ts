/**
 * Caps the connections of one address below the total for all, so that no sender takes them all. An excess connection
 * is closed before a byte of it is read.
 */
import { remoteAddress } from '../../platform/listening.ts';
import type { Server, Socket } from 'node:net';
import { RecurringLog } from '../../platform/recurring-log.ts';

export interface ConnectionCapDeps {
  readonly maxConnections: number;
  readonly maxOfAddress: number;
  /** The advice in the log when an address has too many. */
  readonly remedy: string;
  readonly count: (reason: RefusedConnection) => void;
  readonly log: { warn(fields: object, message: string): void };
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
}

export type RefusedConnection = 'too_many_of_address' | 'too_many';

/** Must be called before the server listens, after all its listeners were added. */
export function capConnections(server: Server, deps: ConnectionCapDeps): void {
  const { maxConnections, maxOfAddress, remedy, count, log, nowMs } = deps;
  const warnings = new RecurringLog((fields, message) => log.warn(fields, message), nowMs);
  const open = new Map<string, number>();
  const listeners = server.listeners('connection');
  server.maxConnections = maxConnections;
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const address = remoteAddress(socket);
    const ofAddress = (open.get(address) ?? 0) + 1;
    if (ofAddress > maxOfAddress) {
      count('too_many_of_address');
      warnings.warn('too_many_of_address', { address, maxOfAddress, remedy }, 'an address has too many connections');
      socket.destroy();
      return;
    }
    open.set(address, ofAddress);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
    for (const listener of listeners) listener.call(server, socket);
  });
  server.on('drop', (data) => {
    count('too_many');
    warnings.warn(
      'too_many',
      { address: remoteAddress({ remoteAddress: data?.remoteAddress }), maxConnections },
      'there are too many connections',
    );
  });
}
