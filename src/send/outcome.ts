/**
 * Outcome: what becomes of a parcel, and the one place that decides it.
 *
 * `classify` maps one answer of the upstream to a verdict on the batch (deliver, reject, cut, sign anew, try again);
 * `httpAnswer` maps the outcome of a parcel to what its sender is told. The rule behind both is what Prometheus does
 * with a status: it drops on every 4xx (429 by default too) and keeps and resends on 5xx. So 4xx goes out only for
 * what must not be sent again.
 */
import { STATUS_CODES } from 'node:http';

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
    }
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly message: string };

/** Why no answer came, as a metric label: `timeout`, `connect`, `dns`, `tls`, `reset`, `garbage`, `credentials`. */
export type FailureReason = 'timeout' | 'connect' | 'dns' | 'tls' | 'reset' | 'garbage' | 'credentials';

/** What to do with a batch after an attempt. */
export type Verdict =
  | { readonly kind: 'delivered'; readonly deduplicated: boolean }
  | { readonly kind: 'rejected'; readonly status: number; readonly message: string }
  | { readonly kind: 'too_large'; readonly message: string }
  | { readonly kind: 'unauthorized'; readonly code: string; readonly message: string }
  | {
      readonly kind: 'retry';
      /** The status, or what failed. */
      readonly code: string;
      /** It asks for less: 408, 429, 503. */
      readonly throttled: boolean;
      /** It did not do its work at all: no answer, or one of a server that fails or is not the right one. */
      readonly down: boolean;
      readonly retryAfterMs: number | undefined;
      readonly message: string;
    };

/** Why a parcel was refused though nothing is wrong with it, as a metric label. Its sender is to send it again. */
export const REFUSAL_REASONS = [
  'delivery_timeout',
  'queue_full',
  'upstream_down',
  'throttled',
  'draining',
  'sender_gone',
  'internal',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** The end of a parcel. Everything but `delivered` and `rejected` is for the sender to send again. */
export type Outcome =
  | { readonly kind: 'delivered'; readonly deduplicated: boolean }
  | { readonly kind: 'rejected'; readonly status: number; readonly message: string }
  | {
      readonly kind: 'refused';
      readonly reason: RefusalReason;
      readonly message: string;
      /** When it is worth another try, where that is known. */
      readonly retryAfterMs?: number;
    };

export const DELIVERED: Outcome = { kind: 'delivered', deduplicated: false };
export const DEDUPLICATED: Outcome = { kind: 'delivered', deduplicated: true };

/** One row a kind of answer: 2xx; 401 and 403; 413; 408, 429 and 503; 404 and its like, 3xx and 5xx; any other 4xx. */
export function classify(answer: UpstreamAnswer, nowMs: number): Verdict {
  if (answer.kind === 'failed') {
    return {
      kind: 'retry',
      code: answer.reason,
      throttled: false,
      down: true,
      retryAfterMs: undefined,
      message: `the upstream did not answer: ${answer.message}`,
    };
  }
  const { status } = answer;
  if (status >= 200 && status < 300) return { kind: 'delivered', deduplicated: status === 202 };
  const code = String(status);
  const message = `the upstream answered ${status} ${STATUS_CODES[status] ?? ''}${remedy(status)}: ${answer.message}`;
  if (status === 401 || status === 403) {
    const explained = `the upstream answered ${status}${remedy(status)}: ${withoutSecrets(answer.message)}`;
    return { kind: 'unauthorized', code, message: explained };
  }
  if (status === 413) return { kind: 'too_large', message };
  const retryAfterMs = parseRetryAfter(answer.retryAfter, nowMs);
  if (status === 408 || status === 429 || status === 503) {
    return { kind: 'retry', code, throttled: true, down: status === 503, retryAfterMs, message };
  }
  // The configuration or the network on the way is at fault, not what the sender sent.
  if (status < 400 || status >= 500 || OURS.has(status)) {
    return { kind: 'retry', code, throttled: false, down: true, retryAfterMs, message };
  }
  return { kind: 'rejected', status, message: answer.message };
}

/** Said to whoever asks with a wrong URL, method, header or proxy, or does not pay; whatever a sender sends, it is so. */
const OURS: ReadonlySet<number> = new Set([402, 404, 405, 406, 407, 410, 411, 414, 415, 421, 426, 431]);

/** What to do about it, where somebody can do something. */
function remedy(status: number): string {
  if (status === 401 || status === 403) {
    return ' (is aps:RemoteWrite on this workspace allowed for the role, and is the region right?)';
  }
  if (status === 407) return ' (proxy_url wants other credentials)';
  if (OURS.has(status)) return ' (check the region and the workspace id in the url of remote_write)';
  if (status >= 300 && status < 400) return ' (redirects are not followed; check the url of remote_write)';
  if (status === 429) return " (above the workspace's ingestion quota; ask AWS for more, or send less)";
  return '';
}

/**
 * AWS explains a wrong signature by quoting the whole canonical request, session token included. Only what stands
 * before the quotation is kept, and of that nothing that looks like a token or a signature.
 */
function withoutSecrets(message: string): string {
  const said = /^\s*\{\s*"message"\s*:\s*"(.*)/is.exec(message)?.[1] ?? message;
  const [first = ''] = said.split(/\\n|[\r\n"]|The Canonical String/);
  return first.slice(0, 300).replaceAll(/[A-Za-z0-9+/=%]{40,}/g, '...');
}

/** `Retry-After` in seconds or as an HTTP date (RFC 9110, section 10.2.3), as milliseconds from now; undefined if neither. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value) * 1000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

export interface HttpAnswer {
  readonly status: number;
  /** Empty for 204. */
  readonly body: string;
  /** Seconds; only with 503. */
  readonly retryAfter: number | undefined;
}

const NO_CONTENT: HttpAnswer = { status: 204, body: '', retryAfter: undefined };
/** The least there is: what is refused here is refused cheaply, and may pass in a moment. */
const RETRY_AFTER_SECONDS = 1;

/** What the sender of a parcel is told. */
export function httpAnswer(outcome: Outcome): HttpAnswer {
  switch (outcome.kind) {
    case 'delivered':
      return NO_CONTENT;
    case 'rejected':
      return { status: outcome.status, body: outcome.message, retryAfter: undefined };
    case 'refused':
      return {
        status: 503,
        body: outcome.message,
        retryAfter: Math.max(RETRY_AFTER_SECONDS, Math.ceil((outcome.retryAfterMs ?? 0) / 1000)),
      };
  }
}
