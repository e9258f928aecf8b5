/**
 * Problems: what went wrong lately on the way to one destination, one entry a kind, in the order of their last time.
 * It is told of failures only; a delivery costs it a comparison.
 */
import type { Outcome, Verdict } from '../send/outcome.ts';
import type { ProblemStatus } from './snapshot.ts';
import { explain, presentable } from './words.ts';

/** Kinds that are told apart; beyond it the one that is longest ago is forgotten. */
export const MAX_PROBLEMS = 20;

interface Problem {
  readonly code: string;
  readonly sender: string;
  readonly firstAtMs: number;
  message: string;
  lastAtMs: number;
  count: number;
}

export class Problems {
  readonly #nowMs: () => number;
  /** By kind, the latest last. */
  readonly #problems = new Map<string, Problem>();
  /** The kind of the last attempt that failed; undefined since one has succeeded. */
  #failing: string | undefined;

  /** @param nowMs ms since the epoch */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Why the latest attempt upstream failed; undefined when it did not. */
  get failing(): string | undefined {
    return this.#failing;
  }

  /** An attempt upstream. */
  attempted(verdict: Verdict): void {
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
      // A rejection is told by `closed`, which knows whose it is.
      case 'delivered':
      case 'rejected':
        this.#failing = undefined;
        break;
    }
  }

  /** The end of a parcel. */
  closed(sender: string, outcome: Outcome): void {
    if (outcome.kind === 'rejected') this.#add(String(outcome.status), sender, outcome.message);
    else if (outcome.kind === 'refused' && TOLD.has(outcome.reason)) this.#add(outcome.reason, '', outcome.message);
  }

  /** The latest first. */
  list(destination: string): ProblemStatus[] {
    return [...this.#problems.values()]
      .map(({ code, sender, message, count, firstAtMs, lastAtMs }) => ({
        destination,
        what: `AMP ${explain(code).what}`,
        said: presentable(message.replace(PREAMBLE, '')),
        remedy: explain(code).remedy,
        sender,
        count,
        firstAtMs,
        lastAtMs,
      }))
      .toReversed();
  }

  #add(code: string, sender: string, message: string): void {
    const kind = `${code} ${sender}`;
    const nowMs = this.#nowMs();
    const known = this.#problems.get(kind) ?? { code, sender, firstAtMs: nowMs, message, lastAtMs: nowMs, count: 0 };
    known.message = message;
    known.lastAtMs = nowMs;
    known.count += 1;
    this.#problems.delete(kind);
    this.#problems.set(kind, known);
    if (this.#problems.size <= MAX_PROBLEMS) return;
    const [oldest = ''] = this.#problems.keys();
    this.#problems.delete(oldest);
  }
}

/** The others are told by what the upstream answers, or are nobody's problem. */
const TOLD: ReadonlySet<string> = new Set(['queue_full', 'delivery_timeout', 'internal']);

/** What send/outcome.ts says before the upstream's own words. */
const PREAMBLE = /^the upstream (?:did not answer|answered \d+[^(:]*(?:\([^)]*\))?): /;
