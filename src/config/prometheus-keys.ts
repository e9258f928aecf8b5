/**
 * Keys of Prometheus (up to 3.14: remote_write, its HTTP client, queue_config, tls_config, sigv4) that the proxy does not have.
 *
 * A section pasted from a prometheus.yml must not surprise. A key that changes nothing here is accepted with a warning
 * that says why. A key that would change the data, the way to the upstream or the signing is refused by name with its
 * remedy. Both are removed here, before the schema, which knows only keys that do something.
 */
import type { Findings, KeyPath } from './problem.ts';
import type { YamlMap, YamlTree } from './yaml-reader.ts';

export interface PrometheusOnlyKey {
  /** The section's path without list numbers; empty for the top of the file. */
  readonly section: readonly string[];
  readonly key: string;
  /** `ignored` is accepted with a warning, `refused` stops the start. */
  readonly verdict: 'ignored' | 'refused';
  /** Completes the sentence `has no effect: ` or `is not supported: `. */
  readonly reason: string;
  /** Values that ask for what happens anyway; these are accepted without a warning. */
  readonly fine?: readonly string[];
}

const ENTRY = ['remote_write'];
const QUEUE = ['remote_write', 'queue_config'];
const TLS = ['remote_write', 'tls_config'];

const SENDER_DECIDES = "data is forwarded as it came; set it in the sending Prometheus's own remote_write";
const SIGNED_ONLY =
  'requests to the upstream are authenticated by SigV4 alone; remove it and use sigv4, or put it into the ' +
  "sending Prometheus's own remote_write when it is meant for the way to this proxy";
const FIXED_HEADERS = 'only a small fixed set of headers is signed and sent upstream; remove it';
const NO_CLIENT_CERTIFICATE = 'AMP does not ask for client certificates, requests are signed; remove it';
const CA_OF_A_SECRET =
  'there is no secret manager to look it up in; put the certificates into a file and name that in ca_file';
const ONE_SECTION = 'only the remote_write section of a prometheus.yml belongs here; remove it';

export const PROMETHEUS_ONLY_KEYS: readonly PrometheusOnlyKey[] = [
  ignored(ENTRY, 'send_exemplars', SENDER_DECIDES),
  ignored(ENTRY, 'send_native_histograms', SENDER_DECIDES),
  ignored(ENTRY, 'metadata_config', SENDER_DECIDES),
  ignored(ENTRY, 'follow_redirects', 'redirects are never followed, since a signature is valid for one URL only'),
  ignored(ENTRY, 'enable_http2', 'the proxy speaks HTTP/1.1 with keep-alive upstream'),
  ignored(ENTRY, 'round_robin_dns', 'the host name is looked up for every new connection'),
  ignored(ENTRY, 'failed_request_logging', 'the log of the proxy tells of every kind of failure; set log.level'),
  {
    ...ignored(
      ENTRY,
      'protobuf_message',
      'the proxy speaks remote write 1.0 (prometheus.WriteRequest), as AMP documents it',
    ),
    fine: ['prometheus.WriteRequest'],
  },
  refused(
    ENTRY,
    'write_relabel_configs',
    "samples are forwarded as they came; move it to the sending Prometheus's own remote_write",
  ),
  refused(ENTRY, 'headers', FIXED_HEADERS),
  refused(ENTRY, 'http_headers', FIXED_HEADERS),
  refused(ENTRY, 'basic_auth', SIGNED_ONLY),
  refused(ENTRY, 'authorization', SIGNED_ONLY),
  refused(ENTRY, 'oauth2', SIGNED_ONLY),
  refused(ENTRY, 'bearer_token', SIGNED_ONLY),
  refused(ENTRY, 'bearer_token_file', SIGNED_ONLY),
  refused(ENTRY, 'azuread', SIGNED_ONLY),
  refused(ENTRY, 'google_iam', SIGNED_ONLY),
  ignored(
    QUEUE,
    'retry_on_http_429',
    "AMP's 429 is always retried within delivery_timeout, and senders get 503, which they retry",
  ),
  refused(
    QUEUE,
    'sample_age_limit',
    "samples are never dropped by age here; set it in the sending Prometheus's own queue_config",
    ['0', '0s'],
  ),
  refused(TLS, 'ca_ref', CA_OF_A_SECRET),
  refused(TLS, 'cert', NO_CLIENT_CERTIFICATE),
  refused(TLS, 'cert_file', NO_CLIENT_CERTIFICATE),
  refused(TLS, 'cert_ref', NO_CLIENT_CERTIFICATE),
  refused(TLS, 'key', NO_CLIENT_CERTIFICATE),
  refused(TLS, 'key_file', NO_CLIENT_CERTIFICATE),
  refused(TLS, 'key_ref', NO_CLIENT_CERTIFICATE),
  ...[
    'global',
    'scrape_configs',
    'scrape_config_files',
    'rule_files',
    'alerting',
    'remote_read',
    'storage',
    'tracing',
    'runtime',
    'otlp',
  ].map((key) => refused([], key, ONE_SECTION)),
];

/** Takes the Prometheus-only keys out of `tree`, which it changes, and reports the meaning of each of them here. */
export function takeOutPrometheusOnlyKeys(tree: YamlMap): Findings {
  const findings: Findings = { problems: [], warnings: [] };
  for (const prometheusOnly of PROMETHEUS_ONLY_KEYS) {
    for (const { map, path } of sectionsAt(tree, prometheusOnly.section, [])) {
      const value = Object.hasOwn(map, prometheusOnly.key) ? map[prometheusOnly.key] : undefined;
      if (value === undefined) continue;
      delete map[prometheusOnly.key];
      if (typeof value === 'string' && prometheusOnly.fine?.includes(value)) continue;
      const found = { path: [...path, prometheusOnly.key] };
      if (prometheusOnly.verdict === 'ignored')
        findings.warnings.push({ ...found, message: `has no effect: ${prometheusOnly.reason}` });
      else findings.problems.push({ ...found, message: `is not supported: ${prometheusOnly.reason}` });
    }
  }
  return findings;
}

function* sectionsAt(
  tree: YamlTree | undefined,
  section: readonly string[],
  path: KeyPath,
): Generator<{ map: YamlMap; path: KeyPath }> {
  if (tree === undefined || typeof tree === 'string') return;
  if (Array.isArray(tree)) {
    for (const [index, item] of tree.entries()) yield* sectionsAt(item, section, [...path, index]);
    return;
  }
  const [next, ...rest] = section;
  if (next === undefined) yield { map: tree, path };
  else yield* sectionsAt(tree[next], rest, [...path, next]);
}

function ignored(section: readonly string[], key: string, reason: string): PrometheusOnlyKey {
  return { section, key, verdict: 'ignored', reason };
}

function refused(
  section: readonly string[],
  key: string,
  reason: string,
  fine: readonly string[] = [],
): PrometheusOnlyKey {
  return { section, key, verdict: 'refused', reason, fine };
}
