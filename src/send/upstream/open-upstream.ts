import { proxyFor } from '../../config/proxy-route.ts';
import type { RemoteWriteConfig } from '../../config/schema.ts';
import { DirectUpstream } from './direct-upstream.ts';
import { ProxiedUpstream } from './proxied-upstream.ts';
import type { Upstream, UpstreamOptions, UpstreamProxy } from './upstream.ts';

/** @param proxy an HTTP proxy to reach the upstream through */
export function openUpstream(options: UpstreamOptions, proxy: UpstreamProxy | undefined): Upstream {
  return proxy === undefined ? new DirectUpstream(options) : new ProxiedUpstream(options, proxy);
}

/** Returns the HTTP proxy through which the entry's URL is reached; undefined if it is reached directly. */
export function upstreamProxy(
  entry: Pick<RemoteWriteConfig, 'url' | 'proxy' | 'proxy_connect_header'>,
): UpstreamProxy | undefined {
  const url = proxyFor(new URL(entry.url), entry.proxy);
  return url === undefined ? undefined : { url, connectHeaders: entry.proxy_connect_header };
}
