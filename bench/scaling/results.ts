// bench/scaling/scaling.json: what bench/scaling/main.ts measured, in plain figures, and what is worked out from them.
import { z } from 'zod';
import {
  fitBytes,
  fitCosts,
  fitMemory,
  predictCpuSeconds,
  type ByteFit,
  type CostCoefficients,
  type CostFit,
  type MemoryFit,
  type Work,
} from './cost-fit.ts';
import { median } from '../figures/summary.ts';

const figure = z.number();

/** Medians over the repetitions. Sizes in bytes, a sample's share of its request. */
export const measuredRow = z.object({
  name: z.string(),
  places: z.record(z.string(), figure),
  samplesPerRequest: figure,
  samplesPerSeries: figure,
  extraLabels: figure,
  connections: figure,
  keys: figure,
  upstreamLatencyMs: figure,
  upstreamTls: z.boolean(),
  /** Kept out of the fits. */
  isCheck: z.boolean(),
  /** Null: closed loop. */
  ratePerSecond: figure.nullable(),
  maxSamplesPerSend: figure,
  rawBytesPerSample: figure,
  bytesPerSample: figure,
  samplesPerSecond: figure,
  samplesPerCpuSecond: figure,
  samplesPerBatch: figure,
  p50Ms: figure,
  p99Ms: figure,
  peakMemoryMb: figure,
  loadCpuShare: figure,
  sinkCpuShare: figure,
  otherCores: figure,
  failed: figure,
});
export type MeasuredRow = z.infer<typeof measuredRow>;

export const scalingResults = z.object({
  machine: z.object({
    cpu: z.string(),
    cores: figure,
    memoryGb: figure,
    kernel: z.string(),
    node: z.string(),
    date: z.string(),
  }),
  command: z.string(),
  timing: z.object({ warmUpMs: figure, measureMs: figure }),
  repetitions: figure,
  rows: z.array(measuredRow),
});
export type ScalingResults = z.infer<typeof scalingResults>;

export type Fits = {
  readonly costs: CostFit;
  /**
   * The cost of a process that is idle at times, over the cost that the fit predicts: the median of the rows of a fixed
   * rate, at least 1. Most rows are driven as fast as they go, where the event loop finds more to do each time it
   * wakes.
   */
  readonly partialLoad: number;
  /** The costs times that: what to plan with. */
  readonly planned: CostCoefficients;
  /** Undefined where only rows of one size of sample were measured. */
  readonly bytes: ByteFit | undefined;
  readonly memory: MemoryFit;
};

/** A row's work for a million samples. */
export function workOf(row: MeasuredRow): Work {
  const samples = 1e6;
  return {
    name: row.name,
    cpuSeconds: samples / row.samplesPerCpuSecond,
    requests: samples / row.samplesPerRequest,
    samples,
    batches: samples / row.samplesPerBatch,
    seconds: samples / row.samplesPerSecond,
    rawBytes: samples * row.rawBytesPerSample,
    bytes: samples * row.bytesPerSample,
  };
}

/**
 * Left out of the fits: the rows that check them, requests that are cut, which costs more, and where the upstream is
 * TLS the row without. Samples of another size go into the fit by bytes only.
 */
export function fitAll(rows: readonly MeasuredRow[]): Fits {
  const tls = rows.some(({ upstreamTls }) => upstreamTls);
  const fitted = rows.filter((row) => row.upstreamTls === tls && row.failed === 0 && !isCut(row) && !row.isCheck);
  const ordinary = fitted.filter((row) => isOrdinary(row));
  const closed = fitted.filter((row) => row.ratePerSecond === null);
  const costs = fitCosts(ordinary.map((row) => workOf(row)));
  const partialLoad = partialLoadOf(rows, costs);
  return {
    costs,
    partialLoad,
    planned: {
      secondsPerRequest: costs.secondsPerRequest * partialLoad,
      secondsPerSample: costs.secondsPerSample * partialLoad,
      secondsPerBatch: costs.secondsPerBatch * partialLoad,
      standingCores: costs.standingCores * partialLoad,
    },
    bytes: ordinary.length < fitted.length ? fitBytes(fitted.map((row) => workOf(row))) : undefined,
    memory: fitMemory(closed.map((row) => ({ name: row.name, peakMb: row.peakMemoryMb, heldMb: heldMb(row) }))),
  };
}

function partialLoadOf(rows: readonly MeasuredRow[], costs: CostCoefficients): number {
  const ratios = rows
    .filter((row) => row.ratePerSecond !== null && row.failed === 0)
    .map((row) => workOf(row))
    .map((work) => work.cpuSeconds / predictCpuSeconds(costs, work));
  return ratios.length === 0 ? 1 : Math.max(1, median(ratios));
}

/** Requests above max_samples_per_send are cut instead of joined. */
export function isCut(row: MeasuredRow): boolean {
  return row.samplesPerRequest > row.maxSamplesPerSend;
}

/** A sample as large as that of a scrape in steady state. */
export function isOrdinary(row: MeasuredRow): boolean {
  return row.samplesPerSeries === 1 && row.extraLabels === 0;
}

/** Compressed bytes of the requests that are open in a closed loop. */
function heldMb(row: MeasuredRow): number {
  return (row.connections * row.samplesPerRequest * row.bytesPerSample) / 1e6;
}
