/**
 * Rules of an entry's url, and of the region that comes from it.
 *
 * Hosts of AMP are known, so that a mistake (the query URL, another region, plain http) is found at start and not as a
 * 403 an hour later. Any other host is accepted unchanged: a stand-in, a gateway, another remote write receiver.
 */
import { formatListenAddress, type ListenAddress } from './listen-address.ts';
import type { Problem } from './problem.ts';

const AWS_SUFFIX = String.raw`(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)`;

/** Public, FIPS and dual-stack hosts, and those of a VPC endpoint without private DNS. */
const AMP_HOST = new RegExp(
  String.raw`^(?:aps-workspaces(?:-fips)?\.([a-z0-9-]+)|vpce-[a-z0-9-]+\.aps-workspaces(?:-fips)?\.([a-z0-9-]+)\.vpce)\.${AWS_SUFFIX}$`,
);

/** A host that resembles AMP's: the control plane (aps.REGION...), or a host without its region. */
const NEARLY_AMP_HOST = new RegExp(String.raw`^aps(?:-[a-z-]+)?\..*${AWS_SUFFIX}$`);

const REMOTE_WRITE_PATH = /^\/workspaces\/[^/]+\/api\/v1\/remote_write$/;

export interface UpstreamUrl {
  /** The URL without trailing slashes, userinfo, query and fragment. */
  readonly href: string;
  /** True if AMP's own limits apply to it. */
  readonly isAmp: boolean;
  /** The region that the host names; only AMP's hosts name one. */
  readonly region: string | undefined;
  /** The workspace id, `ws-...`, if the path names one. */
  readonly workspace: string | undefined;
}

export interface UrlCheck {
  /** Undefined if the URL cannot be read at all. */
  readonly upstream: UpstreamUrl | undefined;
  /** Predicates without a path, since the caller knows which entry this is. */
  readonly problems: readonly Omit<Problem, 'path'>[];
  readonly warnings: readonly Omit<Problem, 'path'>[];
}

export function checkUrl(text: string): UrlCheck {
  const problems: Omit<Problem, 'path'>[] = [];
  const warnings: Omit<Problem, 'path'>[] = [];
  const refuse = (message: string): void => void problems.push({ message, showValue: true });

  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    refuse('is not a URL; write it whole, beginning with https://');
    return { upstream: undefined, problems, warnings };
  }

  const region = AMP_HOST.exec(url.hostname)?.slice(1).find(Boolean);
  const isAmp = region !== undefined;
  const workspace = /^\/workspaces\/([^/]+)/.exec(url.pathname)?.[1];
  url.pathname = url.pathname.replace(/\/+$/, '');

  if (url.username !== '' || url.password !== '') {
    refuse('holds credentials; remove them, requests are signed by sigv4');
  }
  if (url.search !== '' || text.includes('?')) refuse('has a query; remove everything from the ? on');
  else if (url.hash !== '' || text.includes('#')) refuse('has a fragment; remove everything from the # on');
  else if (isAmp && !REMOTE_WRITE_PATH.test(url.pathname)) {
    const right = `https://${url.host}/workspaces/${workspace ?? 'WORKSPACE'}/api/v1/remote_write`;
    refuse(`is not a remote write URL of AMP; write ${right}`);
  }
  if (!isAmp && NEARLY_AMP_HOST.test(url.hostname)) {
    refuse('is not a host that takes remote write of AMP; the host is aps-workspaces.REGION.amazonaws.com');
  }
  if (url.protocol === 'http:') {
    if (isAmp) refuse('is plain http, which AMP does not speak; write https://');
    else warnings.push({ message: 'is plain http: anyone on the way can read and change what is sent; prefer https' });
  }
  url.username = '';
  url.password = '';
  url.search = '';
  url.hash = '';
  return { upstream: { href: url.href, isAmp, region, workspace }, problems, warnings };
}

/** Detects a loop: each request would come in again and again, until a limit ends it. */
export function isOwnAddress(href: string, listen: ListenAddress, ownNames: readonly string[]): boolean {
  const url = new URL(href);
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  if (port !== listen.port) return false;
  const host = url.hostname.replaceAll(/^\[|\]$/g, '').toLowerCase();
  if (isWildcard(listen.host)) {
    return isWildcard(host) || isLoopback(host) || ownNames.some((name) => name.toLowerCase() === host);
  }
  return host === listen.host.toLowerCase() || (isLoopback(host) && isLoopback(listen.host));
}

/** Returns true for two sockets that cannot both be bound. */
export function isSameSocket(a: ListenAddress, b: ListenAddress): boolean {
  if (a.port === 0 || a.port !== b.port) return false;
  return formatListenAddress(a) === formatListenAddress(b) || isWildcard(a.host) || isWildcard(b.host);
}

/** Accepts http:// and a host, nothing more; userinfo is allowed, since a proxy may ask for it. */
export function checkProxyUrl(text: string): Omit<Problem, 'path'> | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && url.protocol === 'http:' && url.pathname === '/' && url.search + url.hash === '';
  if (isPlain) return undefined;
  return {
    message: 'is not the URL of an HTTP proxy; write http://HOST:PORT, https and SOCKS are not supported',
    showValue: true,
  };
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || host.startsWith('127.');
}
