/**
 * Maps one answer of the upstream to a verdict on the batch: deliver, reject, cut, sign anew, or try again.
 *
 * The rule behind it is what Prometheus does with a status: it drops on every 4xx (429 by default too) and keeps and
 * resends on 5xx. So a 4xx goes out only for what must not be sent again.
 */
import { STATUS_CODES } from 'node:http';
import { rejectionReason } from './rejection-reason.ts';
import type { UpstreamAnswer, Verdict } from './outcome.ts';

/** One row a kind of answer: 2xx; 401 and 403; 413; 408, 429 and 503; 404 and its like, 3xx and 5xx; any other 4xx. */
export function classify(answer: UpstreamAnswer, nowMs: number): Verdict {
  if (answer.kind === 'failed') {
    return {
      kind: 'retry',
      code: answer.reason,
      throttle: undefined,
      down: true,
      mayLieInData: answer.reason === 'timeout' || answer.reason === 'reset' || answer.reason === 'garbage',
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
    return {
      kind: 'retry',
      code,
      throttle: 'unknown',
      down: status === 503,
      mayLieInData: true,
      retryAfterMs,
      message,
    };
  }
  // The configuration or the network on the way is at fault, not what the sender sent.
  if (status < 400 || status >= 500 || OURS.has(status)) {
    const mayLieInData = status >= 500;
    return { kind: 'retry', code, throttle: undefined, down: true, mayLieInData, retryAfterMs, message };
  }
  return { kind: 'rejected', status, reason: rejectionReason(status, answer.message), message: answer.message };
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
