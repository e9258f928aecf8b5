import { performance } from 'node:perf_hooks';

/**
 * Milliseconds of the process's monotonic clock, which is its own: another process counts from elsewhere.
 * Imported, as the global of that name is a getter, which costs as much again.
 */
export const monotonicMs = (): number => performance.now();
