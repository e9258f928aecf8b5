/** Finds why an attempt got no answer, and makes the text of an answer fit for logs and senders. */
import { errors } from 'undici';
import { withoutNodeFlags } from '../../outcome/explain.ts';
import { AnswerFault, TlsInsteadOfHttp } from './answer-reader.ts';
import type { FailureReason, UpstreamAnswer } from '../../outcome/outcome.ts';

export function failed(reason: FailureReason, cause: string): UpstreamAnswer {
  return { kind: 'failed', reason, message: `${reason}: ${cause}` };
}

/** Returns the failure for an error that a socket, TLS or undici throws. */
export function failedBy(error: unknown): UpstreamAnswer {
  return failed(reasonOf(error), describe(error));
}

/** Returns the failure of an attempt that took longer than its timeout. */
export function timedOut(timeoutMs: number): UpstreamAnswer {
  return failed('timeout', `no answer within remote_timeout (${timeoutMs} ms)`);
}

/** Returns the failure of a connection that was not established in time. @param stage the stage that was not reached */
export function notConnected(stage: 'connection' | 'handshake', address: string, timeoutMs: number): UpstreamAnswer {
  return stage === 'connection'
    ? failed('connect_timeout', `no connection to ${address} within remote_timeout (${timeoutMs} ms)`)
    : failed('timeout', `${address} took the connection and did not finish the TLS handshake within ${timeoutMs} ms`);
}

/**
 * Returns the beginning of an answer's body. Control characters are replaced, since this goes to logs and to senders.
 */
export function presentableText(body: Buffer): string {
  return body
    .toString('utf8')
    .replace(/[^\P{Cc}\n\t]/gu, ' ')
    .trim();
}

/** The name comes first in the header, before the address of its definition. */
const MAX_ERROR_TYPE_CHARACTERS = 128;

/** Returns the `x-amzn-ErrorType` header, bounded. Only visible ASCII and blanks are kept, since it goes to logs. */
export function presentableErrorType(header: string | undefined): string | undefined {
  return header
    ?.slice(0, MAX_ERROR_TYPE_CHARACTERS)
    .replaceAll(/[^ -~]/g, ' ')
    .trim();
}

/**
 * The form of OpenSSL's messages: thread, code, library and function, then the reason, then the place in its source.
 */
const OPENSSL = /[\dA-F]{8,}:error:[\dA-F]+:[^:]*:[^:]*:([^:]*):\S*\s*/g;

function describe(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(describe).join('; ');
  if (!(error instanceof Error)) return String(error);
  const status = proxyStatus(error);
  if (status !== undefined) return `the HTTP proxy answered CONNECT with ${status}, and opened no tunnel`;
  const message = withoutNodeFlags(error.message.replaceAll(OPENSSL, '$1'));
  return UNTRUSTED.has(errorCode(error)) ? `${message} (${errorCode(error)})` : message;
}

function reasonOf(error: unknown): FailureReason {
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) return 'timeout';
  if (error instanceof errors.ConnectTimeoutError) return 'connect_timeout';
  if (error instanceof TlsInsteadOfHttp) return 'plain_on_tls_port';
  if (error instanceof errors.HTTPParserError || error instanceof AnswerFault) return 'garbage';
  const status = proxyStatus(error);
  if (status !== undefined) return `proxy_${status}`;
  const code = errorCode(error);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'dns';
  if (code === 'ECONNREFUSED') return 'connect_refused';
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return 'connect_unreachable';
  if (code === 'ETIMEDOUT') return 'connect_timeout';
  if (NOT_TLS.has(code)) return 'tls_on_plain_port';
  if (UNTRUSTED.has(code)) return 'tls_untrusted';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'tls_wrong_name';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') return 'tls_expired';
  if (code === 'EPROTO' && /wrong version number|packet length too long/.test(String(error)))
    return 'tls_on_plain_port';
  if (code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL') || TLS_CODES.has(code)) return 'tls';
  return 'reset';
}

/** undici throws no error of its own for it; the message is all there is. */
function proxyStatus(error: unknown): number | undefined {
  if (!(error instanceof errors.RequestAbortedError)) return undefined;
  const status = /^Proxy response \((\d{3})\) !== 200 when HTTP Tunneling$/.exec(error.message)?.[1];
  return status === undefined ? undefined : Number(status);
}

/** OpenSSL's words for bytes that are no record of TLS: the other side speaks plain HTTP, for example. */
const NOT_TLS: ReadonlySet<string> = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG']);

/**
 * The codes of OpenSSL's verification, as Node names them. https://nodejs.org/api/tls.html#x509-certificate-error-codes
 */
const UNTRUSTED: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);

const TLS_CODES: ReadonlySet<string> = new Set(['CERT_REVOKED', 'EPROTO']);

function errorCode(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorCode(error.errors[0]);
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return '';
}
