/**
 * Maps one answer of the upstream to a verdict on the batch: deliver, reject, cut, sign anew, or try again.
 *
 * The rule behind it is what Prometheus does with a status: it drops on every 4xx (429 by default too) and keeps and
 * resends on 5xx. So a 4xx goes out only for what must not be sent again. Everything that is recognised as a verdict on
 * data stays one; only what is positively not AMP's is held back.
 */
import { STATUS_CODES } from 'node:http';
import { awsErrorOf, type AwsError } from './aws-error.ts';
import type { Throttle, UpstreamAnswer, Verdict } from './outcome.ts';
import { quotaOf } from './quota.ts';
import { redact } from './redact.ts';
import { rejectionReason } from './rejection-reason.ts';
import { isMarkup, readUpstreamText, titleOf } from './upstream-text.ts';

type Answered = Extract<UpstreamAnswer, { readonly kind: 'answered' }>;

/** A sender is shown as much of what AMP said as is kept of it. */
const SHOWN_TO_SENDER = 1024;

/**
 * One row a kind of answer: 2xx; what is not AMP's; errors of AWS itself; 401 and 403; 413; 408, 429 and 503; 404 and
 * its like, 3xx and 5xx; any other 4xx.
 *
 * Every message is redacted.
 */
export function classify(answer: UpstreamAnswer, nowMs: number): Verdict {
  if (answer.kind === 'failed') {
    return {
      kind: 'retry',
      code: answer.reason,
      throttle: undefined,
      down: true,
      mayLieInData: answer.reason === 'timeout' || answer.reason === 'reset' || answer.reason === 'garbage',
      retryAfterMs: undefined,
      message: `the upstream did not answer: ${redact(answer.message)}`,
    };
  }
  const { status } = answer;
  const { said, awsError, special } = readAnswer(answer);
  if (special === undefined && status >= 200 && status < 300) {
    return { kind: 'delivered', deduplicated: status === 202 };
  }
  if (special === 'quota') return { kind: 'rejected', status, reason: 'series_limit', message: shown(said) };
  if (special === undefined && isVerdict(status)) {
    const reason = rejectionReason(status, said);
    if (reason !== 'too_large') return { kind: 'rejected', status, reason, message: shown(said) };
  }
  const code = codeOf(status, special);
  const retryAfterMs = parseRetryAfter(answer.retryAfter, nowMs);
  const message = `the upstream answered ${status} ${STATUS_CODES[status] ?? ''}${remedy(code)}: ${redact(said)}`;
  if (special === 'foreign') {
    return { kind: 'retry', code, throttle: undefined, down: true, mayLieInData: true, retryAfterMs, message };
  }
  if (awsError === 'throttling') return throttled(code, 'requests', false, retryAfterMs, message);
  if (awsError === 'authentication' || status === 401 || status === 403) {
    const explained = `the upstream answered ${status}${remedy(code)}: ${redact(said)}`;
    return { kind: 'unauthorized', code, message: explained };
  }
  if (status === 408 || status === 429 || status === 503) {
    const quota = status === 408 ? undefined : quotaOf(said);
    const throttle = quota === undefined || quota === 'data' ? 'unknown' : quota;
    return throttled(code, throttle, status === 503, retryAfterMs, message);
  }
  // Left of those that are verdicts: 413, and what says in words that a message is too large.
  if (status === 413 || isVerdict(status)) return { kind: 'too_large', message };
  // The configuration or the network on the way is at fault, not what the sender sent.
  const mayLieInData = status >= 500;
  return { kind: 'retry', code, throttle: undefined, down: true, mayLieInData, retryAfterMs, message };
}

/**
 * The `code` label of `upstream_responses_total`: the failure, the status, or the status after what it stands for where
 * its number alone would mislead: `foreign_400`, `throttled_400`, `unauthorized_400`, `quota_429`.
 */
export function responseCode(answer: UpstreamAnswer): string {
  if (answer.kind === 'failed') return answer.reason;
  return codeOf(answer.status, readAnswer(answer).special);
}

