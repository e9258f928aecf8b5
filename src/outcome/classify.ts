/**
 * Maps one answer of the upstream to a verdict on the batch: deliver, reject, cut, sign again, or retry.
 *
 * The rule behind it is what Prometheus does with a status: it drops on every 4xx (429 by default too) and keeps and
 * resends on 5xx. So a sender gets a 4xx only for data that must not be sent again. Every recognised verdict on data is
 * passed on; only answers that clearly are not AMP's are held back.
 */
import { STATUS_CODES } from 'node:http';
import { awsErrorOf, type AwsError } from './aws-error.ts';
import type { Throttle, UpstreamAnswer, Verdict } from './outcome.ts';
import { quotaOf } from './quota.ts';
import { redact } from './redact.ts';
import { rejectionReason } from './rejection-reason.ts';
import { isMarkup, readUpstreamText, titleOf } from './upstream-text.ts';

type Answered = Extract<UpstreamAnswer, { readonly kind: 'answered' }>;

/** The most of AMP's text that a sender is shown; no more of it is kept. */
const SHOWN_TO_SENDER = 1024;

/**
 * Handles one kind of answer after the other: 2xx; answers that are not AMP's; errors of AWS itself; 401 and 403; 413;
 * 408, 429 and 503; 404 and similar, 3xx and 5xx; any other 4xx.
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
  // The remaining verdicts are 413, and messages that say that a request is too large.
  if (status === 413 || isVerdict(status)) return { kind: 'too_large', message };
  // The configuration or the network is at fault, not the sender's data.
  const mayLieInData = status >= 500;
  return { kind: 'retry', code, throttle: undefined, down: true, mayLieInData, retryAfterMs, message };
}

/**
 * Returns the `code` label of `upstream_responses_total`: the failure, the status, or, where the number alone would
 * mislead, the status behind its meaning: `foreign_400`, `throttled_400`, `unauthorized_400`, `quota_429`.
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
  /** The meaning of the answer, if its status alone would mislead. */
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

/** Statuses that answer a wrong URL, method, header or proxy, or an unpaid bill, whatever the data. */
const OURS: ReadonlySet<number> = new Set([402, 404, 405, 406, 407, 410, 411, 414, 415, 421, 426, 431]);

/** Returns true for a 4xx that says something about the data, if it is AMP's. */
function isVerdict(status: number): boolean {
  return status >= 400 && status < 500 && !NO_VERDICT.has(status) && !OURS.has(status);
}

const NO_VERDICT: ReadonlySet<number> = new Set([401, 403, 408, 413, 429]);

/**
 * Returns true for a status that means something only if it is AMP's: a web page in its place comes from something
 * else. A 413 is cut whoever says it, and the other statuses are retried anyway.
 */
function mustBeAmp(status: number): boolean {
  return (status >= 200 && status < 300) || status === 401 || status === 403 || isVerdict(status);
}

function shown(said: string): string {
  return redact(said, SHOWN_TO_SENDER);
}

/**
 * The wording of servers that got plain HTTP on a TLS port: Go's net/http (crypto/tls), Envoy and HAProxy in its
 * wording, nginx.
 */
const WANTS_TLS =
  /^(?:Client sent an HTTP request to an HTTPS server|The plain HTTP request was sent to HTTPS port)\b/i;

/** Returns the remedy, if there is one. */
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

/**
 * Returns `Retry-After`, in seconds or as an HTTP date (RFC 9110, section 10.2.3), as milliseconds from now; undefined
 * if it is neither.
 */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value) * 1000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
