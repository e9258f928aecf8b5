/**
 * Snappy decoding of one block's elements, by the format description
 * (https://github.com/google/snappy/blob/main/format_description.txt).
 *
 * Two loops. The fast one runs while both areas have room for the largest short element, so one check at its head
 * covers every read and write of the element; it takes literals of up to 60 bytes and copies with 1- and 2-byte
 * offsets of 16 and more, without a branch on the kind of the element (real bodies mix kinds so that such a branch
 * cannot be predicted). Whatever else it meets goes to `element`, which checks everything and names the fault.
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
import { ELEMENTS_AT, PATTERNS_AT } from './layout';
import { fail } from './results';

/** A literal of 60 bytes has 61; loads of 64 bytes from behind its tag stay inside. */
const FAST_INPUT_BYTES: u32 = 66;
/** The longest copy, and the most that is written for any short element. */
const FAST_OUTPUT_BYTES: u32 = 64;

/** Where the next element starts, and where its bytes go, after `element`. */
let nextIn: u32 = 0;
let nextOut: u32 = 0;

/**
 * Decodes the elements in [from, fromEnd) into exactly [to, toEnd). Writes at most 16 bytes beyond toEnd.
 * Returns whether all is well; else a fault is noted, at an address in the input.
 */
export function decodeElements(from: u32, fromEnd: u32, to: u32, toEnd: u32): bool {
  let ip = from;
  let op = to;
  if (fromEnd - from > FAST_INPUT_BYTES && toEnd - to > FAST_OUTPUT_BYTES) {
    const lastIn = fromEnd - FAST_INPUT_BYTES;
    const lastOut = toEnd - FAST_OUTPUT_BYTES;
    while (ip <= lastIn && op <= lastOut) {
      const tag = <u32>load<u8>(ip);
      const entry = load<u64>(ELEMENTS_AT + (tag << 3));
      const length = <u32>entry & 0xff;
      const offset = (<u32>load<u16>(ip, 1) & ((<u32>entry >>> 16) & 0xffff)) + <u32>(entry >>> 32);
      // Long literals, 4-byte offsets, patterns that repeat within 16 bytes, and the block's first bytes.
      if (offset < 16 || offset > op - to) {
        if (!element(ip, fromEnd, op, to, toEnd)) return false;
        ip = nextIn;
        op = nextOut;
        continue;
      }
      const isLiteral = (tag & 3) == 0;
      const source = select<u32>(ip + 1, op - offset, isLiteral);
      // In this order each load sees what the copy itself has written 16 or more bytes before.
      v128.store(op, v128.load(source));
      v128.store(op, v128.load(source, 16), 16);
      if (length > 32) {
        v128.store(op, v128.load(source, 32), 32);
        v128.store(op, v128.load(source, 48), 48);
      }
      // Computed, not looked up: the address of the next element waits for this alone.
      ip += select<u32>((tag >>> 2) + 2, (tag & 3) + 1, isLiteral);
      op += length;
    }
  }
  while (ip < fromEnd) {
    if (!element(ip, fromEnd, op, to, toEnd)) return false;
    ip = nextIn;
    op = nextOut;
  }
  if (op != toEnd) {
    fail(OUTPUT_SHORT, fromEnd);
    return false;
  }
  return true;
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
 * Elements: for each tag byte, bits 0-7 the length, 16-31 which bits of the 2 bytes behind the tag belong to the
 * offset, 32-63 what is added to them. A literal gets an offset of 16, which always passes for one; the tags that
 * `element` must handle get an offset of 0, which never does.
 */
export function writeTables(): void {
  for (let offset: u32 = 1; offset < 16; offset++) {
    store<u8>(PATTERNS_AT + offset, <u8>(16 - (16 % offset)));
    for (let i: u32 = 0; i < 16; i++) store<u8>(PATTERNS_AT + (offset << 4) + i, <u8>(i % offset));
  }
  for (let tag: u32 = 0; tag < 256; tag++) {
    const kind = tag & 3;
    const six = tag >>> 2;
    let entry: u64 = 0;
    if (kind == 0 && six < 60) entry = <u64>(six + 1) | ((<u64>16) << 32);
    else if (kind == 1) entry = <u64>((six & 7) + 4) | (0xff << 16) | ((<u64>((tag & 0xe0) << 3)) << 32);
    else if (kind == 2) entry = <u64>(six + 1) | ((<u64>0xffff) << 16);
    store<u64>(ELEMENTS_AT + (tag << 3), entry);
  }
}
