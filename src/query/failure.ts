/**
 * Makes the answer to a reader when there is no answer of AMP to pass on, in Prometheus's own form, so that Grafana and
 * promtool print it: `{"status":"error","errorType":...,"error":...}`.
 * https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview
 */
import type { ServerResponse } from 'node:http';
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { awsErrorOf } from '../outcome/aws-error.ts';
import { explain } from '../outcome/explain.ts';
import { redact } from '../outcome/redact.ts';
import { isMarkup, readUpstreamText, titleOf } from '../outcome/upstream-text.ts';
import { failedBy, presentableText } from '../send/upstream/failure.ts';

/** Those of Prometheus that are used here, and `unauthorized`, for which it has none. */
export type ErrorType =
  | 'bad_data'
  | 'execution'
  | 'internal'
  | 'not_found'
  | 'timeout'
  | 'unauthorized'
  | 'unavailable';

export interface QueryFailure {
  readonly status: number;
  readonly errorType: ErrorType;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string | number>>;
}

export function answerFailure(response: ServerResponse, { status, errorType, message, headers }: QueryFailure): void {
  const body = JSON.stringify({ status: 'error', errorType, error: message });
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** The query, and the upstream that it went to. */
export interface Asked {
  /** The IAM action that it takes. */
  readonly action: string;
  /** The workspace, or else the entry. */
  readonly workspace: string;
}

/** An answer that is not 2xx, or a page. */
export interface UpstreamError {
  readonly status: number;
  readonly contentEncoding: string | undefined;
  readonly errorType: string | undefined;
  readonly retryAfter: string | undefined;
  /** Its beginning. */
  readonly body: Buffer;
}

/** `authentication`: sign again with fresh credentials; `busy`: worth another try in a moment. */
export interface ExplainedError {
  /** Undefined where the answer is AMP's own and is passed on as it is. */
  readonly failure: QueryFailure | undefined;
  readonly retry: 'authentication' | 'busy' | undefined;
}

/** Longer than any error of AMP. */
const MAX_TEXT_BYTES = 64 * 1024;

export function explainError(error: UpstreamError, { action, workspace }: Asked): ExplainedError {
  const { status, retryAfter } = error;
  const text = presentableText(plain(error));
  const { errorType, said } = readUpstreamText(text, error.errorType);
  const isPage = isMarkup(text);
  const shown = redact(isPage ? titleOf(text) : said);
  const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
  const failure = (told: number, type: ErrorType, what: string): QueryFailure => ({
    status: told,
    errorType: type,
    message: shown === '' ? what : `${what}: ${shown}`,
    headers,
  });
  const awsError = awsErrorOf({ errorType, said });
  if (isPage || (status >= 300 && status < 400)) {
    const what = isPage
      ? `something else than AMP answers with a page (${status}); check url, query_url and proxy_url of remote_write`
      : `AMP answers ${status}, and redirects are not followed; check url and query_url of remote_write`;
    return { failure: failure(502, 'unavailable', what), retry: undefined };
  }
  if (awsError === 'authentication' || status === 401 || status === 403) {
    const what =
      `AMP refuses the proxy's signature or role (${status}); allow ${action} on workspace ${workspace} for the role ` +
      '(bootstrap --query does), and check region, keys and clock';
    // A 401 would ask the reader for a password of its own.
    return { failure: failure(status === 403 ? 403 : 502, 'unavailable', what), retry: 'authentication' };
  }
  // Prometheus's own form, and the plain text of a server that is no AWS front: it is passed on as it is.
  const isPrometheus = /^\s*\{\s*"status"\s*:\s*"error"/.test(text);
  const isAws = error.errorType !== undefined || (!isPrometheus && /^\s*\{\s*"(?:__type|message)"/i.test(text));
  if (awsError === 'throttling' || (status === 429 && !isPrometheus)) {
    const what = `AMP throttles queries of workspace ${workspace} (${status}); ask for less, or AWS for more`;
    return { failure: failure(429, 'unavailable', what), retry: undefined };
  }
  if (status === 407) {
    return { failure: failure(502, 'unavailable', 'proxy_url wants other credentials (407)'), retry: undefined };
  }
  if (status === 404 && isAws) {
    const what = `AMP does not know workspace ${workspace} in this region; check url and query_url of remote_write`;
    return { failure: failure(404, 'not_found', what), retry: undefined };
  }
  // A query that took too long would take as long again.
  const isTimeout = isPrometheus && /"errorType"\s*:\s*"timeout"/.test(text);
  const retry = status === 503 && !isTimeout ? 'busy' : undefined;
  if (isPrometheus || !(isAws || (status >= 500 && text === ''))) return { failure: undefined, retry };
  return { failure: failure(status, status >= 500 ? 'unavailable' : 'bad_data', `AMP answers ${status}`), retry };
}

/**
 * Returns the message of a socket, DNS, TLS or undici, and whether the connection broke without a byte of an answer.
 */
export function explainBreak(error: unknown): { readonly failure: QueryFailure; readonly isReset: boolean } {
  const answer = failedBy(error);
  if (answer.kind !== 'failed') throw new Error('failedBy explains failures only');
  const failure: QueryFailure = {
    status: 502,
    errorType: 'unavailable',
    message: `AMP does not answer (${redact(answer.message)}). ${explain(answer.reason).remedy}`,
  };
  return { failure, isReset: answer.reason === 'reset' };
}

function plain({ body, contentEncoding }: UpstreamError): Buffer {
  const options = { maxOutputLength: MAX_TEXT_BYTES };
  try {
    switch (contentEncoding) {
      case 'gzip':
        return gunzipSync(body, options);
      case 'deflate':
        return inflateSync(body, options);
      case 'br':
        return brotliDecompressSync(body, options);
      case 'zstd':
        return zstdDecompressSync(body, options);
      case undefined:
      default:
        return body;
    }
  } catch {
    // Nothing can be read of it, and it is passed on as it is.
    return Buffer.alloc(0);
  }
}
