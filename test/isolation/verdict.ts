/** Judges a row that was played: figures for the table, and in words where it falls short of what is promised. */
import type { Attempt, RowSender } from './row-sender.ts';
import { SERIES_PER_REQUEST } from './row-sender.ts';
import type { RowRun } from './row-stage.ts';

/** A good sender may be this much slower than it is without the culprit. */
const SLOWER_MS = 1_000;
/** delivery_timeout, and a second and a half for the answer's way on a busy machine. */
const LATEST_ANSWER_MS = 26_500;
/** Node itself has some 100 MB here; what is held in these rows is a few MB. */
const MAX_RESIDENT_BYTES = 400 * 1024 * 1024;

export interface RowFigures {
  readonly row: string;
  /** Good senders' requests after the first incident: how many, the share of them that was told 2xx, and their p99 in ms. */
  readonly requests: number;
  readonly share: number;
  readonly p99Ms: number;
  /** Good senders' requests before that: how many were refused, and how long the slowest of them took. */
  readonly refusedInIncident: number;
  readonly slowestInIncidentMs: number;
  /** The answers to the culprit: status and how often. */
  readonly culpritTold: string;
  readonly mixedRequests: number;
  readonly poisonedRequests: number;
  readonly peakMb: number;
  readonly stalledMs: number;
  readonly failures: readonly string[];
}

/** @param baselineP99Ms of the row of the same form without a culprit; undefined for such a row itself */
export function judgeRow(run: RowRun, baselineP99Ms: number | undefined): RowFigures {
  const { row, good, culprits, upstream, incidentEndMs } = run;
  const attempts = good.flatMap((sender) => sender.attempts);
  const after = attempts.filter(({ startedAtMs }) => startedAtMs >= incidentEndMs);
  const within = attempts.filter(({ startedAtMs }) => startedAtMs < incidentEndMs);
  const accepted = after.filter(isAccepted).length;
  const p99Ms = quantile(
    after.map(({ tookMs }) => tookMs),
    0.99,
  );
  const failures: string[] = [];
  const expect = (holds: boolean, otherwise: string): void => void (holds || failures.push(otherwise));

  expect(after.length > 0, 'no good sender sent anything after the first incident');
  expect(
    accepted === after.length,
    `${after.length - accepted} of ${after.length} good requests were not accepted: ${saidTo(after)}`,
  );
  // A request passes the proxy, and this process three times.
  const slackMs = SLOWER_MS + 2 * run.stalledMs;
  const latestP99Ms = (baselineP99Ms ?? Infinity) + slackMs;
  expect(p99Ms <= latestP99Ms, `good senders' p99 is ${Math.round(p99Ms)} ms, over ${Math.round(latestP99Ms)} ms`);
  const overdueMs = Math.max(...within.map(({ startedAtMs, tookMs }) => startedAtMs + tookMs)) - incidentEndMs;
  expect(
    overdueMs <= slackMs,
    `a good request of the first incident was answered ${Math.round(overdueMs)} ms after the incident should have ended`,
  );
  expect(run.downReadings === 0, `the upstream was called down in ${run.downReadings} readings`);
  expect(!run.log.includes('upstream is down'), 'the log says that the upstream is down');
  failures.push(...judgeCulprits(run), ...judgeBooks(run));
  expect(run.survived, 'the proxy has ended');
  expect(run.peakResidentBytes < MAX_RESIDENT_BYTES, `the proxy grew to ${megabytes(run.peakResidentBytes)} MB`);
  return {
    row: row.name,
    requests: after.length,
    share: after.length === 0 ? 0 : accepted / after.length,
    p99Ms,
    refusedInIncident: within.filter((attempt) => !isAccepted(attempt)).length,
    slowestInIncidentMs: Math.max(0, ...within.map(({ tookMs }) => tookMs)),
    culpritTold: tallyOf(culprits.flatMap((sender) => sender.attempts)),
    mixedRequests: upstream.mixedRequests,
    poisonedRequests: upstream.poisonedRequests,
    peakMb: megabytes(run.peakResidentBytes),
    stalledMs: run.stalledMs,
    failures,
  };
}

