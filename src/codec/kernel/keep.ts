/**
 * Finds which elements of a decoded block a piece of what they decode to can have as they are, so that only the piece's
 * ends are encoded anew.
 *
 * Elements copy from a distance, not from a position. So a run of them means the same in another block as long as
 * nothing in it copies from before that block's start. Compressors that start afresh every 64 KiB, as all known ones
 * do, leave at most that much behind a cut to be encoded; with a block of another kind it is more, up to all of it.
 *
 * Where elements start is known only from those before, so decodeElements leaves marks on its way, and a search begins
 * at the last one before it.
 */
import {
  ELEMENTS_AT,
  MARKS_AT,
  SLOT_FARTHEST,
  SLOT_KEPT_AT,
  SLOT_KEPT_END_AT,
  SLOT_KEPT_END_OUT,
  SLOT_KEPT_OUT,
  SLOT_MARKS,
} from './layout';
import { getResult, setResult } from './results';

/** Where an element starts, and where its bytes go, after `seek`. */
let foundAt: u32 = 0;
let foundOut: u32 = 0;

/**
 * Of the block that was decoded last, whose elements end at `elementsEnd`, finds those that the piece [from, end) of
 * the output area can keep. In the results block are then the addresses where the run begins and ends, and where its
 * bytes do in the output area; where it is empty, the latter mean nothing.
 */
export function findKept(elementsEnd: u32, from: u32, end: u32): void {
  seek(elementsEnd, from);
  let at = foundAt;
  let out = foundOut;
  let keptAt = at;
  let keptOut = out;
  // No element behind this copies from before the piece.
  const reach = <u64>from + getResult(SLOT_FARTHEST);
  while (at < elementsEnd && out < reach) {
    const next = out + decodedBytes(at);
    if (next > end) break;
    const isApart = out >= from && distance(at) <= out - from;
    at += elementBytes(at);
    out = next;
    if (isApart) continue;
    keptAt = at;
    keptOut = out;
  }
  seek(elementsEnd, end);
  setResult(SLOT_KEPT_AT, keptAt);
  setResult(SLOT_KEPT_OUT, keptOut);
  setResult(SLOT_KEPT_END_AT, foundAt);
  setResult(SLOT_KEPT_END_OUT, foundOut);
}

/** Finds the element in which `border` of the output area lies: where it starts, and where its bytes go. */
export function findElement(elementsEnd: u32, border: u32): void {
  seek(elementsEnd, border);
  setResult(SLOT_KEPT_AT, foundAt);
  setResult(SLOT_KEPT_OUT, foundOut);
}

/** Finds the element in which `border` of the output area lies, or with which it begins; elementsEnd where none is. */
function seek(elementsEnd: u32, border: u32): void {
  const mark = lastMark(border);
  let at = load<u32>(mark);
  let out = load<u32>(mark, 4);
  while (at < elementsEnd) {
    const next = out + decodedBytes(at);
    if (next > border) break;
    at += elementBytes(at);
    out = next;
  }
  foundAt = at;
  foundOut = out;
}

/** The last mark at or before `out` of the output area. */
function lastMark(out: u32): u32 {
  let low: u32 = 0;
  let high = getResult(SLOT_MARKS);
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (load<u32>(MARKS_AT + (middle << 3), 4) <= out) low = middle;
    else high = middle;
  }
  return MARKS_AT + (low << 3);
}

/** Bytes that the element at `at` takes, with its tag and its distance or its literal's bytes. */
function elementBytes(at: u32): u32 {
  const bytes = <u32>load<u8>(rowOf(at), ELEMENTS_AT + 3);
  return bytes != 0 ? bytes : longLiteralHead(at) + longLiteral(at);
}

/** Bytes that it decodes to. */
function decodedBytes(at: u32): u32 {
  const row = rowOf(at);
  return load<u8>(row, ELEMENTS_AT + 3) != 0 ? <u32>load<u8>(row, ELEMENTS_AT + 2) : longLiteral(at);
}

/** How far back it copies from; 0 for a literal. */
function distance(at: u32): u32 {
  const tag = <u32>load<u8>(at);
  const kind = tag & 3;
  if (kind == 3) return load<u32>(at, 1);
  const high = select<u32>((tag & 0xe0) << 3, 0, kind == 1);
  return high | (<u32>load<u16>(at, 1) & <u32>load<u16>(rowOf(at), ELEMENTS_AT));
}

/** The tag and the 1 to 4 bytes of length of a literal of more than 60 bytes. */
function longLiteralHead(at: u32): u32 {
  return (<u32>load<u8>(at) >>> 2) - 58;
}

/** The bytes of a literal of more than 60; the load may reach into the slack. */
function longLiteral(at: u32): u32 {
  const lengthBytes = longLiteralHead(at) - 1;
  return (load<u32>(at, 1) & (<u32>0xffffffff >>> (32 - (lengthBytes << 3)))) + 1;
}

function rowOf(at: u32): u32 {
  return (<u32>load<u8>(at)) << 3;
}
