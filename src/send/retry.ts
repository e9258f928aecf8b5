/**
 * Computes the wait before the next attempt: full jitter over a doubling range, as in
 * https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/ . The upstream's `Retry-After` is a
 * floor, plus jitter, so that the shards do not all come back at the same moment.
 */

/** The part of a sender's time that is kept for the attempt after a long Retry-After, in ms. */
export const LAST_ATTEMPT_MS = 1_000;

export interface BackoffLimits {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * @param attempt 1 after the first failure
 * @param random in [0, 1)
 * @returns milliseconds; at least `minMs`, and at least `retryAfterMs` plus up to `minMs` of jitter
 */
export function retryWaitMs(
  limits: BackoffLimits,
  attempt: number,
  retryAfterMs: number | undefined,
  random: number,
): number {
  const rangeMs = Math.min(limits.maxMs, limits.minMs * 2 ** Math.min(attempt, 30));
  const waitMs = limits.minMs + random * Math.max(0, rangeMs - limits.minMs);
  return retryAfterMs === undefined ? waitMs : Math.max(waitMs, retryAfterMs + random * limits.minMs);
}
