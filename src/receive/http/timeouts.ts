/** The timeouts of a connection, on the write port and on the admin port alike; ms. */

/** A slower head or TLS handshake is cut off; a sender writes its head in one go. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** A whole request: Prometheus gives up after 30 s (remote_timeout). */
export const REQUEST_TIMEOUT_MS = 30_000;
/**
 * Longer than the 5 minutes after which Prometheus closes an idle connection, so that the proxy never closes a
 * connection as it is used.
 */
export const KEEP_ALIVE_TIMEOUT_MS = 330_000;
/** The interval at which connections are checked for timeouts. */
export const CHECK_INTERVAL_MS = 2_000;
