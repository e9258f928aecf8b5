/**
 * Snappy decoding of one block's elements, by the format description
 * (https://github.com/google/snappy/blob/main/format_description.txt).
 *
 * The hot loop takes literals of up to 60 bytes and copies with 1- and 2-byte offsets of 16 and more, without a branch
 * on the kind or the length of the element (real bodies mix them so that such a branch cannot be predicted). What
 * remains to wait for is where the next element starts, which is asked for each one after the other. So the steps from
 * element to element are worked out beforehand, for a window of the input, at every byte as if one started there: then
 * it is a load and an addition. Whatever else is met goes to `element`, which checks everything and names the fault.
 * bench/micro/kernel.ts justifies it.
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

/** The longest copy, and what is written for any element in the hot loop. */
const COPIED_BYTES: u32 = 64;
const WINDOW_BYTES: u32 = STEPS_BYTES;
/** One mark a window for a body of less than this, one in two for less than twice this, and so on: half of MOST_MARKS. */
const MARKED_BYTES: u32 = (WINDOW_BYTES * MOST_MARKS) >>> 1;
const MARKS_END: u32 = MARKS_AT + (MOST_MARKS << 3);
/** Of copies with 1- and 2-byte offsets. */
const FARTHEST: u32 = 65535;

/** Where the next element starts, and where its bytes go, after `element`. */
let nextIn: u32 = 0;
let nextOut: u32 = 0;

/** Where the next mark goes, and how many windows it is until then. */
let mark: u32 = MARKS_AT;
let untilMark: u32 = 0;
let markEvery: u32 = 1;

/**
 * Decodes the elements in [from, fromEnd) into exactly [to, toEnd). Writes at most 16 bytes beyond toEnd.
 * Returns whether all is well; else a fault is noted, at an address in the input. Leaves marks for findKept.
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
 * As decodeElements, but stops at the first element that begins at `stop` or behind it; copies may reach back to
 * `base`, from where on the output area holds what was decoded before. In the results block is then where the next
 * element begins and where its bytes go: where to go on, with the same `base`, `fromEnd` and `toEnd`.
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
  // The hot loop counts from where a copy can first reach back 16 bytes.
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
    // The window ends at WINDOW_BYTES, which is a constant, so that positions in it start late where the input is short.
    let position = WINDOW_BYTES - min<u32>(fromEnd - ip, WINDOW_BYTES);
    const window = ip - position;
    writeSteps(window, position);
    do {
      let behind16 = op - base16;
      while (op <= lastOut) {
        const next = position + <u32>load<u8>(position, STEPS_AT);
        // It is whole in the window, and so in the input.
        if (next > WINDOW_BYTES) break;
        const at = window + position;
        const tag = <u32>load<u8>(at);
        const row = tag << 3;
        const offsetLess16 =
          (<u32>load<u16>(at, 1) & <u32>load<u16>(row, ELEMENTS_AT)) + load<u32>(row, ELEMENTS_AT + 4);
        // Long literals, 4-byte offsets, patterns that repeat within 16 bytes, and copies from before the start.
        if (offsetLess16 > behind16) break;
        const source = select<u32>(op - 16 - offsetLess16, at + 1, tag & 3);
        // In this order each load sees what the copy itself has written 16 or more bytes before.
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
 * For each byte of a window, from `start` to its end and one further: how far it is to the next element if one starts
 * there. Of long literals and 4-byte offsets it says nothing that is used.
 */
function writeSteps(window: u32, start: u32): void {
  // Loaded: V8 keeps these in registers, and makes written constants anew for each step.
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

/** Any one element at `ip`, everything checked. Sets nextIn and nextOut, or notes a fault and returns false. */
function element(ip: u32, fromEnd: u32, op: u32, to: u32, toEnd: u32): bool {
  const tag = <u32>load<u8>(ip);
  const kind = tag & 3;
  let length = (tag >>> 2) + 1;
  if (kind == 0) {
    let start = ip + 1;
    if (length > 60) {
      // 1 to 4 bytes of length follow; the load may reach into the slack.
      const extra = length - 60;
      if (extra > fromEnd - start) return fail(LITERAL_PAST_INPUT, ip) != 0;
      const mask = <u32>0xffffffff >>> (32 - (extra << 3));
      const lengthLess1 = load<u32>(start) & mask;
      start += extra;
      // Compared before 1 is added: 2^32 would wrap to 0.
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

/** Copies in steps of 16, forward, so an overlap of 16 bytes or more away repeats as snappy wants it. */
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
  // Whole repetitions that fit 16 bytes, so that every store begins where the pattern does.
  const step = <u32>load<u8>(PATTERNS_AT + offset);
  do {
    v128.store(to, pattern);
    to += step;
  } while (to < end);
}

/**
 * Writes the tables, once.
 * Patterns: row N says which byte of a pattern of N bytes each of 16 bytes is; the otherwise unused row 0 holds at N
 * how many of the 16 bytes are whole repetitions.
 * Elements: for each tag byte, in 8 bytes: 0-1 which bits of the 2 bytes behind the tag belong to the offset, 2 the
 * length, 3 the bytes that the element takes (0 for a literal of more than 60), 4-7 what is added to the offset, less 16.
 * A literal gets an offset of 16, which always passes for one; the tags that `element` must handle get one that never
 * does.
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
