/**
 * The vocabulary of results: what an attempt upstream brought, what is decided about its batch, and what becomes of a
 * request. classify.ts decides about a batch, http-answer.ts what a sender is told.
 */
import type { RejectionReason } from './rejection-reason.ts';

/** What happened to one attempt upstream. Every field is what was seen on the wire; nothing is interpreted yet. */
export type UpstreamAnswer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      /** First KiB of the body, as text. */
      readonly message: string;
      readonly retryAfter: string | undefined;
      /** The upstream's `Date` header. */
      readonly date: string | undefined;
      /** The `x-amzn-ErrorType` header, which names an error of AWS itself. */
      readonly errorType?: string | undefined;
    }
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly message: string };

/**
 * Why no answer came, as a metric label. explain.ts has the words and the remedy for each.
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
 * What the upstream asked to have less of: `samples` in a second (its ingestion rate), `requests` in a second, or it did
 * not say in words that are known.
 */
export type Throttle = 'samples' | 'requests' | 'unknown';

/** What to do with a batch after an attempt. */
export type Verdict =
  | { readonly kind: 'delivered'; readonly deduplicated: boolean }
  | {
      readonly kind: 'rejected';
      /** The upstream's status; what the sender is told is for http-answer.ts. */
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
      /** Undefined when it did not ask for less. */
      readonly throttle: Throttle | undefined;
      /** It did not do its work at all: no answer, or one of a server that fails or is not the right one. */
      readonly down: boolean;
      /**
       * It may be what was sent that makes the upstream fail: 5xx, a timeout, a reset, 429 in unknown words. False for
       * what no data can cause: credentials, DNS, a connection that is refused, TLS, a wrong URL.
       */
      readonly mayLieInData: boolean;
      readonly retryAfterMs: number | undefined;
      readonly message: string;
    };

/** Why a parcel was refused though nothing is wrong with it, as a metric label. Its sender is to send it again. */
export const REFUSAL_REASONS = [
  'delivery_timeout',
  'queue_full',
  'upstream_down',
  'draining',
  'sender_gone',
  'internal',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** The end of a parcel. Everything but `delivered` and `rejected` is for the sender to send again. */
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
      /** When it is worth another try, where that is known. */
      readonly retryAfterMs?: number;
    };

export const DELIVERED: Outcome = { kind: 'delivered', deduplicated: false };
export const DEDUPLICATED: Outcome = { kind: 'delivered', deduplicated: true };
