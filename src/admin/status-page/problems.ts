/**
 * Problems: recent failures of one destination, one entry per kind, in the order of their last occurrence. Only
 * failures are recorded; a delivery costs one comparison.
 */
import type { Problem } from '../../metrics/snapshot-fields.ts';
import type { Outcome, Verdict } from '../../outcome/outcome.ts';
import { RecentEvents } from './recent-events.ts';
import type { ProblemStatus } from '../snapshot.ts';
import { explain } from '../../outcome/explain.ts';
import { redact } from '../../outcome/redact.ts';

export class Problems {
  readonly #nowMs: () => number;
  readonly #problems = new RecentEvents<Pick<Problem, 'code' | 'sender' | 'message'>>();
  /** The kind of the last failed attempt; undefined once an attempt has succeeded. */
  #failing: string | undefined;

  /** @param nowMs ms since the epoch */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** The reason why the latest attempt upstream failed; undefined if it did not. */
  get failing(): string | undefined {
    return this.#failing;
  }

  /**
   * Records an attempt upstream. @param isolatedSender the sender if all data was that of one isolated sender; the
   * attempt then says nothing about the others
   */
  attempted(verdict: Verdict, isolatedSender?: string): void {
    if (isolatedSender !== undefined) {
      if (verdict.kind === 'retry') this.#add(verdict.code, isolatedSender, verdict.message);
      return;
    }
    switch (verdict.kind) {
      case 'retry':
      case 'unauthorized':
        this.#failing = verdict.code;
        this.#add(verdict.code, '', verdict.message);
        break;
      case 'too_large':
        this.#failing = undefined;
        this.#add('413', '', verdict.message);
        break;
      // `closed` reports a rejection, since it knows whose it is.
      case 'delivered':
      case 'rejected':
        this.#failing = undefined;
        break;
    }
  }

  /** Called at the end of a parcel. */
  closed(sender: string, outcome: Outcome): void {
    if (outcome.kind === 'rejected') this.#add(rejectionCode(outcome), sender, outcome.message);
    else if (outcome.kind === 'refused' && TOLD.has(outcome.reason)) this.#add(outcome.reason, '', outcome.message);
  }

  /** Lists the problems, the latest first. */
  list(): Problem[] {
    return this.#problems
      .all()
      .map(({ details, ...when }) => ({ ...details, ...when }))
      .toReversed();
  }

  #add(code: string, sender: string, message: string): void {
    this.#problems.add(`${code} ${sender}`, { code, sender, message }, this.#nowMs());
  }
}

/** A problem in words, with its remedy. */
export function tell({ code, sender, message, ...when }: Problem, destination: string): ProblemStatus {
  const { what, remedy } = explain(code);
  return { destination, what: `AMP ${what}`, said: redact(message.replace(PREAMBLE, '')), remedy, sender, ...when };
}

/** A quota on series has a remedy of its own, whatever the status. */
function rejectionCode({ status, reason }: Extract<Outcome, { readonly kind: 'rejected' }>): string {
  return reason === 'series_limit' ? reason : String(status);
}

/** The other reasons show in the upstream's answers, or are not a problem. */
const TOLD: ReadonlySet<string> = new Set(['queue_full', 'delivery_timeout', 'internal']);

/** The words of outcome/classify.ts before the upstream's own. */
const PREAMBLE = /^the upstream (?:did not answer|answered \d+[^(:]*(?:\([^)]*\))?): /;
