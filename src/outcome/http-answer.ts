/** Maps the outcome of a request to the HTTP answer that its sender gets. */
import type { Outcome } from './outcome.ts';

export interface HttpAnswer {
  readonly status: number;
  /** Empty for 204. */
  readonly body: string;
  /** In seconds; only with 503. */
  readonly retryAfter: number | undefined;
}

const NO_CONTENT: HttpAnswer = { status: 204, body: '', retryAfter: undefined };
/** The least value: a refusal costs little, and the cause may pass in a moment. */
const RETRY_AFTER_SECONDS = 1;

/** Returns the answer to the sender of a parcel. */
export function httpAnswer(outcome: Outcome): HttpAnswer {
  switch (outcome.kind) {
    case 'delivered':
      return NO_CONTENT;
    case 'rejected':
      return { status: toldStatus(outcome.status), body: outcome.message, retryAfter: undefined };
    case 'refused':
      return {
        status: 503,
        body: outcome.message,
        retryAfter: Math.max(RETRY_AFTER_SECONDS, Math.ceil((outcome.retryAfterMs ?? 0) / 1000)),
      };
  }
}

/** A quota on data is answered with 400, since senders that resend on 429 would do so for hours. */
function toldStatus(status: number): number {
  return status === 429 ? 400 : status;
}
