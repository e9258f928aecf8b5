/** Maps the outcome of a request to the HTTP answer that its sender gets. Every answer of the write port is made here. */
import type { Denied, Outcome } from './outcome.ts';

export interface HttpAnswer {
  readonly status: number;
  /** Empty for 204. */
  readonly body: string;
  /** In seconds; only with 503. */
  readonly retryAfter: number | undefined;
  /** Header fields beside Retry-After. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const NO_CONTENT: HttpAnswer = { status: 204, body: '', retryAfter: undefined };
/** The least value: a refusal costs little, and the cause may pass in a moment. */
const RETRY_AFTER_SECONDS = 1;

/** Returns the answer to the sender of a request. */
export function httpAnswer(outcome: Outcome | Denied): HttpAnswer {
  switch (outcome.kind) {
    case 'delivered':
      return NO_CONTENT;
    case 'rejected':
      return { status: toldStatus(outcome.status), body: outcome.message, retryAfter: undefined };
    case 'refused':
      return { status: 503, body: outcome.message, retryAfter: secondsOf(outcome.retryAfterMs) };
    case 'denied': {
      const { status, message: body, retryAfterMs, headers } = outcome;
      return { status, body, retryAfter: status === 503 ? secondsOf(retryAfterMs) : undefined, headers };
    }
  }
}

/** Returns the header fields of an answer beside those that describe its body; undefined when there are none. */
export function headersOf({ retryAfter, headers }: HttpAnswer): Record<string, string | number> | undefined {
  if (retryAfter === undefined && headers === undefined) return undefined;
  return { ...headers, ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }) };
}

function secondsOf(retryAfterMs = 0): number {
  return Math.max(RETRY_AFTER_SECONDS, Math.ceil(retryAfterMs / 1000));
}

/** A quota on data is answered with 400, since senders that resend on 429 would do so for hours. */
function toldStatus(status: number): number {
  return status === 429 ? 400 : status;
}
