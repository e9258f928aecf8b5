/** Maps the outcome of a request to the HTTP answer that its sender gets. */
import type { Outcome } from './outcome.ts';

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
      return { status: toldStatus(outcome.status), body: outcome.message, retryAfter: undefined };
    case 'refused':
      return {
        status: 503,
        body: outcome.message,
        retryAfter: Math.max(RETRY_AFTER_SECONDS, Math.ceil((outcome.retryAfterMs ?? 0) / 1000)),
      };
  }
}

/** A quota on data is told as 400: senders that are set to send again on 429 would do so for hours. */
function toldStatus(status: number): number {
  return status === 429 ? 400 : status;
}
