/**
 * Upstream: one HTTP POST to the configured URL, and what came back as a value. It never throws, never retries, never
 * follows a redirect, and is done within `timeoutMs` whatever the other side does.
 */
import type { UpstreamAnswer } from '../../outcome/outcome.ts';

export interface Upstream {
  /** @param headers flat list of names and values; the body is not copied, and not read any more when this has resolved */
  post(headers: string[], body: Buffer): Promise<UpstreamAnswer>;
  /** Cuts every connection; attempts in flight fail. */
  destroy(): Promise<void>;
}

/** Load balancers in front of AMP close idle connections after a minute or more; ours end sooner, so that none is used as it dies. */
export const IDLE_CONNECTION_MS = 15_000;

export interface UpstreamOptions {
  readonly url: URL;
  /** Connections, which is requests in flight: one request a connection at a time. */
  readonly connections: number;
  /** Milliseconds from the first byte sent, connecting included, to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly tls: {
    readonly ca?: string | undefined;
    readonly servername?: string | undefined;
    readonly insecureSkipVerify: boolean;
  };
}
