/** Milliseconds of the process's monotonic clock, which is its own: another process counts from elsewhere. */
export const monotonicMs = (): number => performance.now();
