/**
 * Decides how long a connection upstream is used. A name is looked up only when a connection is made, so connections
 * have to end for a change of DNS to take effect: soon if the server seems to be the wrong one, and otherwise after
 * minutes.
 */

/** No request begins on a connection that is older. Load balancers and DNS records change within minutes. */
const MAX_CONNECTION_AGE_MS = 5 * 60_000;
/** The largest part of that age that is taken off, so that connections that were made together do not end together. */
const MAX_AGE_JITTER = 0.1;
/** The interval at which idle connections are checked for whether they must be closed. */
export const SWEEP_INTERVAL_MS = 1_000;

/**
 * Returns when a connection that is made now grows too old, on the clock of `performance.now()`.
 * @param random at least 0 and below 1
 */
export function retirementMs(nowMs: number, random: number): number {
  return nowMs + MAX_CONNECTION_AGE_MS * (1 - MAX_AGE_JITTER * random);
}

/**
 * Returns true if a connection may carry another request after an answer of this status. A server that fails (5xx), or
 * that does not know the workspace (404) or the host (421), may be one that DNS does not point to any more. Every other
 * status is that of a server that does its work. https://www.rfc-editor.org/rfc/rfc9110#section-15.5.20
 */
export function keepsConnection(status: number): boolean {
  return status < 500 && status !== 404 && status !== 421;
}
