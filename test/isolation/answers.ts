/** The ways in which the upstream fails one sender's data, and what that sender is to be told. */

/** The upstream's treatment of a request that holds a culprit's series. */
export interface PoisonAnswer {
  readonly name: string;
  readonly action:
    | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
    | { readonly kind: 'hang' }
    | { readonly kind: 'reset' }
    /** A 200 whose body comes a byte a second, for longer than `remote_timeout`. */
    | { readonly kind: 'drip' };
  readonly body: string;
  /**
   * The part of the request that is stored: all of it, the good senders' series only (a partial answer of Cortex), or
   * nothing.
   */
  readonly stores: 'all' | 'good' | 'nothing';
  /** The status that the culprit is told. With 400 it is also told these words of the upstream's. */
  readonly told: { readonly status: 503 } | { readonly status: 400; readonly words: string };
  /** The time for which good senders may be affected, from the culprit's first request on, in ms. */
  readonly incidentMs: number;
}

/** A failure that is answered at once is understood within a few attempts. */
const INCIDENT_MS = 3_000;
/** One `remote_timeout` (10 s by default) passes before anything is known. */
const TIMEOUT_INCIDENT_MS = 15_000;

/** https://docs.aws.amazon.com/prometheus/latest/userguide/AMP_quotas.html, with Cortex's prefix and suffix (pkg/ingester/limiter.go). */
const SERIES_LIMIT = 'per-user series limit of 2000000 exceeded, please contact administrator to raise it';
const OUT_OF_ORDER = 'err: out of order sample. timestamp=2026-01-01T00:00:00Z, series={__name__="poison"}';
const HTML =
  '<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body><h1>403 Forbidden</h1></body>\r\n</html>\r\n';

function answer(
  name: string,
  status: number,
  body: string,
  more: Partial<PoisonAnswer> & { readonly headers?: Readonly<Record<string, string>> } = {},
): PoisonAnswer {
  const { headers = {}, ...rest } = more;
  const action = { kind: 'status', status, headers } as const;
  return { name, action, body, stores: 'nothing', told: { status: 503 }, incidentMs: INCIDENT_MS, ...rest };
}

export const POISON_ANSWERS: readonly PoisonAnswer[] = [
  answer('429-rate', 429, 'ingestion rate limit (70000) exceeded while adding 3 samples and 0 metadata'),
  answer(
    '429-series',
    429,
    `user=123_ws-1: ${SERIES_LIMIT} (local limit: 0 global limit: 2000000 actual local limit: 100)`,
    {
      stores: 'good',
      told: { status: 400, words: SERIES_LIMIT },
    },
  ),
  answer('429-unknown', 429, 'slow down'),
  answer('500', 500, 'expanded postings: index out of range'),
  answer('503', 503, 'at least 2 live replicas required, could only find 1'),
  answer('503-retry-after-60', 503, 'unavailable', { headers: { 'retry-after': '60' } }),
  { ...answer('hang', 0, ''), action: { kind: 'hang' }, incidentMs: TIMEOUT_INCIDENT_MS },
  { ...answer('reset', 0, ''), action: { kind: 'reset' } },
  { ...answer('drip', 0, ''), action: { kind: 'drip' }, stores: 'all', incidentMs: TIMEOUT_INCIDENT_MS },
  answer('400', 400, `user=123_ws-1: ${OUT_OF_ORDER}`, {
    stores: 'good',
    told: { status: 400, words: 'out of order sample' },
  }),
  answer('403-html', 403, HTML, { headers: { 'content-type': 'text/html', server: 'awselb/2.0' } }),
];
