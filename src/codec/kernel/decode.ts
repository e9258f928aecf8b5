/**
 * Snappy decoding of one block's elements, by the format description
 * (https://github.com/google/snappy/blob/main/format_description.txt).
 *
 * The hot loop takes literals of up to 60 bytes and copies with 1- and 2-byte offsets of 16 and more, without a branch
 * on the kind or the length of the element (real bodies mix them so that such a branch cannot be predicted). The
 * remaining cost is finding where the next element starts, since each start depends on the element before. So the loop
 * works out the steps from element to element beforehand, for a window of the input, at every byte as if an element
 * started there: finding the next start is then a load and an addition. Every other element goes to `element`, which
 * checks everything and names the fault. bench/micro/kernel.ts justifies this.
 */
import {
  COPY_BEFORE_START,
  COPY_PAST_INPUT,
  COPY_PAST_OUTPUT,
  LITERAL_PAST_INPUT,
  LITERAL_PAST_OUTPUT,
  OUTPUT_SHORT,
} from './faults';
import {
  CONSTANTS_AT,
  ELEMENTS_AT,
  MARKS_AT,
  MOST_MARKS,
  PATTERNS_AT,
  SLOT_FARTHEST,
  SLOT_MARKS,
  SLOT_NEXT_AT,
  SLOT_NEXT_OUT,
  STEPS_AT,
  STEPS_BYTES,
} from './layout';
import { fail, getResult, setResult } from './results';

/** The length of the longest copy, and the bytes that the hot loop writes for any element. */
const COPIED_BYTES: u32 = 64;
const WINDOW_BYTES: u32 = STEPS_BYTES;
/**
 * A body of fewer bytes than this gets one mark per window, a body of less than twice this one mark per two windows,
 * and so on: half of MOST_MARKS.
 */
const MARKED_BYTES: u32 = (WINDOW_BYTES * MOST_MARKS) >>> 1;
const MARKS_END: u32 = MARKS_AT + (MOST_MARKS << 3);
/** The largest offset of a copy with 1 or 2 offset bytes. */
const FARTHEST: u32 = 65535;

/** The addresses of the next element and of its decoded bytes, set by `element`. */
let nextIn: u32 = 0;
let nextOut: u32 = 0;

/** The address of the next mark, and the number of windows until then. */
let mark: u32 = MARKS_AT;
let untilMark: u32 = 0;
let markEvery: u32 = 1;

/**
 * Decodes the elements in [from, fromEnd) into exactly [to, toEnd). Writes at most 16 bytes beyond toEnd. Returns false
 * after noting a fault, at an address in the input. Leaves marks for findKept.
 */
export function decodeElements(from: u32, fromEnd: u32, to: u32, toEnd: u32): bool {
  startRun(from, fromEnd);
  return decodeRun(to, from, fromEnd, to, toEnd, <u32>-1);
}

/** Forgets the marks: the first run of decodeRun in [from, fromEnd) comes next. */
export function startRun(from: u32, fromEnd: u32): void {
  markEvery = 1 + (fromEnd - from) / MARKED_BYTES;
  untilMark = 0;
  mark = MARKS_AT;
  setResult(SLOT_FARTHEST, FARTHEST);
}

/**
 * Does the same as decodeElements, but stops at the first element that begins at `stop` or behind it. Copies may reach
 * back to `base`, where the bytes that were decoded before start in the output area. The results block then says where
 * the next element begins and where its bytes go, so that the caller can continue with the same `base`, `fromEnd` and
 * `toEnd`.
 */
