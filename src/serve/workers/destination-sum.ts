/** What the workers tell of one destination, as one: totals of those that are gone included. */
import { MAX_KINDS } from '../../admin/status-page/recent-events.ts';
import type { ProblemStatus } from '../../admin/snapshot.ts';
import { WORKER_DIED } from '../../metrics/known-labels.ts';
import type { CountsReport, DestinationReport, Tally } from './messages.ts';

export const NOTHING: DestinationReport = {
  counts: {
    received: 0,
    delivered: 0,
    deduplicated: 0,
    pending: 0,
    batches: 0,
    batchedParcels: 0,
    rejected: [],
    rejectedByReason: [],
    refused: [],
    responses: [],
    credentials: { expirationSeconds: 0, success: 0, failure: 0 },
  },
  hasCredentials: true,
  credentialsError: '',
  failing: undefined,
  problems: [],
  maxShards: 0,
  queueCapacity: 0,
  shards: 0,
  shardsBusy: 0,
  queuedSamples: 0,
  isDown: false,
  sendersIsolated: 0,
  clockSkewMs: 0,
};

/** Of a worker that is gone: its totals. What was pending is refused: its senders' connections broke. */
export function lastingOf({ counts, problems }: DestinationReport): DestinationReport {
  const refused = tallyOf([counts.refused, counts.pending > 0 ? [[WORKER_DIED, counts.pending]] : []]);
  const credentials = { ...counts.credentials, expirationSeconds: 0 };
  return { ...NOTHING, counts: { ...counts, refused, pending: 0, credentials }, problems };
}

export function sumOf(reports: readonly DestinationReport[]): DestinationReport {
  const sum = (read: (report: DestinationReport) => number): number =>
    reports.reduce((total, report) => total + read(report), 0);
  const worst =
    reports.find(({ hasCredentials }) => !hasCredentials) ??
    reports.find(({ credentialsError }) => credentialsError !== '');
  return {
    counts: countsOf(reports.map(({ counts }) => counts)),
    hasCredentials: reports.every(({ hasCredentials }) => hasCredentials),
    credentialsError: worst?.credentialsError ?? '',
    failing: reports.find(({ failing }) => failing !== undefined)?.failing,
    problems: problemsOf(reports.flatMap(({ problems }) => problems)),
    maxShards: sum(({ maxShards }) => maxShards),
    queueCapacity: sum(({ queueCapacity }) => queueCapacity),
    shards: sum(({ shards }) => shards),
    shardsBusy: sum(({ shardsBusy }) => shardsBusy),
    queuedSamples: sum(({ queuedSamples }) => queuedSamples),
    isDown: reports.some(({ isDown }) => isDown),
    sendersIsolated: sum(({ sendersIsolated }) => sendersIsolated),
    // One that has sent nothing knows none.
    clockSkewMs: reports.find(({ clockSkewMs }) => clockSkewMs !== 0)?.clockSkewMs ?? 0,
  };
}

function countsOf(counts: readonly CountsReport[]): CountsReport {
  const sum = (read: (one: CountsReport) => number): number => counts.reduce((total, one) => total + read(one), 0);
  const expiries = counts.map(({ credentials }) => credentials.expirationSeconds).filter((at) => at > 0);
  return {
    received: sum(({ received }) => received),
    delivered: sum(({ delivered }) => delivered),
    deduplicated: sum(({ deduplicated }) => deduplicated),
    pending: sum(({ pending }) => pending),
    batches: sum(({ batches }) => batches),
    batchedParcels: sum(({ batchedParcels }) => batchedParcels),
    rejected: tallyOf(counts.map(({ rejected }) => rejected)),
    rejectedByReason: tallyOf(counts.map(({ rejectedByReason }) => rejectedByReason)),
    refused: tallyOf(counts.map(({ refused }) => refused)),
    responses: tallyOf(counts.map(({ responses }) => responses)),
    credentials: {
      expirationSeconds: expiries.length === 0 ? 0 : Math.min(...expiries),
      success: sum(({ credentials }) => credentials.success),
      failure: sum(({ credentials }) => credentials.failure),
    },
  };
}

function tallyOf<K extends number | string>(tallies: readonly Tally<K>[]): Tally<K> {
  const together = new Map<K, number>();
  for (const [key, count] of tallies.flat()) together.set(key, (together.get(key) ?? 0) + count);
  return [...together];
}

/** One entry a kind and sender, the latest first. */
function problemsOf(problems: readonly ProblemStatus[]): ProblemStatus[] {
  const kinds = new Map<string, ProblemStatus>();
  for (const problem of problems.toSorted((a, b) => a.lastAtMs - b.lastAtMs)) {
    const kind = `${problem.what} ${problem.sender}`;
    const { count = 0, firstAtMs = Infinity } = kinds.get(kind) ?? {};
    kinds.delete(kind);
    kinds.set(kind, {
      ...problem,
      count: problem.count + count,
      firstAtMs: Math.min(problem.firstAtMs, firstAtMs),
    });
  }
  return [...kinds.values()].toReversed().slice(0, MAX_KINDS);
}
