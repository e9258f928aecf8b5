/** Rules on the way from here to the upstream: its HTTP proxy and its TLS. */
import { isIP } from 'node:net';
import type { Findings, KeyPath } from './problem.ts';
import { environmentProxy } from './proxy-route.ts';
import { refuseWhere, type RuleContext } from './rule-context.ts';
import type { ParsedRemoteWrite } from './schema.ts';
import { checkProxyUrl, type UpstreamUrl } from './url-rules.ts';

export function proxyRules(
  entry: ParsedRemoteWrite,
  entryPath: KeyPath,
  context: RuleContext,
  { problems, warnings }: Findings,
): void {
  const at = (key: string): KeyPath => [...entryPath, key];
  const problem = entry.proxy_url === undefined ? undefined : checkProxyUrl(entry.proxy_url);
  if (problem !== undefined && context.isSound(at('proxy_url'))) problems.push({ path: at('proxy_url'), ...problem });
  if (entry.proxy_from_environment) {
    for (const key of ['proxy_url', 'no_proxy'] as const) {
      if (entry[key] === undefined) continue;
      problems.push({
        path: at(key),
        message: 'is given together with proxy_from_environment, which takes its place; keep one of them',
      });
    }
    const proxy = environmentProxy(context.env);
    for (const name of ['HTTPS_PROXY', 'HTTP_PROXY'] as const) {
      const url = proxy[name];
      if (url === undefined || checkProxyUrl(url) === undefined) continue;
      problems.push({
        path: at('proxy_from_environment'),
        message: `is on, and ${name} is not the URL of an HTTP proxy; set it to http://HOST:PORT`,
      });
    }
    if (proxy.HTTPS_PROXY === undefined && proxy.HTTP_PROXY === undefined) {
      warnings.push({
        path: at('proxy_from_environment'),
        message: 'is on, and neither HTTPS_PROXY nor HTTP_PROXY is set: no proxy is used',
      });
    }
    return;
  }
  if (entry.proxy_url !== undefined) return;
  for (const key of ['no_proxy', 'proxy_connect_header'] as const) {
    if (entry[key] === undefined) continue;
    problems.push({
      path: at(key),
      message: 'is given without proxy_url, and means nothing then; give it, or remove this',
    });
  }
}

const OLD_VERSIONS: ReadonlySet<string> = new Set(['TLS10', 'TLS11']);

export function tlsRules(
  tls: ParsedRemoteWrite['tls_config'],
  entryPath: KeyPath,
  upstream: UpstreamUrl | undefined,
  context: RuleContext,
  { problems, warnings }: Findings,
): void {
  const at = (key: keyof typeof tls): KeyPath => [...entryPath, 'tls_config', key];
  const { server_name: name = '' } = tls;
  refuseWhere(isIP(name) !== 0, [at('server_name')], context, problems, () => {
    return `${name} is an address, and TLS asks for names only; give the name in the certificate, or leave it out`;
  });
  if (tls.ca !== undefined && tls.ca_file !== undefined) {
    problems.push({ path: at('ca'), message: 'is given together with ca_file; keep one of them' });
  }
  if (tls.ca !== undefined && !tls.ca.includes('-----BEGIN CERTIFICATE-----')) {
    problems.push({ path: at('ca'), message: 'holds no certificate in PEM; paste it with its BEGIN and END lines' });
  }
  refuseWhere(OLD_VERSIONS.has(tls.max_version), [at('max_version')], context, problems, () => {
    return `${tls.max_version} is older than TLS 1.2, which is the oldest version that is spoken; write TLS12 or TLS13`;
  });
  refuseWhere(
    tls.min_version === 'TLS13' && tls.max_version === 'TLS12',
    [at('min_version'), at('max_version')],
    context,
    problems,
    () => 'TLS13 is above max_version TLS12; lower it, or raise max_version',
  );
  if (tls.insecure_skip_verify && upstream?.href.startsWith('https:') === true) {
    warnings.push({
      path: at('insecure_skip_verify'),
      message: 'is on: anyone on the way can pose as the upstream; prefer ca_file',
    });
  }
}