export function decodeRun(base: u32, from: u32, fromEnd: u32, to: u32, toEnd: u32, stop: u32): bool {
  let ip = from;
  let op = to;
  const base16 = base + 16;
  const lastOut = min<u32>(toEnd - COPIED_BYTES, stop - 1);
  if (untilMark == 0) {
    untilMark = markEvery;
    putMark(ip, op);
  }
  // The hot loop starts where a copy can first reach back 16 bytes.
  while (ip < fromEnd && op < base16 && op < stop) {
    if (!element(ip, fromEnd, op, base, toEnd)) return false;
    ip = nextIn;
    op = nextOut;
  }
  while (ip < fromEnd && op < stop) {
    if (--untilMark == 0) {
      putMark(ip, op);
      untilMark = markEvery;
    }
    // The window ends at the constant WINDOW_BYTES, so positions in it start late when the input is short.
    let position = WINDOW_BYTES - min<u32>(fromEnd - ip, WINDOW_BYTES);
    const window = ip - position;
    writeSteps(window, position);
    do {
      let behind16 = op - base16;
      while (op <= lastOut) {
        const next = position + <u32>load<u8>(position, STEPS_AT);
        // The element lies entirely in the window, and so in the input.
        if (next > WINDOW_BYTES) break;
        const at = window + position;
        const tag = <u32>load<u8>(at);
        const row = tag << 3;
        const offsetLess16 =
          (<u32>load<u16>(at, 1) & <u32>load<u16>(row, ELEMENTS_AT)) + load<u32>(row, ELEMENTS_AT + 4);
        // Long literals, 4-byte offsets, patterns that repeat within 16 bytes, and copies from before the start.
        if (offsetLess16 > behind16) break;
        const source = select<u32>(op - 16 - offsetLess16, at + 1, tag & 3);
        // This order lets each load see the bytes that the copy itself has written 16 or more bytes before.
        v128.store(op, v128.load(source));
        v128.store(op, v128.load(source, 16), 16);
        v128.store(op, v128.load(source, 32), 32);
        v128.store(op, v128.load(source, 48), 48);
        const length = <u32>load<u8>(row, ELEMENTS_AT + 2);
        op += length;
        behind16 += length;
        position = next;
      }
      ip = window + position;
      if (ip == fromEnd || op >= stop) break;
      if (!element(ip, fromEnd, op, base, toEnd)) return false;
      ip = nextIn;
      op = nextOut;
      position = ip - window;
    } while (position < WINDOW_BYTES && op < stop);
  }
  setResult(SLOT_MARKS, (mark - MARKS_AT) >>> 3);
  setResult(SLOT_NEXT_AT, ip);
  setResult(SLOT_NEXT_OUT, op);
  if (ip == fromEnd && op != toEnd) {
    fail(OUTPUT_SHORT, fromEnd);
    return false;
  }
  return true;
}

function putMark(ip: u32, op: u32): void {
  if (mark == MARKS_END) return;
  store<u32>(mark, ip);
  store<u32>(mark, op, 4);
  mark += 8;
}

/**
 * Computes the distance to the next element for each byte of a window, from `start` to one behind its end, as if an
 * element started there. The values for long literals and 4-byte offsets are never used.
 */
function writeSteps(window: u32, start: u32): void {
  // These are loaded, since V8 keeps loaded values in registers but rebuilds literal constants in each step.
  const ones = v128.load8_splat(CONSTANTS_AT);
  const kindBits = v128.load8_splat(CONSTANTS_AT, 1);
  const lengthBits = v128.load8_splat(CONSTANTS_AT, 2);
  for (let position = start; position <= WINDOW_BYTES; position += 16) {
    const tags = v128.load(window + position);
    const kinds = v128.and(tags, kindBits);
    const lengths = i8x16.add(v128.and(i16x8.shr_u(tags, 2), lengthBits), ones);
    const literals = i8x16.eq(kinds, i8x16.splat(0));
    v128.store(position, i8x16.add(i8x16.add(kinds, ones), v128.and(lengths, literals)), STEPS_AT);
  }
}

/**
 * Decodes one element of any kind at `ip`, with all checks. Sets nextIn and nextOut, or notes a fault and returns
 * false.
 */
