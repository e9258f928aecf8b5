/** The lowest and highest timestamp of the samples and histograms scanned, in milliseconds. */
import { RESULTS_AT, SLOT_MAX_TIMESTAMP, SLOT_MIN_TIMESTAMP } from './layout';

let lowestMs: i64 = i64.MAX_VALUE;
let highestMs: i64 = i64.MIN_VALUE;

export function forgetTimestamps(): void {
  lowestMs = i64.MAX_VALUE;
  highestMs = i64.MIN_VALUE;
}

export function noteTimestamp(timestampMs: i64): void {
  if (timestampMs < lowestMs) lowestMs = timestampMs;
  if (timestampMs > highestMs) highestMs = timestampMs;
}

/** Writes both to the results block as doubles, NaN when there are none; exact to 2^53 ms. */
export function writeTimestamps(): void {
  const none = lowestMs > highestMs;
  store<f64>(RESULTS_AT + (SLOT_MIN_TIMESTAMP << 3), none ? NaN : <f64>lowestMs);
  store<f64>(RESULTS_AT + (SLOT_MAX_TIMESTAMP << 3), none ? NaN : <f64>highestMs);
}
