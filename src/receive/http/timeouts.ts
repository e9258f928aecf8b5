/** How long a connection may take, on the write port and on the admin port alike; ms. */

/** A head that takes longer is cut off, and so is a TLS handshake; a sender writes it in one go. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** A whole request: Prometheus gives up after 30 s (remote_timeout). */
export const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the 5 minutes after which Prometheus closes an idle connection, so that ours is never closed as it is used. */
export const KEEP_ALIVE_TIMEOUT_MS = 330_000;
/** How often connections are looked at that may have lasted too long. */
export const CHECK_INTERVAL_MS = 2_000;
