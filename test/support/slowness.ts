/**
 * Measures how slow this machine is at the moment, so that time limits stretch with it. The speed of its processor is
 * measured once for a run, by vitest.config.ts; its load, which changes, is read at every use. Limits only ever grow: a
 * test that waits in vain fails later on a slow machine, and one that succeeds takes no longer than it would.
 */
import { createHash } from 'node:crypto';
import { availableParallelism, loadavg } from 'node:os';

/** The variable in which vitest.config.ts leaves the measurement for the processes that run tests. */
export const SLOWNESS_VARIABLE = 'TEST_SLOWNESS';

/** The time of the measured piece of work on an otherwise idle core of an AMD EPYC. */
const REFERENCE_MS = 36;
/** A test that hangs should still end before the patience of whoever waits for it. */
const MOST = 10;

/** @returns how many times longer than on the reference machine a fixed piece of work takes now; takes some 50 ms */
export function measureSlowness(): number {
  const block = Buffer.alloc(1 << 20);
  const startedAtMs = performance.now();
  for (let round = 0; round < 48; round++) createHash('sha256').update(block).digest();
  return (performance.now() - startedAtMs) / REFERENCE_MS;
}

/** @returns 1 on an idle machine like the reference, more on a slower or a busy one, 10 at most */
export function slowness(
  measured = Number(process.env[SLOWNESS_VARIABLE] ?? 1),
  runnable = (loadavg()[0] ?? 0) / availableParallelism(),
): number {
  return Math.min(MOST, Math.max(1, measured, runnable));
}

/** @param ms what is enough on an idle machine like the reference */
export function stretched(ms: number): number {
  return Math.ceil(ms * slowness());
}
