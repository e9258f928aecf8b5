/**
 * The states of a connection of the fast path.
 *
 *     idle -> admitting -> reading -> waiting -> idle          one request after another
 *     admitting, reading -> skipping -> idle                   answered early; the rest of the body is thrown away
 *     admitting -> refusing -> skipping -> closing             answered later, and nothing is read or kept until then
 *     idle -> handed                                           Node's HTTP server takes the connection over, for good
 *     any -> closing                                           the last answer is written; what still comes is not read
 *     any -> ended                                             the socket is closed
 */
export type ConnectionState = keyof typeof NEXT;

const NEXT = {
  idle: ['admitting', 'handed', 'closing', 'ended'],
  // The whole body may have come with the head, or there is none.
  admitting: ['reading', 'waiting', 'refusing', 'skipping', 'idle', 'handed', 'closing', 'ended'],
  reading: ['waiting', 'skipping', 'closing', 'ended'],
  waiting: ['idle', 'closing', 'ended'],
  refusing: ['skipping', 'idle', 'closing', 'ended'],
  skipping: ['idle', 'closing', 'ended'],
  handed: [],
  closing: ['ended'],
  ended: [],
} as const satisfies Record<string, readonly string[]>;

/** Throws for a transition that is not above: a fault of the proxy. */
export function assertTransition(from: ConnectionState, to: ConnectionState): void {
  const next: readonly string[] = NEXT[from];
  if (!next.includes(to)) throw new Error(`a connection that is ${from} does not become ${to}`);
}