/** The culprit is told what the table says, in time, and is not left without an answer. */
function judgeCulprits({ row, culprits, stalledMs }: RowRun): string[] {
  if (row.poison === undefined) return [];
  const { answer, shape } = row.poison;
  const { told } = answer;
  const attempts = culprits.flatMap((sender) => sender.attempts);
  const failures: string[] = [];
  // One that has stopped is gone before its 503 is due.
  if (attempts.length === 0 && (shape !== 'stops' || told.status === 400)) failures.push('the culprit had no answer');
  const others = attempts.filter(({ status }) => status !== told.status);
  if (others.length > 0)
    failures.push(`the culprit was told ${tallyOf(attempts)} instead of ${told.status}: ${saidTo(others)}`);
  if (told.status === 400 && attempts.some(({ status, text }) => status === 400 && !text.includes(told.words))) {
    failures.push(
      `the culprit's 400 lacks the upstream's words: ${attempts.find(({ status }) => status === 400)?.text}`,
    );
  }
  if (attempts.some(({ status, retryAfter }) => status === 503 && !(retryAfter >= 1))) {
    failures.push('the culprit was told 503 without Retry-After');
  }
  const slowestMs = Math.max(0, ...attempts.map(({ tookMs }) => tookMs));
  if (slowestMs > LATEST_ANSWER_MS + 2 * stalledMs) failures.push(`the culprit waited ${Math.round(slowestMs)} ms`);
  return failures;
}

/** Nothing acknowledged is missing, order is kept, and the proxy's ledger agrees with the senders'. */
function judgeBooks({ good, culprits, upstream, ledger }: RowRun): string[] {
  const failures: string[] = [];
  const senders: readonly RowSender[] = [...good, ...culprits];
  const missing = senders.reduce(
    (sum, { seriesNames, acknowledged }) =>
      sum + seriesNames.reduce((count, name) => count + upstream.countMissing(name, acknowledged), 0),
    0,
  );
  if (missing > 0) failures.push(`${missing} acknowledged samples are missing`);
  if (upstream.disordered > 0)
    failures.push(`${upstream.disordered} samples arrived behind a later one of their series`);
  const { received, delivered, rejected, refused, pending } = ledger;
  if (pending > 0) failures.push(`${pending} samples are pending after the end`);
  if (received !== delivered + rejected + refused + pending) {
    failures.push(`the ledger is not balanced: ${JSON.stringify(ledger)}`);
  }
  const acknowledged = senders.reduce((sum, sender) => sum + sender.acknowledged.length * SERIES_PER_REQUEST, 0);
  // A sender that is closed while a request is on its way does not see an answer that the proxy counts.
  const unheard = senders.length * SERIES_PER_REQUEST;
  if (delivered < acknowledged || delivered > acknowledged + unheard) {
    failures.push(`senders were told 2xx for ${acknowledged} samples, and ${delivered} count as delivered`);
  }
  return failures;
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function isAccepted({ status }: Attempt): boolean {
  return status >= 200 && status < 300;
}

function tallyOf(attempts: readonly Attempt[]): string {
  const counts = new Map<number, number>();
  for (const { status } of attempts) counts.set(status, (counts.get(status) ?? 0) + 1);
  return (
    [...counts]
      .toSorted(([a], [b]) => a - b)
      .map(([status, count]) => `${status}:${count}`)
      .join(' ') || 'nothing'
  );
}

/** The first that was not accepted, in its own words. */
function saidTo(attempts: readonly Attempt[]): string {
  const first = attempts.find((attempt) => !isAccepted(attempt));
  return first === undefined ? '' : `${first.status} ${first.text.slice(0, 160).trim()}`;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
