import { DirectUpstream } from './direct-upstream.ts';
import { ProxiedUpstream } from './proxied-upstream.ts';
import type { Upstream, UpstreamOptions } from './upstream.ts';

/** @param proxyUrl of an HTTP proxy to reach the upstream through */
export function openUpstream(options: UpstreamOptions, proxyUrl: string | undefined): Upstream {
  return proxyUrl === undefined ? new DirectUpstream(options) : new ProxiedUpstream(options, proxyUrl);
}
