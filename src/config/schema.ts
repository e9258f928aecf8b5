/**
 * The one schema of the configuration file: types, defaults, checks of single values, the table in
 * docs/configuration.md (document.ts) and the JSON Schema (json-schema.ts) come from it.
 *
 * Keys keep the YAML's names. Durations are numbers of milliseconds, sizes numbers of bytes, addresses are {host,
 * port}. Rules on several keys are in rules.ts and url-rules.ts. Keys of Prometheus that the proxy does not have are in
 * prometheus-keys.ts and never get here.
 */
import { z } from 'zod';

import type { ProxyKeys, ProxyVariables } from './proxy-route.ts';
import { remoteWriteSchema } from './remote-write-schema.ts';
import { querySchema } from './query-schema.ts';
import {
  choice,
  duration,
  listenAddress,
  optionalListenAddress,
  optionalText,
  SECTION,
  size,
  wholeNumber,
} from './scalars.ts';

const NOT_HOST = 'is not a host name; write it without scheme and port, as in proxy.example.com or *.example.com';
const NOT_WORKERS = 'is not a number of processes; write a whole number from 1, or auto';

const serverTlsSchema = z.strictObject(
  {
    cert_file: optionalText('Certificate chain, PEM. This and the other files are read again when they change.'),
    key_file: optionalText('Its private key, PEM.'),
    client_ca_file: optionalText('Authority (CA), PEM: senders must present a certificate that it signed.'),
  },
  SECTION,
);

const serverAuthSchema = z.strictObject(
  {
    bearer_token_file: optionalText(
      'Senders must send the token in this file; in Prometheus: authorization: {credentials_file: ...}.',
    ),
    basic_auth_file: optionalText(
      'Lines of name:hash, bcrypt (htpasswd -B; cost up to 12) or scrypt ($scrypt$ln=...). Senders must send one of these names and its password.',
    ),
  },
  SECTION,
);