function element(ip: u32, fromEnd: u32, op: u32, to: u32, toEnd: u32): bool {
  const tag = <u32>load<u8>(ip);
  const kind = tag & 3;
  let length = (tag >>> 2) + 1;
  if (kind == 0) {
    let start = ip + 1;
    if (length > 60) {
      // The length takes the next 1 to 4 bytes; the load may reach into the slack.
      const extra = length - 60;
      if (extra > fromEnd - start) return fail(LITERAL_PAST_INPUT, ip) != 0;
      const mask = <u32>0xffffffff >>> (32 - (extra << 3));
      const lengthLess1 = load<u32>(start) & mask;
      start += extra;
      // The comparison comes before 1 is added, since 2^32 would wrap to 0.
      if (lengthLess1 >= fromEnd - start) return fail(LITERAL_PAST_INPUT, ip) != 0;
      length = lengthLess1 + 1;
    } else if (length > fromEnd - start) return fail(LITERAL_PAST_INPUT, ip) != 0;
    if (length > toEnd - op) return fail(LITERAL_PAST_OUTPUT, ip) != 0;
    if (length > 64) memory.copy(op, start, length);
    else copyForward(op, start, length);
    nextIn = start + length;
    nextOut = op + length;
    return true;
  }

  let offset: u32;
  let next: u32;
  if (kind == 1) {
    length = 4 + ((tag >>> 2) & 7);
    offset = ((tag & 0xe0) << 3) | <u32>load<u8>(ip, 1);
    next = ip + 2;
  } else if (kind == 2) {
    offset = <u32>load<u16>(ip, 1);
    next = ip + 3;
  } else {
    offset = load<u32>(ip, 1);
    next = ip + 5;
    if (offset > getResult(SLOT_FARTHEST)) setResult(SLOT_FARTHEST, offset);
  }
  if (next > fromEnd) return fail(COPY_PAST_INPUT, ip) != 0;
  // An offset of 0 wraps to the largest number.
  if (offset - 1 >= op - to) return fail(COPY_BEFORE_START, ip) != 0;
  if (length > toEnd - op) return fail(COPY_PAST_OUTPUT, ip) != 0;
  if (offset >= 16) copyForward(op, op - offset, length);
  else repeatPattern(op, offset, length);
  nextIn = next;
  nextOut = op + length;
  return true;
}

/** Copies forward in steps of 16, so an overlap at a distance of 16 bytes or more repeats as snappy requires. */
function copyForward(to: u32, from: u32, length: u32): void {
  const end = to + length;
  do {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
  } while (to < end);
}

/** Fills with the last `offset` bytes (1 to 15), over and over. */
function repeatPattern(to: u32, offset: u32, length: u32): void {
  const end = to + length;
  const pattern = i8x16.swizzle(v128.load(to - offset), v128.load(PATTERNS_AT + (offset << 4)));
  // The step is a multiple of the pattern that fits 16 bytes, so that every store begins where the pattern does.
  const step = <u32>load<u8>(PATTERNS_AT + offset);
  do {
    v128.store(to, pattern);
    to += step;
  } while (to < end);
}

/**
 * Writes the tables, once. Patterns: row N says, for each of 16 bytes, which byte of a pattern of N bytes it is; row 0,
 * otherwise unused, holds at N how many of the 16 bytes are whole repetitions. Elements: 8 bytes for each tag byte:
 * bytes 0-1 mask the offset bits in the 2 bytes behind the tag, byte 2 is the length, byte 3 is the number of bytes
 * that the element takes (0 for a literal of more than 60), bytes 4-7 are added to the offset, less 16. A literal gets
 * an offset of 16, which always passes the check; the tags that `element` must handle get an offset that never passes.
 * Constants: the bytes that writeSteps needs.
 */
export function writeTables(): void {
  for (let offset: u32 = 1; offset < 16; offset++) {
    store<u8>(PATTERNS_AT + offset, <u8>(16 - (16 % offset)));
    for (let i: u32 = 0; i < 16; i++) store<u8>(PATTERNS_AT + (offset << 4) + i, <u8>(i % offset));
  }
  for (let tag: u32 = 0; tag < 256; tag++) {
    const kind = tag & 3;
    const six = tag >>> 2;
    let mask: u32 = 0;
    let length = six + 1;
    let added: u32 = 0;
    let bytes: u32 = kind == 3 ? 5 : kind + 1;
    if (kind == 1) {
      mask = 0xff;
      length = (six & 7) + 4;
      added = ((tag & 0xe0) << 3) - 16;
    } else if (kind == 2) {
      mask = 0xffff;
      added = <u32>-16;
    } else if (kind == 3 || six >= 60) added = 0xffffffff;
    if (kind == 0) bytes = six < 60 ? 1 + length : 0;
    const row = ELEMENTS_AT + (tag << 3);
    store<u16>(row, mask);
    store<u8>(row, length, 2);
    store<u8>(row, bytes, 3);
    store<u32>(row, added, 4);
  }
  store<u8>(CONSTANTS_AT, 1);
  store<u8>(CONSTANTS_AT, 3, 1);
  store<u8>(CONSTANTS_AT, 0x3f, 2);
}
