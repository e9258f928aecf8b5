/**
 * Finds where a checked request may be cut: at the borders of its fields, so that every TimeSeries, metadata entry and
 * unknown field stays whole, each byte as it was.
 */
import { SLOT_HISTOGRAMS, SLOT_SAMPLES, SLOT_SERIES, SLOT_UNKNOWN } from './layout';
import { getResult, setResult } from './results';
import { fieldEnd, scanFields } from './scan';

/**
 * Takes fields of the checked request from `from` on, one at least, for as long as they have together at most
 * `maxSamples` samples and histograms and `maxBytes` decoded bytes. (So a field that is over a limit by itself is
 * taken alone: with anything before it, it does not fit, and after it nothing does.)
 * Returns where the piece ends; its counts are in the results block.
 */
export function takePiece(from: u32, end: u32, maxSamples: u32, maxBytes: u32): u32 {
  clearCounts();
  let p = fieldEnd(from, end);
  scanFields(from, p);
  while (p < end) {
    const next = fieldEnd(p, end);
    if (next - from > maxBytes) break;
    scanFields(p, next);
    if (getResult(SLOT_SAMPLES) + getResult(SLOT_HISTOGRAMS) > maxSamples) {
      // That field was one too many: the counts are those of what comes before it.
      clearCounts();
      scanFields(from, p);
      break;
    }
    p = next;
  }
  return p;
}

function clearCounts(): void {
  for (let slot = SLOT_SERIES; slot <= SLOT_UNKNOWN; slot++) setResult(slot, 0);
}
