// Fits coefficients to measured rows: the cost of a request, a sample and an upstream batch in CPU seconds, and the
// memory of the process. Each row has the same weight: the relative error is minimised.
import { dot, nonNegativeLeastSquares } from './least-squares.ts';

/** One measured row: what it did and the CPU seconds that it took. */
export type Work = {
  readonly name: string;
  readonly cpuSeconds: number;
  readonly requests: number;
  readonly samples: number;
  readonly batches: number;
  /** The time that it took by the clock. */
  readonly seconds: number;
  /** The bytes of all requests, after decompression and as received. */
  readonly rawBytes: number;
  readonly bytes: number;
};

export type CostCoefficients = {
  readonly secondsPerRequest: number;
  readonly secondsPerSample: number;
  readonly secondsPerBatch: number;
  /** CPU seconds a second, whatever the load: timers, metrics, waking up. */
  readonly standingCores: number;
};

export type Residual = {
  readonly rows: number;
  /** Mean of the absolute relative errors, and the worst with its row. */
  readonly meanError: number;
  readonly worstError: number;
  readonly worstRow: string;
};

export type CostFit = CostCoefficients & Residual;

/** The same with the sample's share split: what goes with its bytes and what does not. */
export type ByteFit = CostFit & { readonly secondsPerRawByte: number; readonly secondsPerByte: number };

export type MemoryFit = Residual & { readonly baseMb: number; readonly perMbHeld: number };

/** Fits rows whose samples are alike in size. */
export function fitCosts(rows: readonly Work[]): CostFit {
  const fitted = fitRelative(rows, workTerms);
  const [secondsPerRequest = 0, secondsPerSample = 0, secondsPerBatch = 0, standingCores = 0] = fitted;
  const costs = { secondsPerRequest, secondsPerSample, secondsPerBatch, standingCores };
  return { ...costs, ...cpuResidual(rows, (row) => predictCpuSeconds(costs, row)) };
}

export function predictCpuSeconds(
  costs: CostCoefficients,
  work: Pick<Work, 'requests' | 'samples' | 'batches' | 'seconds'>,
): number {
  return (
    costs.secondsPerRequest * work.requests +
    costs.secondsPerSample * work.samples +
    costs.secondsPerBatch * work.batches +
    costs.standingCores * work.seconds
  );
}

/** Fits rows whose samples differ in size: label sets that are longer, or shared by several samples. */
export function fitBytes(rows: readonly Work[]): ByteFit {
  const terms = (row: Work): number[] => [...workTerms(row), row.rawBytes, row.bytes];
  const fitted = fitRelative(rows, terms);
  const [secondsPerRequest = 0, secondsPerSample = 0, secondsPerBatch = 0, standingCores = 0] = fitted;
  const [secondsPerRawByte = 0, secondsPerByte = 0] = fitted.slice(4);
  return {
    secondsPerRequest,
    secondsPerSample,
    secondsPerBatch,
    standingCores,
    secondsPerRawByte,
    secondsPerByte,
    ...cpuResidual(rows, (row) => dot(terms(row), fitted)),
  };
}

/** Peak memory against the compressed bytes that the senders' open requests hold. */
export function fitMemory(
  rows: readonly { readonly name: string; readonly peakMb: number; readonly heldMb: number }[],
): MemoryFit {
  const [baseMb = 0, perMbHeld = 0] = nonNegativeLeastSquares(
    rows.map(({ heldMb, peakMb }) => [1 / peakMb, heldMb / peakMb]),
    rows.map(() => 1),
  );
  const compared = rows.map(({ name, peakMb, heldMb }) => ({
    name,
    measured: peakMb,
    predicted: baseMb + perMbHeld * heldMb,
  }));
  return { baseMb, perMbHeld, ...residual(compared) };
}

function workTerms({ requests, samples, batches, seconds }: Work): number[] {
  return [requests, samples, batches, seconds];
}

export function predictByBytes(fit: ByteFit, work: Work): number {
  return predictCpuSeconds(fit, work) + fit.secondsPerRawByte * work.rawBytes + fit.secondsPerByte * work.bytes;
}

function fitRelative(rows: readonly Work[], terms: (row: Work) => readonly number[]): readonly number[] {
  return nonNegativeLeastSquares(
    rows.map((row) => terms(row).map((term) => term / row.cpuSeconds)),
    rows.map(() => 1),
  );
}

function residual(
  rows: readonly { readonly name: string; readonly measured: number; readonly predicted: number }[],
): Residual {
  const errors = rows.map(({ name, measured, predicted }) => ({ name, error: Math.abs(predicted / measured - 1) }));
  const worst = errors.reduce((a, b) => (b.error > a.error ? b : a), { name: '', error: 0 });
  return {
    rows: rows.length,
    meanError: errors.reduce((sum, { error }) => sum + error, 0) / errors.length,
    worstError: worst.error,
    worstRow: worst.name,
  };
}

function cpuResidual(rows: readonly Work[], predict: (row: Work) => number): Residual {
  return residual(rows.map((row) => ({ name: row.name, measured: row.cpuSeconds, predicted: predict(row) })));
}
