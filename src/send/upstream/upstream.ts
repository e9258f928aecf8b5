/**
 * Upstream: makes one HTTP POST to the configured URL and returns the answer as a value. It never throws, never
 * retries, never follows a redirect, and is done within `timeoutMs` whatever the other side does.
 */
import type { SecureVersion } from 'node:tls';
import type { UpstreamAnswer } from '../../outcome/outcome.ts';

export interface Upstream {
  /** @param headers flat list of names and values; the body is not copied, and not read any more when this has resolved */
  post(headers: string[], body: Buffer): Promise<UpstreamAnswer>;
  /** Cuts every connection; attempts in flight fail. */
  destroy(): Promise<void>;
}

/**
 * Load balancers close idle connections after a minute or more. The proxy closes them sooner, so that none is used as
 * it ends.
 */
export const IDLE_CONNECTION_MS = 15_000;

export interface UpstreamTls {
  /** Read for every new connection, so that a changed file takes effect. */
  readonly ca?: string | undefined;
  readonly servername?: string | undefined;
  readonly insecureSkipVerify: boolean;
  /** The version as in Node's tls.connect; undefined means Node's own range. */
  readonly minVersion?: SecureVersion | undefined;
  readonly maxVersion?: SecureVersion | undefined;
}

export interface UpstreamProxy {
  /** http:// only; userinfo becomes a Proxy-Authorization header. */
  readonly url: string;
  /** Sent with CONNECT, besides host. */
  readonly connectHeaders?: Readonly<Record<string, readonly string[]>> | undefined;
}

export interface UpstreamOptions {
  readonly url: URL;
  /** The most connections, and so the most requests in flight; further posts wait for a free one. */
  readonly connections: number;
  /** Milliseconds from the call of post() to the last byte of the answer; waiting for a connection and connecting included. */
  readonly timeoutMs: number;
  readonly tls: UpstreamTls;
  /** Decides how much earlier than at 5 minutes each connection retires. At least 0 and below 1; default: Math.random. */
  readonly random?: () => number;
}
