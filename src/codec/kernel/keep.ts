/**
 * Finds which elements of a decoded block a piece of the decoded bytes can reuse unchanged, so that only the piece's
 * ends are encoded again.
 *
 * Elements copy from a distance, not from a position. So a run of them means the same in another block as long as
 * nothing in it copies from before that block's start. Compressors that start afresh every 64 KiB, as all known ones
 * do, leave at most that much behind a cut to be encoded; with a block of another kind it is more, up to all of it.
 *
 * The start of an element is known only from the elements before it, so decodeElements leaves marks on its way, and a
 * search begins at the last mark before its target.
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

/** The addresses of an element and of its decoded bytes, set by `seek`. */
let foundAt: u32 = 0;
let foundOut: u32 = 0;

/**
 * Finds the elements of the last decoded block that the piece [from, end) of the output area can keep; the block's
 * elements end at `elementsEnd`. The results block then holds the addresses where the run begins and ends, and where
 * its bytes begin and end in the output area. If the run is empty, the latter mean nothing.
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

/**
 * Finds the element whose bytes contain `border` of the output area: where the element starts, and where its bytes go.
 */
export function findElement(elementsEnd: u32, border: u32): void {
  seek(elementsEnd, border);
  setResult(SLOT_KEPT_AT, foundAt);
  setResult(SLOT_KEPT_OUT, foundOut);
}

/** Finds the element that contains `border` of the output area or begins at it; elementsEnd if there is none. */
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

/** Returns the last mark at or before `out` of the output area. */
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

/** The number of bytes of the element at `at`, including its tag and its distance or its literal's bytes. */
function elementBytes(at: u32): u32 {
  const bytes = <u32>load<u8>(rowOf(at), ELEMENTS_AT + 3);
  return bytes != 0 ? bytes : longLiteralHead(at) + longLiteral(at);
}

/** The number of bytes that the element decodes to. */
function decodedBytes(at: u32): u32 {
  const row = rowOf(at);
  return load<u8>(row, ELEMENTS_AT + 3) != 0 ? <u32>load<u8>(row, ELEMENTS_AT + 2) : longLiteral(at);
}

/** The distance that the element copies from; 0 for a literal. */
function distance(at: u32): u32 {
  const tag = <u32>load<u8>(at);
  const kind = tag & 3;
  if (kind == 3) return load<u32>(at, 1);
  const high = select<u32>((tag & 0xe0) << 3, 0, kind == 1);
  return high | (<u32>load<u16>(at, 1) & <u32>load<u16>(rowOf(at), ELEMENTS_AT));
}

/** The size of the tag and the 1 to 4 length bytes of a literal of more than 60 bytes. */
function longLiteralHead(at: u32): u32 {
  return (<u32>load<u8>(at) >>> 2) - 58;
}

/** The number of bytes in a literal of more than 60; the load may reach into the slack. */
function longLiteral(at: u32): u32 {
  const lengthBytes = longLiteralHead(at) - 1;
  return (load<u32>(at, 1) & (<u32>0xffffffff >>> (32 - (lengthBytes << 3)))) + 1;
}

function rowOf(at: u32): u32 {
  return (<u32>load<u8>(at)) << 3;
}
