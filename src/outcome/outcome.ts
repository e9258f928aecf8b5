/**
 * The vocabulary of results: the answer to an attempt upstream, the verdict on its batch, and the outcome of a request.
 * classify.ts decides about a batch, http-answer.ts about the answer to a sender.
 */
import type { RejectionReason } from './rejection-reason.ts';

/** The result of one attempt upstream. Every field is what was seen on the wire; nothing is interpreted yet. */
export type UpstreamAnswer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** The first KiB of the body, as text. */
      readonly message: string;
      readonly retryAfter: string | undefined;
      /** The upstream's `Date` header. */
      readonly date: string | undefined;
      /** The `x-amzn-ErrorType` header, which names an error of AWS itself. */
      readonly errorType?: string | undefined;
    }
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly message: string };

/**
 * The reason why no answer came, as a metric label. explain.ts has the words and the remedy for each.
 *
 * - `connect_refused`: nobody listens on that port. `connect_timeout`: no connection came about, as behind a firewall
 *   that drops packets. `connect_unreachable`: the network has no route to the address.
 * - `tls_untrusted`: no known authority vouches for the certificate. `tls_on_plain_port`: the port does not speak TLS.
 *   `tls_wrong_name` and
 *   `tls_expired`: the certificate is for another host or another time. `plain_on_tls_port`: the port speaks nothing but
 *   TLS. `tls`: every other failure of TLS.
 * - `proxy_407` and its like: the HTTP proxy answered CONNECT with that status and opened no tunnel.
 */
export type FailureReason =
  | 'timeout'
  | 'connect_refused'
  | 'connect_timeout'
  | 'connect_unreachable'
  | 'dns'
  | 'tls'
  | 'tls_untrusted'
  | 'tls_wrong_name'
  | 'tls_expired'
  | 'tls_on_plain_port'
  | 'plain_on_tls_port'
  | `proxy_${number}`
  | 'reset'
  | 'garbage'
  | 'credentials';

/**
 * The resource that the upstream asked to use less of: `samples` per second (its ingestion rate), `requests` per
 * second, or `unknown` if its words are not known.
 */
export type Throttle = 'samples' | 'requests' | 'unknown';

/** The decision about a batch after an attempt. */
export type Verdict =
  | { readonly kind: 'delivered'; readonly deduplicated: boolean }
  | {
      readonly kind: 'rejected';
      /** The upstream's status; http-answer.ts decides the sender's. */
      readonly status: number;
      readonly reason: RejectionReason;
      readonly message: string;
    }
  | { readonly kind: 'too_large'; readonly message: string }
  | { readonly kind: 'unauthorized'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'retry';
      /** The status, or what failed. */
      readonly code: string;
      /** Undefined when the upstream did not ask for less. */
      readonly throttle: Throttle | undefined;
      /**
       * True if the upstream did not do its work at all: no answer, or the answer of a server that fails or is the
       * wrong one.
       */
      readonly down: boolean;
      /**
       * True if the data may be what makes the upstream fail: 5xx, a timeout, a reset, 429 in unknown words. False for
       * failures that no data can cause: credentials, DNS, a refused connection, TLS, a wrong URL.
       */
      readonly mayLieInData: boolean;
      readonly retryAfterMs: number | undefined;
      readonly message: string;
    };

/** The reason why a parcel was refused although nothing is wrong with it, as a metric label. Its sender resends it. */
export const REFUSAL_REASONS = [
  'delivery_timeout',
  'queue_full',
  'upstream_down',
  'draining',
  'sender_gone',
  'internal',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** The end of a parcel. For every outcome but `delivered` and `rejected`, the sender resends it. */
export type Outcome =
  | { readonly kind: 'delivered'; readonly deduplicated: boolean }
  | {
      readonly kind: 'rejected';
      /** The upstream's status. */
      readonly status: number;
      readonly reason: RejectionReason;
      readonly message: string;
    }
  | {
      readonly kind: 'refused';
      readonly reason: RefusalReason;
      readonly message: string;
      /** The time after which another try is worthwhile, if it is known. */
      readonly retryAfterMs?: number;
    };

export type Refused = Extract<Outcome, { readonly kind: 'refused' }>;

/** A request that is answered before it is a parcel: nothing of it was accepted. */
export interface Denied {
  readonly kind: 'denied';
  readonly status: number;
  /** What its sender reads. */
  readonly message: string;
  /** The time after which another try is worthwhile; only with 503. */
  readonly retryAfterMs?: number;
  /** What the status needs besides: `www-authenticate` of 401, `allow` of 405. */
  readonly headers?: Readonly<Record<string, string>>;
}

export const DELIVERED: Outcome = { kind: 'delivered', deduplicated: false };
export const DEDUPLICATED: Outcome = { kind: 'delivered', deduplicated: true };
export const DRAINING: Refused = { kind: 'refused', reason: 'draining', message: 'the proxy is shutting down' };
export const SENDER_GONE: Refused = {
  kind: 'refused',
  reason: 'sender_gone',
  message: 'the sender closed its connection',
};
export const INTERNAL: Refused = {
  kind: 'refused',
  reason: 'internal',
  message: 'internal error of the proxy; see its log',
};
