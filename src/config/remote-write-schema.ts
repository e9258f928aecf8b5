/**
 * The schema of one entry of remote_write: the keys of Prometheus's own section that do something here. schema.ts has
 * the rest of the file and describes how values are kept.
 */
import { z } from 'zod';

import { choice, duration, flag, optionalText, SECTION, size, textMap, wholeNumber } from './scalars.ts';

const MISSING_URL =
  'is missing; give the remote write URL of the workspace, ' +
  'https://aps-workspaces.REGION.amazonaws.com/workspaces/WORKSPACE/api/v1/remote_write';

const NOT_SERVICE = 'is not the name of a service; write lower-case letters, digits and -, as in aps';
const TLS_VERSIONS = ['TLS10', 'TLS11', 'TLS12', 'TLS13'] as const;

const sigv4Schema = z.strictObject(
  {
    region: optionalText(
      "Region of the workspace. When not set, it is taken from the URL's host, or else from AWS_REGION.",
    ),
    role_arn: optionalText('Role to assume with the identity that the credentials give.'),
    external_id: optionalText('External id for role_arn, if its trust policy asks for one.'),
    profile: optionalText('Profile in the shared AWS configuration files.'),
    access_key: optionalText(
      'Static access key, with secret_key. When not set, the default chain of AWS is used (environment, web identity ' +
        'token, EKS Pod Identity, profile, instance).',
    ),
    secret_key: optionalText('Secret that belongs to access_key; best given as ${VAR} from the environment.'),
    session_name: optionalText(
      'Name of the session of role_arn, as CloudTrail shows it. When not set: amp-write-proxy.',
    ),
    tags: textMap('Session tags for role_arn; its trust policy must allow sts:TagSession.'),
    use_fips_sts_endpoint: flag(false, 'Assume roles at the FIPS endpoint of STS.'),
    sts_region: optionalText(
      'Region of the STS endpoint. When not set, it is taken from AWS_ENDPOINT_URL_STS where that names a region, or ' +
        "from AWS_REGION, or else it is the workspace's.",
    ),
    service_name: z
      .string({ error: NOT_SERVICE })
      .regex(/^[a-z0-9-]+$/, { error: NOT_SERVICE })
      .prefault('aps')
      .meta({
        title: 'text',
        description: 'Service name in the signature; another one is only of use for a gateway that checks signatures.',
      }),
  },
  SECTION,
);

const queueSchema = z.strictObject(
  {
    max_samples_per_send: wholeNumber(
      5000,
      'Samples and histograms in one request to AMP. At about 60 compressed bytes a sample, 5000 are 0.3 MB: a ' +
        'third of max_bytes_per_send.',
      1_000_000,
    ),
    max_bytes_per_send: size(
      '1MB',
      'Compressed size of one request to AMP, which answers 413 above 1 MB (10^6 bytes).',
    ),
    min_shards: wholeNumber(
      1,
      'Least number of requests in flight upstream. Divided among server.workers, at least 1 each.',
      1000,
    ),
    max_shards: wholeNumber(
      50,
      'Most requests in flight upstream. Divided among server.workers, rounded up. 50 requests of 5000 samples at ' +
        '100 ms each carry 2.5 M samples a second.',
      1000,
    ),
    capacity: wholeNumber(
      10_000,
      'Samples that may wait for each shard: two requests of 5000, one being sent and one ready behind it.',
      10_000_000,
    ),
    batch_send_deadline: duration(
      '50ms',
      'How long a request may wait for other requests to share its batch. Senders wait for their answer, so this adds ' +
        'to their latency. 100 senders with a request every 5 s make one request in 50 ms.',
      0,
    ),
    out_of_order_window: duration(
      '60s',
      'The out-of-order window of the workspace. AMP takes samples that are no older than this more than once. ' +
        'Requests with older samples, or with exemplars, are never joined with others, since AMP would reject them ' +
        "if the batch had to be sent again. 60s is AMP's default; a workspace can have 0s to 600s.",
      0,
    ),
    min_backoff: duration('30ms', 'First wait after a failed attempt. It doubles up to max_backoff, with full jitter.'),
    max_backoff: duration(
      '5s',
      'Longest wait between attempts: a fifth of delivery_timeout, so that quick failures get at least 5 attempts.',
    ),
    delivery_timeout: duration(
      '25s',
      'A sender gets its answer within this time, all attempts included. Prometheus gives up after 30s (its default ' +
        'remote_timeout), which leaves 5s for the network and its clock.',
    ),
  },
  SECTION,
);

const tlsConfigSchema = z.strictObject(
  {
    ca_file: optionalText(
      'Authorities (CAs) to trust instead of the built-in ones, PEM; for calls to STS, in addition to them. The file ' +
        'is read again when it changes.',
    ),
    ca: optionalText('The same as ca_file, written out here: certificates in PEM.'),
    server_name: optionalText("Name to expect in the upstream's certificate, if it is not the URL's host."),
    insecure_skip_verify: flag(false, "Do not check the upstream's certificate. For tests only."),
    min_version: choice(TLS_VERSIONS, 'TLS12', 'Oldest version of TLS; versions below TLS12 are not spoken.'),
    max_version: choice(TLS_VERSIONS, 'TLS13', 'Newest version of TLS.'),
  },
  SECTION,
);

export const remoteWriteSchema = z.strictObject(
  {
    name: z
      .string({ error: 'must be text' })
      .regex(/^[a-zA-Z0-9_-]+$/, { error: 'is not a usable name; use letters, digits, _ and - only' })
      .optional()
      .meta({
        title: 'text',
        description:
          'Name in the route /api/v1/write/NAME and in metrics; unique. Only the first entry may leave it out; it is then `default`.',
      }),
    url: z
      .string({ error: (issue) => (issue.input === undefined ? MISSING_URL : 'must be text') })
      .meta({ title: 'URL', description: 'The remote write URL of the workspace. **Required.**' }),
    remote_timeout: duration(
      '10s',
      'Longest time for one attempt. delivery_timeout (25s) leaves time for two at least.',
    ),
    sigv4: sigv4Schema.prefault({}).meta({ description: 'How requests are signed.' }),
    queue_config: queueSchema.prefault({}).meta({ description: 'How requests are joined, queued and retried.' }),
    tls_config: tlsConfigSchema.prefault({}).meta({ description: 'TLS to the upstream.' }),
    query_url: optionalText(
      'Where to read what is written here: the URL before /api/v1/query. When not set, it is the workspace in url, if it ' +
        'names one.',
    ),
    proxy_url: optionalText('HTTP proxy on the way to the upstream and to STS; http:// only.'),
    no_proxy: optionalText(
      'Hosts that are reached without proxy_url, separated by commas: names (with all names below them), `.name`, ' +
        'addresses and networks as in 10.0.0.0/8, each with or without a port, or *.',
    ),
    proxy_from_environment: flag(
      false,
      'Take the proxy from HTTPS_PROXY, HTTP_PROXY and NO_PROXY (or the same in lower case) instead of proxy_url.',
    ),
    proxy_connect_header: z
      .record(z.string(), z.array(z.string({ error: 'must be text' }), { error: 'must be a list of texts' }), {
        error: 'must be a section of header names, each with a list of values',
      })
      .optional()
      .meta({
        title: 'section',
        description:
          'Headers to send to the proxy with CONNECT, each with a list of values. Not sent on the way to STS.',
      }),
  },
  { error: 'must be a section with keys of its own, at least url' },
);
