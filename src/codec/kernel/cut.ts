/**
 * Finds where a checked request may be cut: at the borders of its fields, so that every TimeSeries, metadata entry and
 * unknown field stays whole, each byte as it was.
 */
import {
  SLOT_EXEMPLARS,
  SLOT_HISTOGRAMS,
  SLOT_METADATA,
  SLOT_MORE,
  SLOT_SAMPLES,
  SLOT_SERIES,
  SLOT_UNKNOWN,
} from './layout';
import { getResult, setResult } from './results';
import { fieldEnd, scanFields, setLimits } from './scan';

/**
 * Takes fields of the checked request from `from` on, at least one, as long as they have together at most `maxSamples`
 * samples and histograms and `maxBytes` decoded bytes. (A field that exceeds a limit by itself is taken alone: it does
 * not fit behind another field, and nothing fits behind it.)
 *
 * The request is decoded up to `end`, which is its end if `isWhole`. If it is not whole and its decoded fields end too
 * early, SLOT_MORE is 1; the caller then repeats the call with the returned position as `to` (`from` the first time)
 * and a later end. Returns where the piece ends; its counts are in the results block.
 */
export function takePiece(from: u32, to: u32, end: u32, isWhole: bool, maxSamples: u32, maxBytes: u32): u32 {
  // An accepted request is not limited again.
  setLimits(NO_LIMIT, NO_LIMIT, NO_LIMIT, NO_LIMIT);
  setResult(SLOT_MORE, 0);
  if (to == from) clearCounts();
  let p = to;
  let isOneByOne = false;
  while (p < end || !isWhole) {
    // Takes some fields at once, as scanning them one by one takes longer.
    const most: u32 = isOneByOne ? 1 : AT_ONCE_BYTES;
    let next = p;
    let isOver = false;
    do {
      const after = next < end ? fieldEnd(next, end) : 0;
      isOver = next > from && (after == 0 ? end : after) - from > maxBytes;
      if (after == 0 || isOver) {
        if (next == p && !isOver) {
          setResult(SLOT_MORE, 1);
          return p;
        }
        break;
      }
      next = after;
    } while (next - p < most && (next < end || !isWhole));
    if (next == p) break;
    saveCounts();
    scanFields(p, next);
    // (A first field that exceeds the limit by itself is taken alone, since it is looked at one by one.)
    if (getResult(SLOT_SAMPLES) + getResult(SLOT_HISTOGRAMS) > maxSamples) {
      if (isOneByOne) {
        // The last field was one too many, unless it is the first.
        if (p > from) restoreCounts();
        return p > from ? p : next;
      }
      restoreCounts();
      isOneByOne = true;
      continue;
    }
    p = next;
    if (isOver) break;
  }
  return p;
}

const NO_LIMIT: u32 = 0xffffffff;
const AT_ONCE_BYTES: u32 = 4096;

let series: u32 = 0;
let samples: u32 = 0;
let histograms: u32 = 0;
let exemplars: u32 = 0;
let metadata: u32 = 0;

function saveCounts(): void {
  series = getResult(SLOT_SERIES);
  samples = getResult(SLOT_SAMPLES);
  histograms = getResult(SLOT_HISTOGRAMS);
  exemplars = getResult(SLOT_EXEMPLARS);
  metadata = getResult(SLOT_METADATA);
}

function restoreCounts(): void {
  setResult(SLOT_SERIES, series);
  setResult(SLOT_SAMPLES, samples);
  setResult(SLOT_HISTOGRAMS, histograms);
  setResult(SLOT_EXEMPLARS, exemplars);
  setResult(SLOT_METADATA, metadata);
}

function clearCounts(): void {
  for (let slot = SLOT_SERIES; slot <= SLOT_UNKNOWN; slot++) setResult(slot, 0);
}