function codeOf(status: number, special: ReadAnswer['special']): string {
  return special === undefined ? String(status) : `${special}_${status}`;
}

interface ReadAnswer {
  readonly said: string;
  readonly awsError: AwsError | undefined;
  /** What the answer stands for, where its status alone would mislead. */
  readonly special: 'foreign' | 'throttled' | 'unauthorized' | 'quota' | undefined;
}

function readAnswer({ status, message, errorType }: Answered): ReadAnswer {
  if (status >= 200 && status < 300 && message === '') return EMPTY;
  const text = readUpstreamText(message, errorType);
  const { said } = text;
  if (isMarkup(message) && mustBeAmp(status))
    return { said: titleOf(message), awsError: undefined, special: 'foreign' };
  if (status === 400 && WANTS_TLS.test(said)) return { said, awsError: undefined, special: 'foreign' };
  if (status < 400 || status >= 500) return { said, awsError: undefined, special: undefined };
  const awsError = awsErrorOf(text);
  if (awsError === 'throttling') return { said, awsError, special: status === 429 ? undefined : 'throttled' };
  if (status === 429) return { said, awsError: undefined, special: quotaOf(said) === 'data' ? 'quota' : undefined };
  if (awsError === 'authentication') {
    return { said, awsError, special: status === 401 || status === 403 ? undefined : 'unauthorized' };
  }
  return { said, awsError: undefined, special: undefined };
}

const EMPTY: ReadAnswer = { said: '', awsError: undefined, special: undefined };

function throttled(
  code: string,
  throttle: Throttle,
  down: boolean,
  retryAfterMs: number | undefined,
  message: string,
): Verdict {
  return { kind: 'retry', code, throttle, down, mayLieInData: throttle === 'unknown', retryAfterMs, message };
}

/** Said to whoever asks with a wrong URL, method, header or proxy, or does not pay; whatever a sender sends, it is so. */
const OURS: ReadonlySet<number> = new Set([402, 404, 405, 406, 407, 410, 411, 414, 415, 421, 426, 431]);

/** A 4xx that says something about the data that was sent, if it is AMP's. */
function isVerdict(status: number): boolean {
  return status >= 400 && status < 500 && !NO_VERDICT.has(status) && !OURS.has(status);
}

const NO_VERDICT: ReadonlySet<number> = new Set([401, 403, 408, 413, 429]);

/**
 * A status that means something if it is AMP's: a page in its place is somebody else's. A 413 is cut whoever says it, and
 * the others are tried again anyway.
 */
function mustBeAmp(status: number): boolean {
  return (status >= 200 && status < 300) || status === 401 || status === 403 || isVerdict(status);
}

function shown(said: string): string {
  return redact(said, SHOWN_TO_SENDER);
}

/** Servers that got plain HTTP on a port of TLS: Go's net/http (crypto/tls), Envoy and HAProxy in its wording, nginx. */
const WANTS_TLS =
  /^(?:Client sent an HTTP request to an HTTPS server|The plain HTTP request was sent to HTTPS port)\b/i;

/** What to do about it, where somebody can do something. */
function remedy(code: string): string {
  if (code.startsWith('foreign_'))
    return ' (a page, not an answer of AMP; check the url of remote_write and proxy_url)';
  if (code === '401' || code === '403' || code.startsWith('unauthorized_')) {
    return ' (is aps:RemoteWrite on this workspace allowed for the role, and is the region right?)';
  }
  if (code === '407') return ' (proxy_url wants other credentials)';
  const status = Number(code);
  if (OURS.has(status)) return ' (check the region and the workspace id in the url of remote_write)';
  if (status >= 300 && status < 400) return ' (redirects are not followed; check the url of remote_write)';
  if (status === 429 || code.startsWith('throttled_')) {
    return " (above the workspace's ingestion quota; ask AWS for more, or send less)";
  }
  return '';
}

/** `Retry-After` in seconds or as an HTTP date (RFC 9110, section 10.2.3), as milliseconds from now; undefined if neither. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value) * 1000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
