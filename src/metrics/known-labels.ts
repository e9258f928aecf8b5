/**
 * Label values that are there from the start, with 0. A rate does not see a series begin: without this the first
 * rejection, the first 403 and the first refusal after a start would be in no graph and set off no alert.
 */
import { REQUEST_ERROR_STATUS } from '../outcome/errors.ts';
import { REJECTION_REASONS } from '../outcome/rejection-reason.ts';

export function withZeros(counts: ReadonlyMap<string, number>, known: readonly string[]): Map<string, number> {
  return new Map([...known.map((key) => [key, 0] as const), ...counts]);
}

/** AMP's status and reason. */
export const REJECTIONS: readonly string[] = [
  ...REJECTION_REASONS.map((reason) => `${reason === 'too_large' ? 413 : 400} ${reason}`),
  '429 series_limit',
];

/** Those that alerts and dashboard look at; another appears when it comes. */
export const RESPONSES: readonly string[] =
  '200 400 401 403 404 413 429 500 502 503 foreign_400 quota_429 throttled_400 unauthorized_400 timeout connect_refused connect_timeout connect_unreachable dns tls tls_untrusted reset garbage no_credentials'.split(
    ' ',
  );

/** Status and reason. */
export const TURNED_AWAY: readonly string[] = [
  ...Object.entries(REQUEST_ERROR_STATUS).map(([reason, status]) => `${status} ${reason.toLowerCase()}`),
  '401 unauthorized',
  '503 too_many_logins',
];

export const REFUSED_CONNECTIONS: readonly string[] = ['too_many', 'too_many_of_address'];

/** Route, status and reason of requests that lead to no destination. */
export const UNROUTED: readonly string[] = ['unknown 404 unknown_route', 'unknown 503 unknown_entry'];

/**
 * Reason of samples that were refused: their worker died, and their senders' connections with it. No outcome of a
 * parcel; the primary counts it (workers/totals.ts).
 */
export const WORKER_DIED = 'worker_died';
