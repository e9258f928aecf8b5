/** Sets how long the properties run: FC_RUNS=100 makes them a hundred times as long; FC_SEED repeats a run. */
import type { Parameters } from 'fast-check';
import { stretched } from './slowness.ts';

export function runs(usual: number): Parameters<unknown> {
  const numRuns = Math.ceil(usual * Number(process.env['FC_RUNS'] ?? 1));
  const seed = process.env['FC_SEED'];
  return seed === undefined ? { numRuns } : { numRuns, seed: Number(seed) };
}

/** The timeout of a property that takes longer than a test usually may, when FC_RUNS says so. */
export const PROPERTY_TIMEOUT_MS = stretched(30_000 * Math.max(1, Number(process.env['FC_RUNS'] ?? 1)));
