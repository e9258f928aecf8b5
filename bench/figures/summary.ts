// Turns runs into figures: the median of each figure over the repetitions of one tool in one row.
import type { Run } from '../rig/measure.ts';
import { OURS } from '../rig/proxy-under-test.ts';
import type { Row } from '../rig/rows.ts';

export type Figures = {
  readonly tool: string;
  readonly repetitions: number;
  readonly samplesPerSecond: number;
  readonly requestsPerSecond: number;
  /** NaN for the direct run. */
  readonly samplesPerCpuSecond: number;
  readonly cpuSecondsPerMillion: number;
  readonly peakMemoryMb: number;
  /** NaN where the tool does not tell. */
  readonly eventLoopP99Ms: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly upstreamRequestsPerSecond: number;
  readonly samplesPerUpstreamRequest: number;
  readonly loadCpuShare: number;
  readonly sinkCpuShare: number;
  readonly otherCores: number;
  /** Over all repetitions: what went wrong, by status; and whether all was delivered. */
  readonly failed: Readonly<Record<string, number>>;
  readonly delivered: boolean;
  /** Samples per CPU second of amp-write-proxy over this tool's; NaN without both. */
  readonly oursRatio: number;
};

export type RowFigures = { readonly row: Row; readonly tools: readonly Figures[] };

export const DIRECT = 'load to sink, nothing between';

/** `runs` by tool, in the order to show; a tool none of whose runs worked is left out. */
export function summarise(row: Row, runs: ReadonlyMap<string, readonly Run[]>): RowFigures {
  const tools = [...runs].filter(([, list]) => list.length > 0).map(([tool, list]) => figures(tool, list));
  const ours = tools.find(({ tool }) => tool === OURS)?.samplesPerCpuSecond ?? Number.NaN;
  return { row, tools: tools.map((entry) => ({ ...entry, oursRatio: ours / entry.samplesPerCpuSecond })) };
}

function figures(tool: string, runs: readonly Run[]): Figures {
  const of = (pick: (run: Run) => number | undefined): number => median(runs.map((run) => pick(run) ?? Number.NaN));
  const failed: Record<string, number> = {};
  for (const run of runs) {
    for (const [status, count] of Object.entries(run.failed)) failed[status] = (failed[status] ?? 0) + count;
  }
  return {
    tool,
    repetitions: runs.length,
    samplesPerSecond: of((run) => run.samplesPerSecond),
    requestsPerSecond: of((run) => run.requests / run.seconds),
    samplesPerCpuSecond: of((run) => run.tool?.samplesPerCpuSecond),
    cpuSecondsPerMillion: of((run) => run.tool?.cpuSecondsPerMillion),
    peakMemoryMb: of((run) => run.tool?.peakMemoryMb),
    eventLoopP99Ms: of((run) => run.tool?.eventLoopP99Ms),
    p50Ms: of((run) => run.latencyMs.p50),
    p99Ms: of((run) => run.latencyMs.p99),
    p999Ms: of((run) => run.latencyMs.p999),
    upstreamRequestsPerSecond: of((run) => run.upstreamRequests / run.seconds),
    samplesPerUpstreamRequest: of((run) => run.samplesPerUpstreamRequest),
    loadCpuShare: of((run) => run.loadCpuShare),
    sinkCpuShare: of((run) => run.sinkCpuShare),
    otherCores: of((run) => run.otherCores),
    failed,
    delivered: runs.every((run) => run.delivered),
    oursRatio: Number.NaN,
  };
}

/** NaN of none. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** NaN when any value is; the mean of the middle two for an even count. */
export function median(values: readonly number[]): number {
  if (values.some((value) => Number.isNaN(value))) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}
