/** Why an attempt got no answer, and the text of one that it got, fit for logs and senders. */
import { errors } from 'undici';
import { AnswerFault } from './answer-reader.ts';
import type { FailureReason, UpstreamAnswer } from '../../outcome/outcome.ts';

export function failed(reason: FailureReason, cause: string): UpstreamAnswer {
  return { kind: 'failed', reason, message: `${reason}: ${cause}` };
}

/** Of what a socket, TLS or undici throws. */
export function failedBy(error: unknown): UpstreamAnswer {
  return failed(reasonOf(error), describe(error));
}

/** What the attempt took longer than. */
export function timedOut(timeoutMs: number): UpstreamAnswer {
  return failed('timeout', `no answer within remote_timeout (${timeoutMs} ms)`);
}

/** The beginning of an answer's body. Control characters are replaced, since this goes to logs and to senders. */
export function presentableText(body: Buffer): string {
  return body
    .toString('utf8')
    .replace(/[^\P{Cc}\n\t]/gu, ' ')
    .trim();
}

/** The name comes first in the header, before the address of its definition. */
const MAX_ERROR_TYPE_CHARACTERS = 128;

/** The `x-amzn-ErrorType` header, bounded. Only visible ASCII and blanks are left of it, since it goes to logs. */
export function presentableErrorType(header: string | undefined): string | undefined {
  return header
    ?.slice(0, MAX_ERROR_TYPE_CHARACTERS)
    .replaceAll(/[^ -~]/g, ' ')
    .trim();
}

/** What OpenSSL says: thread, code, library and function, then the reason, then where in its source. */
const OPENSSL = /[\dA-F]{8,}:error:[\dA-F]+:[^:]*:[^:]*:([^:]*):\S*\s*/g;

function describe(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(describe).join('; ');
  return error instanceof Error ? error.message.replaceAll(OPENSSL, '$1') : String(error);
}

function reasonOf(error: unknown): FailureReason {
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) return 'timeout';
  if (error instanceof errors.ConnectTimeoutError) return 'timeout';
  if (error instanceof errors.HTTPParserError || error instanceof AnswerFault) return 'garbage';
  const code = errorCode(error);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'dns';
  if (code === 'ECONNREFUSED' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH' || code === 'ETIMEDOUT') {
    return 'connect';
  }
  if (code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL') || TLS_CODES.has(code)) return 'tls';
  return 'reset';
}

/** Of OpenSSL's verification, as Node names them. https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const TLS_CODES: ReadonlySet<string> = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_REVOKED',
  'CERT_UNTRUSTED',
  'INVALID_CA',
  'EPROTO',
]);

function errorCode(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorCode(error.errors[0]);
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return '';
}
