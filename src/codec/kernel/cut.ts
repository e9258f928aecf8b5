/**
 * Finds where a checked request may be cut: at the borders of its fields, so that every TimeSeries, metadata entry and
 * unknown field stays whole, each byte as it was.
 */
import { SLOT_HISTOGRAMS, SLOT_MORE, SLOT_SAMPLES, SLOT_SERIES, SLOT_UNKNOWN } from './layout';
import { getResult, setResult } from './results';
import { fieldEnd, scanFields } from './scan';

/**
 * Takes fields of the checked request from `from` on, one at least, for as long as they have together at most
 * `maxSamples` samples and histograms and `maxBytes` decoded bytes. (So a field that is over a limit by itself is
 * taken alone: with anything before it, it does not fit, and after it nothing does.)
 *
 * The request is decoded up to `end`, and that is all of it where `isWhole`. Where it is not and its fields end too
 * early, SLOT_MORE is 1, and the call is to be repeated with what was returned as `to` (first: `from`) and a later end.
 * Returns where the piece ends; its counts are in the results block.
 */
export function takePiece(from: u32, to: u32, end: u32, isWhole: bool, maxSamples: u32, maxBytes: u32): u32 {
  setResult(SLOT_MORE, 0);
  if (to == from) clearCounts();
  let p = to;
  while (p < end || !isWhole) {
    const next = p < end ? fieldEnd(p, end) : 0;
    if (p > from && (next == 0 ? end : next) - from > maxBytes) break;
    if (next == 0) {
      setResult(SLOT_MORE, 1);
      return p;
    }
    scanFields(p, next);
    if (p > from && getResult(SLOT_SAMPLES) + getResult(SLOT_HISTOGRAMS) > maxSamples) {
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
