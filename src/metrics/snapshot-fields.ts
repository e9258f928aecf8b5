/**
 * The kinds of fields of a DestinationSnapshot (destination-snapshot.ts): how those of two workers become one, and what
 * stays of them when a worker has gone.
 */
import type { Outcome } from '../outcome/outcome.ts';
import { addObserved, type Observed } from './observations.ts';

export interface Field<T> {
  /** The neutral value: merging it with any other leaves the other unchanged. */
  readonly none: T;
  readonly merge: (a: T, b: T) => T;
  readonly lasting: (value: T) => T;
}

/** How often, by code; each code once. */
export type Tally = readonly (readonly [code: string, count: number])[];

export interface RejectedSamples {
  readonly status: number;
  readonly reason: string;
  readonly samples: number;
}

export type DeliveryTimes = Readonly<Record<Outcome['kind'], Observed>>;

/** Something that went wrong lately: one entry for each code and sender. */
export interface Problem {
  /** A code that outcome/explain.ts knows. */
  readonly code: string;
  /** The sender it concerns; empty when it concerns all. */
  readonly sender: string;
  /** The text of the last occurrence. */
  readonly message: string;
  readonly count: number;
  /** Ms since the epoch, as is `lastAtMs`. */
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

export interface CredentialsSnapshot {
  /** There are some to sign with. */
  readonly valid: boolean;
  /** Why the last refresh failed; empty when it did not. */
  readonly lastError: string;
  /** Seconds since the epoch; 0 while unknown or without expiry. */
  readonly expirationSeconds: number;
  readonly refreshes: number;
  readonly failures: number;
  /** The time of the last refresh. */
  readonly refreshSeconds: number;
}

/** Problems remembered of one destination. */
export const MAX_PROBLEMS = 20;

const add = (a: number, b: number): number => a + b;

/** A count, which stays. */
export const total: Field<number> = stays(0, add);
/** A gauge that adds up. */
export const sum: Field<number> = passes(0, add);
/** A gauge of which the greatest is told. */
export const greatest: Field<number> = passes(0, (a, b) => Math.max(a, b));
/** A gauge that only some know, as is told by one that does. */
export const firstKnown: Field<number> = passes(0, (a, b) => (a === 0 ? b : a));
export const either: Field<boolean> = passes(false, (a, b) => a || b);
export const firstFailure: Field<string | null> = passes<string | null>(null, (a, b) => a ?? b);
/** The same for all. */
export const label: Field<string> = stays('', (a, b) => (a === '' ? b : a));
export const tally: Field<Tally> = stays<Tally>([], addTallies);
export const rejectedSamples: Field<readonly RejectedSamples[]> = stays<readonly RejectedSamples[]>([], addRejected);
export const observed: Field<Observed> = stays({ counts: [], sum: 0 }, addObserved);
export const deliveryTimes: Field<DeliveryTimes> = stays(
  { delivered: observed.none, rejected: observed.none, refused: observed.none },
  (a, b) => ({
    delivered: addObserved(a.delivered, b.delivered),
    rejected: addObserved(a.rejected, b.rejected),
    refused: addObserved(a.refused, b.refused),
  }),
);
export const problemList: Field<readonly Problem[]> = stays<readonly Problem[]>([], mergeProblems);

const NO_CREDENTIALS_NEEDED: CredentialsSnapshot = {
  valid: true,
  lastError: '',
  expirationSeconds: 0,
  refreshes: 0,
  failures: 0,
  refreshSeconds: 0,
};

export const credentialsState: Field<CredentialsSnapshot> = {
  none: NO_CREDENTIALS_NEEDED,
  merge: (a, b) => ({
    valid: a.valid && b.valid,
    lastError: worse(a, b).lastError,
    expirationSeconds: earlier(a.expirationSeconds, b.expirationSeconds),
    refreshes: a.refreshes + b.refreshes,
    failures: a.failures + b.failures,
    refreshSeconds: Math.max(a.refreshSeconds, b.refreshSeconds),
  }),
  lasting: ({ refreshes, failures }) => ({ ...NO_CREDENTIALS_NEEDED, refreshes, failures }),
};

export function addTallies(a: Tally, b: Tally): Tally {
  const counts = new Map<string, number>();
  for (const [code, count] of [...a, ...b]) counts.set(code, (counts.get(code) ?? 0) + count);
  return [...counts];
}

function stays<T>(none: T, merge: (a: T, b: T) => T): Field<T> {
  return { none, merge, lasting: (value) => value };
}

function passes<T>(none: T, merge: (a: T, b: T) => T): Field<T> {
  return { none, merge, lasting: () => none };
}

function addRejected(a: readonly RejectedSamples[], b: readonly RejectedSamples[]): RejectedSamples[] {
  const together = [...a];
  for (const { status, reason, samples } of b) {
    const index = together.findIndex((one) => one.status === status && one.reason === reason);
    const { samples: before = 0 } = together[index] ?? {};
    together.splice(index === -1 ? together.length : index, 1, { status, reason, samples: before + samples });
  }
  return together;
}

/** One entry for each code and sender, the latest first. */
function mergeProblems(a: readonly Problem[], b: readonly Problem[]): Problem[] {
  const kinds = new Map<string, Problem>();
  for (const problem of [...a, ...b].toSorted((one, other) => one.lastAtMs - other.lastAtMs)) {
    const kind = `${problem.code} ${problem.sender}`;
    const { count = 0, firstAtMs = Infinity } = kinds.get(kind) ?? {};
    kinds.delete(kind);
    kinds.set(kind, {
      ...problem,
      count: problem.count + count,
      firstAtMs: Math.min(problem.firstAtMs, firstAtMs),
    });
  }
  return [...kinds.values()].toReversed().slice(0, MAX_PROBLEMS);
}

/** Why there are none is told before why some could not be refreshed. */
function worse(a: CredentialsSnapshot, b: CredentialsSnapshot): CredentialsSnapshot {
  if (!a.valid || !b.valid) return a.valid ? b : a;
  return a.lastError === '' ? b : a;
}

/** 0 is unknown, or never. */
function earlier(a: number, b: number): number {
  return a === 0 || b === 0 ? Math.max(a, b) : Math.min(a, b);
}
