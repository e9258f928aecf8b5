/** Answers and failures in words, with their remedy; and what may be shown of a text that comes from outside. */

export interface Explanation {
  /** Goes on from the name of the upstream: `answers 403 (forbidden)`. */
  readonly what: string;
  readonly remedy: string;
}

const NETWORK = 'Check the way out of the proxy: network policy, security groups, NAT and proxy_url of remote_write.';

const KNOWN: Readonly<Record<string, Explanation>> = {
  '400': { what: 'answers 400 (bad request)', remedy: 'The sender is told what AMP said; it drops these samples.' },
  '401': {
    what: 'answers 401 (unauthorized)',
    remedy: 'Check that the credentials belong to the account, and that sigv4.region is the region of the workspace.',
  },
  '402': { what: 'answers 402 (payment required)', remedy: 'Check that the url of remote_write leads to AMP itself.' },
  '403': {
    what: 'answers 403 (forbidden)',
    remedy:
      'Keys, role (aps:RemoteWrite on this workspace), region or clock: what AMP said tells which, and so does the doctor.',
  },
  '404': {
    what: 'answers 404 (not found)',
    remedy: 'Check the region and the workspace id in the url of remote_write.',
  },
  '407': { what: 'is behind a proxy that answers 407', remedy: 'Put credentials that the proxy knows into proxy_url.' },
  '408': {
    what: 'answers 408 (too slow)',
    remedy: 'The proxy sends less at once by itself; look at the network if it stays.',
  },
  '413': {
    what: 'answers 413 (too large)',
    remedy: 'The batch is cut and sent again by itself; if this is frequent, lower max_bytes_per_send.',
  },
  '429': {
    what: 'throttles (429)',
    remedy:
      "The workspace's ingestion quota is used up: ask AWS for more, or send less. The proxy slows down by itself.",
  },
  '500': {
    what: 'answers 500 (internal error)',
    remedy: 'The fault is with AMP; look at its health dashboard if it stays.',
  },
  '502': { what: 'answers 502 (bad gateway)', remedy: 'The fault is with AMP or a proxy on the way.' },
  '503': { what: 'answers 503 (unavailable)', remedy: 'The fault is with AMP; the proxy tries again by itself.' },
  '504': { what: 'answers 504 (gateway timeout)', remedy: 'The fault is with AMP or a proxy on the way.' },
  timeout: { what: 'does not answer in time', remedy: `${NETWORK} Or raise remote_timeout.` },
  connect: { what: 'cannot be reached', remedy: NETWORK },
  dns: { what: 'is not found by DNS', remedy: 'Check the host in the url of remote_write, and DNS in the cluster.' },
  tls: {
    what: 'cannot be trusted (TLS)',
    remedy: 'Check tls_config, and the port in the url of remote_write; a proxy on the way may need its ca_file.',
  },
  reset: { what: 'breaks connections off', remedy: NETWORK },
  garbage: {
    what: 'answers what is not HTTP',
    remedy: 'Check the host and port in the url of remote_write, and proxy_url.',
  },
  credentials: { what: 'cannot be asked without credentials', remedy: 'See the credentials below.' },
  no_credentials: {
    what: 'cannot be asked without credentials',
    remedy:
      'Give the pod its role (IRSA, Pod Identity) or the process its keys; sts of the region has to be reachable.',
  },
  queue_full: {
    what: 'takes less than senders send; the queue is full',
    remedy: 'Raise max_shards or capacity in queue_config, or run more replicas. Senders send again.',
  },
  delivery_timeout: {
    what: 'did not take samples within delivery_timeout',
    remedy: 'Senders send again. Look at the latency and at what AMP answers.',
  },
  upstream_down: { what: 'is down', remedy: 'Senders send again by themselves when it is back.' },
  throttled: {
    what: 'asked to be left in peace for a while',
    remedy: 'Senders send again by themselves. See what AMP answers.',
  },
  draining: { what: 'is left alone while the proxy shuts down', remedy: 'Senders send again, to another replica.' },
  sender_gone: {
    what: 'had not answered when the sender closed its connection',
    remedy: 'Senders send again. Set remote_timeout of the sender to 30s or more.',
  },
  internal: { what: 'could not be asked for a fault of the proxy', remedy: "See the proxy's log, and report it." },
};

const ELSE_BY_CLASS: Readonly<Record<string, string>> = {
  '2': 'Nothing to do.',
  '3': 'Redirects are not followed; check the url of remote_write.',
  '4': 'Check the url of remote_write and proxy_url.',
  '5': 'The fault is with AMP or a proxy on the way.',
};

/** @param code an HTTP status, or the name of a failure or of a reason to refuse */
export function explain(code: string): Explanation {
  const known = Object.hasOwn(KNOWN, code) ? KNOWN[code] : undefined;
  return known ?? { what: `answers ${code}`, remedy: ELSE_BY_CLASS[code.slice(0, 1)] ?? '' };
}

/** A few words for a table. */
export function shortWords(code: string): string {
  if (code === '200' || code === '204') return 'taken';
  if (code === '202') return 'taken from another replica';
  return explain(code).what;
}

const LONGEST = 300;
/**
 * A name, and the value after `=` or `:`. Every repetition is bounded, for the text may be hostile. What follows our own
 * `no AWS credentials:` is why.
 */
const NAMED_SECRET =
  /(?<!\bno AWS )(credential|signature|authorization|token|secret|password|passwd|access_?key|api_?key)(?!\w{0,30}(?:Error|Exception)\b)(\w{0,20}["']?\s{0,3}[=:]\s{0,3}["']?)[^\s,;&"'<>]+/gi;

/**
 * Of a text that an upstream or an SDK wrote: one line, cut, without control characters, and without anything that
 * could be a token, a signature, a key or a password. A hostile upstream may quote what was sent to it.
 */
export function presentable(text: string): string {
  const line = text
    .slice(0, 4 * LONGEST)
    .replaceAll(/\p{C}+/gu, ' ')
    .replaceAll(/\b(Bearer|Basic|AWS4-HMAC-SHA256)\s+[^\s,;"'<>]+/gi, '$1 ...')
    .replaceAll(NAMED_SECRET, '$1$2...')
    .replaceAll(/\b(AKIA|ASIA)[A-Z0-9]{8,}/g, '$1...')
    .replaceAll(/\/\/[^\s/@]*@/g, '//...@')
    .replaceAll(/[A-Za-z0-9+/=%]{40,}/g, '...')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST - 1)}…`;
}