const serverSchema = z.strictObject(
  {
    listen: listenAddress(
      '[::]:8005',
      'Address that senders write to; port 0 lets the system choose. `[::]` takes IPv4 and IPv6, and IPv4 alone where the machine has no IPv6.',
    ),
    admin_listen: listenAddress('[::]:8006', 'Address of /metrics, /-/healthy, /-/ready and the status page.'),
    admin_hosts: z
      .array(
        z.string({ error: NOT_HOST }).regex(/^(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/, { error: NOT_HOST }),
        { error: 'must be a list of host names' },
      )
      .prefault([])
      .meta({
        title: 'list of names',
        description:
          'Host names that the admin port answers to, besides localhost, IP addresses and the name in admin_listen; ' +
          '`*.example.com` stands for every name below it. Other names get 421, so that no web page can read the ' +
          'port by pointing a name of its own at it (DNS rebinding).',
      }),
    workers: z
      .union([z.int().positive(), z.string().regex(/^(?:auto|0*[1-9]\d*)$/, { error: NOT_WORKERS })], {
        error: NOT_WORKERS,
      })
      .transform((input) => (input === 'auto' ? 'auto' : Number(input)))
      .prefault(1)
      .meta({
        title: 'number or auto',
        description:
          'Processes that share the port. auto starts one for each processor that the process may use (affinity, CPU ' +
          'limit of the container), as long as max_inflight_bytes allows each of them one body of the largest size. ' +
          'Totals in this file are for all workers together.',
      }),
    max_connection_age: duration(
      '10m',
      'Age at which a connection is closed after an answer, so that senders spread over new pods; 0 keeps connections ' +
        'open. A sender with a request every 5 s reconnects once in 120 requests.',
      0,
    ),
    shutdown_timeout: duration(
      '30s',
      'How long requests in flight may take after SIGTERM: delivery_timeout (25s) and 5s to answer. ' +
        "Keep the pod's terminationGracePeriodSeconds above it.",
    ),
    tls: serverTlsSchema.optional().meta({ description: 'TLS for senders; plain HTTP when not set.' }),
    auth: serverAuthSchema
      .optional()
      .meta({ description: 'Who may send. When not set, everybody who can reach the port.' }),
    query_listen: optionalListenAddress(
      'Address that readers query, such as 0.0.0.0:8007: Grafana, KEDA, promtool. When not set, nothing can be read. ' +
        'Whoever reaches this port reads every workspace in remote_write, unless query_auth is set.',
    ),
    query_tls: serverTlsSchema.optional().meta({ description: 'TLS for readers, as tls; plain HTTP when not set.' }),
    query_auth: serverAuthSchema
      .optional()
      .meta({ description: 'Who may read, as auth. When not set, everybody who can reach query_listen.' }),
  },
  SECTION,
);

const limitsSchema = z.strictObject(
  {
    max_body_bytes: size(
      '10MiB',
      'Largest request as it arrives, compressed; a larger one gets 413. A request of 10,000 samples has about ' +
        '0.6 MB; this is 16 times that.',
    ),
    max_decoded_bytes: size(
      '64MiB',
      'Largest request after decompression; a body that declares more gets 413 before anything is ' +
        'allocated. Real bodies are compressed about 6 times: 10MiB x 6 = 60MiB.',
    ),
    max_series_per_request: wholeNumber(
      200_000,
      'Series in one request; a request with more gets 413. Senders put 500 to 10,000 into one; this is 20 times that.',
      100_000_000,
    ),
    max_samples_per_request: wholeNumber(
      500_000,
      'Samples, histograms and exemplars in one request; a request with more gets 413. This is 50 times the 10,000 of ' +
        'the largest requests seen, and makes 100 requests of max_samples_per_send upstream.',
      100_000_000,
    ),
    max_metadata_per_request: wholeNumber(
      200_000,
      'Metadata entries in one request; a request with more gets 413. Prometheus sends 2000 at once; this is 100 times that.',
      100_000_000,
    ),
    max_fields_per_request: wholeNumber(
      500_000,
      'Protobuf fields in one request other than plain labels, samples and metadata: those of histograms and ' +
        'exemplars, and unknown ones. A request with more gets 413. A native histogram has about 30, so 10,000 ' +
        'histograms have 300,000. Reading one takes about 20 ns.',
      1_000_000_000,
    ),
    max_inflight_bytes: size(
      '256MiB',
      'Compressed bytes held for all senders together. A request that would exceed it gets 503 with Retry-After ' +
        'before its body is read. 256MiB is 25 requests of the largest size, or 2000 of 0.12 MB. Divided among ' +
        'server.workers.',
    ),
    max_connections_per_address: wholeNumber(
      10_000,
      'Connections from one address; further ones are closed immediately. This is half of the 20,000 that all senders ' +
        'together may have, so that no address takes them all. Behind a load balancer that hides addresses all senders ' +
        'share one: raise this to 20000 there. Divided among server.workers, rounded up.',
      20_000,
    ),
  },
  SECTION,
);

const logSchema = z.strictObject(
  {
    level: choice(['debug', 'info', 'warn', 'error'], 'info', 'Least severe level that is written.'),
    format: choice(['json', 'text'], 'json', 'One JSON object per line, or text for people.'),
    slow_queries: duration(
      '10s',
      'A query that takes at least this long is logged with its PromQL (cut at 1 KiB), duration, size and reader. 0 logs ' +
        'none. Most queries of a dashboard take less than a second.',
      0,
    ),
  },
  SECTION,
);

const MISSING_REMOTE_WRITE =
  'is missing; list at least one upstream, as in prometheus.yml: remote_write: [{url: "https://..."}]';

export const configSchema = z.strictObject(
  {
    server: serverSchema.prefault({}).meta({ description: 'Where and how the proxy listens.' }),
    limits: limitsSchema.prefault({}).meta({ description: 'The most that the proxy takes in.' }),
    remote_write: z
      .array(remoteWriteSchema, {
        error: (issue) => (issue.input === undefined ? MISSING_REMOTE_WRITE : 'must be a list, as in prometheus.yml'),
      })
      .min(1, { error: 'is empty; list at least one upstream' })
      .meta({ description: "Where to send: Prometheus's own section. **Required.**" }),
    query: querySchema
      .prefault({})
      .meta({ description: 'Reading through the proxy, where server.query_listen is set.' }),
    log: logSchema.prefault({}).meta({ description: "The proxy's own log, on standard output." }),
  },
  SECTION,
);

/** The output of the schema alone: names and regions may still be absent. */
export type ParsedConfig = z.output<typeof configSchema>;
export type ParsedRemoteWrite = ParsedConfig['remote_write'][number];

export type ServerConfig = ParsedConfig['server'];
export type LimitsConfig = ParsedConfig['limits'];
export type QueryConfig = ParsedConfig['query'];
export type LogConfig = ParsedConfig['log'];
export type QueueConfig = ParsedRemoteWrite['queue_config'];
export type UpstreamTlsConfig = ParsedRemoteWrite['tls_config'];

/** `region` is always known: from the file, from the URL's host, or from AWS_REGION. */
export type Sigv4Config = ParsedRemoteWrite['sigv4'] & { region: string };

/**
 * `url` is normalised: no trailing slash, no userinfo, no query. `proxy` stands for proxy_url, no_proxy and
 * proxy_from_environment together.
 */
export type RemoteWriteConfig = Omit<ParsedRemoteWrite, 'name' | 'sigv4' | keyof ProxyKeys> & {
  name: string;
  sigv4: Sigv4Config;
  proxy: ProxyVariables;
};

/** The configuration that the process runs with; every rule holds. The first entry is the default route. */
export type Config = Omit<ParsedConfig, 'remote_write'> & {
  remote_write: readonly [RemoteWriteConfig, ...RemoteWriteConfig[]];
};
