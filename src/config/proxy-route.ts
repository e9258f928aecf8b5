/**
 * Which HTTP proxy a request goes through: `proxy_url` with `no_proxy`, or the environment's where
 * `proxy_from_environment` says so. Both come out as the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY, which Node's own
 * agents take for calls to AWS; proxyFor() decides the same for the upstream.
 * https://prometheus.io/docs/prometheus/latest/configuration/configuration/#http_config
 */
import { BlockList, isIP } from 'node:net';
import type { Environment } from './environment.ts';

/** The form of `proxyEnv` of Node's http.Agent. */
export interface ProxyVariables {
  readonly HTTP_PROXY?: string;
  readonly HTTPS_PROXY?: string;
  readonly NO_PROXY?: string;
}

export interface ProxyKeys {
  readonly proxy_url?: string | undefined;
  readonly no_proxy?: string | undefined;
  readonly proxy_from_environment: boolean;
}

/** The variables that stand for an entry's keys; empty where it uses no proxy. */
export function proxyVariables(keys: ProxyKeys, env: Environment): ProxyVariables {
  if (keys.proxy_from_environment) return environmentProxy(env);
  if (keys.proxy_url === undefined) return {};
  return {
    HTTP_PROXY: keys.proxy_url,
    HTTPS_PROXY: keys.proxy_url,
    ...(keys.no_proxy === undefined ? {} : { NO_PROXY: keys.no_proxy }),
  };
}

/** The three variables as the environment has them; the lower-case name wins, as in curl. An empty one is not set. */
export function environmentProxy(env: Environment): ProxyVariables {
  const variables: { -readonly [Name in keyof ProxyVariables]: string } = {};
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'] as const) {
    const value = [env[name.toLowerCase()], env[name]].find((each) => each !== undefined && each !== '');
    if (value !== undefined) variables[name] = value;
  }
  return variables;
}

/** The URL of the proxy to reach `target` through; undefined where it is reached directly. */
export function proxyFor(target: URL, variables: ProxyVariables): string | undefined {
  const proxy = target.protocol === 'https:' ? variables.HTTPS_PROXY : variables.HTTP_PROXY;
  return proxy === undefined || isExempt(target, variables.NO_PROXY ?? '') ? undefined : proxy;
}

/** Returns true if one of the comma-separated `exemptions` covers the target's host and port. */
function isExempt(target: URL, exemptions: string): boolean {
  const host = target.hostname.replaceAll(/^\[|\]$/g, '').toLowerCase();
  const port = target.port === '' ? (target.protocol === 'https:' ? '443' : '80') : target.port;
  return exemptions
    .split(',')
    .map((each) => each.trim().toLowerCase())
    .some((exemption) => exemption === '*' || (exemption !== '' && covers(exemption, host, port)));
}

function covers(exemption: string, host: string, port: string): boolean {
  const [network = '', bits] = exemption.split('/');
  if (bits !== undefined) return isIP(host) !== 0 && isIP(network) !== 0 && isInNetwork(host, network, Number(bits));
  const { name, onPort } = splitPort(exemption);
  if (onPort !== undefined && onPort !== port) return false;
  if (isIP(name) !== 0 || isIP(host) !== 0) return name === host;
  const suffix = name.replace(/^\*?\./, '');
  return host.endsWith(`.${suffix}`) || (host === suffix && suffix === name);
}

/** `name`, `name:port`, `[IPv6]:port` or a bare IPv6 address. */
function splitPort(exemption: string): { name: string; onPort: string | undefined } {
  if (isIP(exemption) === 6) return { name: exemption, onPort: undefined };
  const [, bracketed, plain, onPort] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(exemption) ?? [];
  return { name: bracketed ?? plain ?? exemption, onPort };
}

function isInNetwork(host: string, network: string, bits: number): boolean {
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
  if (!(bits >= 0 && bits <= (family === 'ipv6' ? 128 : 32))) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, family);
  return list.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');
}
