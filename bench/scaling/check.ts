// Checks the errors of model and simulation: on measured rows that they were not fitted to, and the simulation on
// Prometheus servers.
import { simulate, type Arrivals, type Simulated, type Traffic } from './batching-simulation.ts';
import { predictCpuSeconds, type CostCoefficients } from './cost-fit.ts';
import { markdownTable } from '../figures/markdown-table.ts';
import { DEPLOYMENT, PROMETHEUS_SAMPLES_PER_SEND } from './model.ts';
import { workOf, type MeasuredRow } from './results.ts';
import { mean } from '../figures/summary.ts';

const SIMULATED_MS = 30_000;
const MAX_SHARDS = 50;

/** Rows of a fixed rate, and rows that wait for the upstream rather than for the CPU: their pace says something. */
export function checkTable(rows: readonly MeasuredRow[], costs: CostCoefficients): string {
  const checked = rows.filter((row) => row.ratePerSecond !== null || row.upstreamLatencyMs >= 20);
  if (checked.length === 0) return 'No row to check against was measured.';
  const lines = checked.map((row) => {
    const simulated = simulateRow(row, costs);
    const work = workOf(row);
    const measuredRate = row.samplesPerSecond / row.samplesPerRequest;
    return {
      cells: [
        row.isCheck ? `**${row.name}**` : row.name,
        beside(measuredRate, simulated.requestsPerSecond, 0),
        beside(work.cpuSeconds, predictCpuSeconds(costs, work), 2),
        beside(row.samplesPerBatch, simulated.samplesPerBatch, 0),
        beside(row.p50Ms, simulated.latencyMs.p50, 1),
        beside(row.p99Ms, simulated.latencyMs.p99, 1),
      ],
      errors: {
        // A fixed rate is given; what is measured of it only tells how long the last answer took.
        rate: row.ratePerSecond === null ? simulated.requestsPerSecond / measuredRate - 1 : Number.NaN,
        cpu: predictCpuSeconds(costs, work) / work.cpuSeconds - 1,
        batch: simulated.samplesPerBatch / row.samplesPerBatch - 1,
        p50: simulated.latencyMs.p50 / row.p50Ms - 1,
      },
    };
  });
  return [
    markdownTable(
      ['measured / predicted', 'requests/s', 'CPU s a million samples', 'samples a batch', 'p50 ms', 'p99 ms'],
      lines.map(({ cells }) => cells),
    ),
    '',
    `In bold: not among the rows of the fit. Off on average: requests/s (closed loops) ${meanError(lines.map(({ errors }) => errors.rate))}, CPU ${meanError(lines.map(({ errors }) => errors.cpu))}, ` +
      `samples a batch ${meanError(lines.map(({ errors }) => errors.batch))}, p50 ${meanError(lines.map(({ errors }) => errors.p50))}.`,
  ].join('\n');
}

/** The row's traffic, as the bench's load makes it. */
function simulateRow(row: MeasuredRow, costs: CostCoefficients): Simulated {
  return simulate({
    arrivals: row.ratePerSecond === null ? 'closed' : 'even',
    connections: row.connections,
    requestsPerSecond: row.ratePerSecond ?? 0,
    samplesPerRequest: row.samplesPerRequest,
    mergeKeys: row.keys,
    upstreamLatencyMs: row.upstreamLatencyMs,
    maxSamplesPerSend: row.maxSamplesPerSend,
    batchSendDeadlineMs: DEPLOYMENT.batchSendDeadlineSeconds * 1000,
    maxShards: MAX_SHARDS,
    costs,
    durationMs: SIMULATED_MS,
    seed: 7,
  });
}

const SENDERS = [1, 3, 10, 30, 100, 300, 1000];
const SERIES_PER_SENDER = 20_000;
const INTERVAL_SECONDS = 15;
const UPSTREAM_MS = 50;

export type BatchingLine = { readonly senders: number; readonly joined: Simulated; readonly apart: Simulated };

/** Servers of one process; `joined` in one merge key, `apart` each in its own, as HA replicas are. */
export function simulateSenders(costs: CostCoefficients): readonly BatchingLine[] {
  return SENDERS.map((senders) => {
    const traffic = (mergeKeys: number): Traffic => ({
      arrivals: 'prometheus' satisfies Arrivals,
      connections: senders,
      requestsPerSecond: (senders * SERIES_PER_SENDER) / INTERVAL_SECONDS / PROMETHEUS_SAMPLES_PER_SEND,
      samplesPerRequest: PROMETHEUS_SAMPLES_PER_SEND,
      mergeKeys,
      upstreamLatencyMs: UPSTREAM_MS,
      maxSamplesPerSend: DEPLOYMENT.maxSamplesPerSend,
      batchSendDeadlineMs: DEPLOYMENT.batchSendDeadlineSeconds * 1000,
      maxShards: MAX_SHARDS,
      costs,
      durationMs: SIMULATED_MS,
      seed: 11,
    });
    return { senders, joined: simulate(traffic(1)), apart: simulate(traffic(senders)) };
  });
}

export function batchingTable(costs: CostCoefficients): string {
  const lines = simulateSenders(costs);
  return markdownTable(
    [
      `servers of ${SERIES_PER_SENDER / 1000},000 series`,
      'requests/s',
      'requests a batch',
      'added ms, mean',
      'p99',
      'busy',
      'open upstream, most',
      'each its own key: requests a batch',
      'added ms, mean',
      'p99',
    ],
    lines.map(({ senders, joined, apart }) => [
      String(senders),
      joined.requestsPerSecond.toFixed(1),
      joined.parcelsPerBatch.toFixed(2),
      joined.addedMs.mean.toFixed(1),
      joined.addedMs.p99.toFixed(1),
      `${(joined.utilisation * 100).toFixed(0)}%`,
      String(joined.mostInFlight),
      apart.parcelsPerBatch.toFixed(2),
      apart.addedMs.mean.toFixed(1),
      apart.addedMs.p99.toFixed(1),
    ]),
  );
}

function beside(measured: number, predicted: number, digits: number): string {
  return `${measured.toFixed(digits)} / ${predicted.toFixed(digits)}`;
}

/** Returns the mean of those that are a number; `-` if there are none. */
function meanError(errors: readonly number[]): string {
  const known = errors.filter((error) => !Number.isNaN(error));
  if (known.length === 0) return '-';
  return `${(100 * mean(known.map(Math.abs))).toFixed(0)}%`;
}
