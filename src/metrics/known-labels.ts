/**
 * Label values that exist from the start, with 0. A rate does not see a series begin: without this the first rejection,
 * the first 403 and the first refusal after a start would be in no graph and set off no alert.
 */
import { REQUEST_ERROR_STATUS } from '../outcome/errors.ts';
import { REJECTION_REASONS } from '../outcome/rejection-reason.ts';
import type { RejectedSamples } from './snapshot-fields.ts';

/** By AMP's status and reason. */
export const REJECTIONS: readonly RejectedSamples[] = [
  ...REJECTION_REASONS.map((reason) => ({ status: reason === 'too_large' ? 413 : 400, reason, samples: 0 })),
  { status: 429, reason: 'series_limit', samples: 0 },
];

/** The codes that alerts and dashboard use; others appear when they occur. */
export const RESPONSES: readonly string[] =
  '200 400 401 403 404 413 429 500 502 503 foreign_400 quota_429 throttled_400 unauthorized_400 timeout connect_refused connect_timeout connect_unreachable dns tls tls_untrusted reset garbage no_credentials'.split(
    ' ',
  );

/** Why a request was answered before it was a parcel. */
export interface Denial {
  readonly status: number;
  readonly reason: string;
}

export const TURNED_AWAY: readonly Denial[] = [
  ...Object.entries(REQUEST_ERROR_STATUS).map(([reason, status]) => ({ status, reason: reason.toLowerCase() })),
  { status: 401, reason: 'unauthorized' },
  { status: 503, reason: 'too_many_logins' },
];

export const REFUSED_CONNECTIONS: readonly string[] = ['too_many', 'too_many_of_address'];

/** The route of requests that lead to no destination. */
export const UNKNOWN_ROUTE = 'unknown';

export const UNROUTED: readonly Denial[] = [
  { status: 404, reason: 'unknown_route' },
  { status: 503, reason: 'unknown_entry' },
];

/**
 * Reason of samples that were refused: their worker died, and their senders' connections with it. No outcome of a
 * parcel; the primary counts it (destination-snapshot.ts).
 */
export const WORKER_DIED = 'worker_died';
