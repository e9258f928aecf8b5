/** Explains answers and failures in the proxy's own words, with their remedy. */
import type { Verdict } from './outcome.ts';

export interface Explanation {
  /** Continues a sentence that begins with the upstream: `answers 403 (forbidden)`. */
  readonly what: string;
  readonly remedy: string;
}

const NETWORK = 'Check the way out of the proxy: network policy, security groups, NAT and proxy_url of remote_write.';

const SERIES_QUOTA: Explanation = {
  what: 'takes no new series: a quota of active series or metadata is used up',
  remedy:
    "The workspace's ACTIVE SERIES quota, or a limit per label set, is used up: drop series at the sender (write_relabel_configs), or ask AWS for more. Known series go on.",
};

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
  series_limit: SERIES_QUOTA,
  '500': {
    what: 'answers 500 (internal error)',
    remedy: 'The fault is with AMP; look at its health dashboard if it stays.',
  },
  '502': { what: 'answers 502 (bad gateway)', remedy: 'The fault is with AMP or a proxy on the way.' },
  '503': { what: 'answers 503 (unavailable)', remedy: 'The fault is with AMP; the proxy tries again by itself.' },
  '504': { what: 'answers 504 (gateway timeout)', remedy: 'The fault is with AMP or a proxy on the way.' },
  timeout: { what: 'does not answer in time', remedy: `${NETWORK} Or raise remote_timeout.` },
  connect_refused: {
    what: 'refuses connections',
    remedy:
      'Nothing listens on that port, or a firewall rejects it: check host and port in the url of remote_write, and proxy_url.',
  },
  connect_timeout: {
    what: 'cannot be reached: connections get no answer',
    remedy:
      'Packets to that port are dropped on the way: let them out in the NetworkPolicy, the security group and the NAT, or through a VPC endpoint.',
  },
  connect_unreachable: {
    what: 'cannot be reached: the network has no route to it',
    remedy: 'Check the route out: subnet, NAT or VPC endpoint, and IPv4 or IPv6 of the pod.',
  },
  dns: { what: 'is not found by DNS', remedy: 'Check the host in the url of remote_write, and DNS in the cluster.' },
  tls: {
    what: 'cannot be trusted (TLS)',
    remedy: 'Check tls_config, and host and port in the url of remote_write: the message tells what TLS stumbled over.',
  },
  tls_untrusted: {
    what: 'shows a certificate of an unknown authority',
    remedy:
      'Something on the way shows a certificate of its own (a gateway that inspects TLS?): give the PEM of its authority as tls_config.ca_file.',
  },
  tls_wrong_name: {
    what: 'shows a certificate for another name',
    remedy: 'Check the host in the url of remote_write, or give the name in the certificate as tls_config.server_name.',
  },
  tls_expired: {
    what: 'shows a certificate that is not valid at this time',
    remedy: "Check this machine's clock, then have the certificate renewed.",
  },
  tls_on_plain_port: {
    what: 'does not speak TLS on that port',
    remedy:
      'The url says https and the port speaks something else, such as plain HTTP: correct the port or the scheme in the url of remote_write.',
  },
  plain_on_tls_port: {
    what: 'speaks nothing but TLS on that port',
    remedy: 'The url says http and the port speaks TLS: write https in the url of remote_write.',
  },
  reset: {
    what: 'breaks connections off',
    remedy: `${NETWORK} If the url says http, check whether the port speaks TLS.`,
  },
  garbage: {
    what: 'answers what is not HTTP',
    remedy: 'Check the host and port in the url of remote_write, and proxy_url.',
  },
  credentials: { what: 'cannot be asked without AWS credentials', remedy: 'See the credentials below.' },
  no_credentials: {
    what: 'cannot be asked without AWS credentials',
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

/**
 * @param code an HTTP status, the name of a failure or of a reason to refuse or reject, or a result of classify.ts's
 *   `responseCode`
 */
export function explain(code: string): Explanation {
  const known = Object.hasOwn(KNOWN, code) ? KNOWN[code] : undefined;
  if (known !== undefined) return known;
  const special = /^(foreign|throttled|unauthorized|quota|proxy)_(\d{3})$/.exec(code);
  if (special !== null) return SPECIAL[special[1] ?? '']?.(special[2] ?? '') ?? { what: `answers ${code}`, remedy: '' };
  return { what: `answers ${code}`, remedy: ELSE_BY_CLASS[code.slice(0, 1)] ?? '' };
}

/** Explains the answer of an HTTP proxy that opens no tunnel, or the general case of such an answer. */
function refusedByProxy(status: string): Explanation {
  const what = `is behind an HTTP proxy that opens no tunnel to it (${status})`;
  switch (status) {
    case '407':
      return { what, remedy: 'Put a name and a password that the proxy knows into proxy_url.' };
    case '403':
      return { what, remedy: "Allow the host and port of the url of remote_write in the proxy's rules (CONNECT)." };
    case '502':
    case '503':
    case '504':
      return {
        what,
        remedy:
          'The proxy itself cannot reach the host and port of the url of remote_write: look at its DNS and its way out.',
      };
    default:
      return { what, remedy: 'Check proxy_url: it has to lead to an HTTP proxy that allows CONNECT.' };
  }
}

/**
 * Removes Node's advice on flags of Node, which nobody can give to a pod, from a message; tls_config.ca_file serves
 * instead.
 */
export function withoutNodeFlags(message: string): string {
  return message.replaceAll(/;? if the root CA is installed locally, try running Node\.js with --\S+/g, '');
}

/** Explains answers whose status alone would mislead. */
const SPECIAL: Readonly<Record<string, (status: string) => Explanation>> = {
  foreign: (status) => ({
    what: `does not answer; something else sends text of its own or a web page (${status})`,
    remedy:
      'Something else than AMP answers, such as a load balancer, a firewall or a TLS inspector. Check scheme, host and port in the url of remote_write, and proxy_url.',
  }),
  proxy: refusedByProxy,
  throttled: (status) => ({
    what: `throttles requests (${status})`,
    remedy: "The workspace's quota of requests a second is used up: raise batch_send_deadline, or ask AWS for more.",
  }),
  unauthorized: (status) => ({
    what: `does not accept the signature (${status})`,
    remedy:
      'Keys, session token, clock or a proxy that changes headers: the log has what AWS said, and the doctor tells which it is.',
  }),
  quota: () => SERIES_QUOTA,
};

/** Returns a few words for a table. */
export function shortWords(code: string): string {
  if (code === '200' || code === '204') return 'taken';
  if (code === '202') return 'taken from another replica';
  return explain(code).what;
}

/**
 * Summarises an attempt in the proxy's own words. Everybody may read it, since it quotes nothing that the upstream
 * said, which may hold the series of one sender.
 */
export function failureSummary(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'delivered':
    case 'rejected':
      return 'the upstream answers';
    case 'too_large':
      return `the upstream ${explain('413').what}`;
    case 'unauthorized':
      return `the upstream ${explain(verdict.code).what}`;
    case 'retry':
      // If the proxy could not ask at all (DNS, a refused connection, TLS, credentials), the message is in its own
      // words.
      if (!verdict.mayLieInData && !/\d/.test(verdict.code)) return verdict.message;
      return `the upstream ${explain(verdict.code).what}`;
  }
}
