/**
 * Snappy encoding of one block's elements, by the format description
 * (https://github.com/google/snappy/blob/main/format_description.txt).
 *
 * The encoder takes the input in blocks of 64 KiB, each with a fresh hash table of 4-byte sequences (so the table holds
 * 16-bit positions). It is greedy: it looks at the next 4 bytes and, if they occurred before in the block, copies as
 * far as both agree. When it finds nothing for long, its steps grow, so that incompressible input costs little.
 * bench/micro/kernel.ts compares its speed and ratio with other libraries.
 */
import { BLOCK_BYTES, ENCODED_BLOCK_BYTES, HASH_TABLE_AT, HASH_TABLE_ENTRIES } from './layout';

/** No copy starts in the last bytes of a block, so that loads of 16 stay inside it. */
const LAST_BYTES: u32 = 16;
const BLOCK: u32 = BLOCK_BYTES;
const BLOCK_ROOM: u32 = ENCODED_BLOCK_BYTES;
const MOST_ENTRIES: u32 = HASH_TABLE_ENTRIES;

/**
 * Encodes [from, fromEnd) as elements (without the length in front) to [to, toEnd). Returns where they end, or 0 if the
 * space might not suffice: a block is begun only if its worst case fits.
 */
export function encodeElements(from: u32, fromEnd: u32, to: u32, toEnd: u32): u32 {
  let out = to;
  while (from < fromEnd) {
    const blockEnd = fromEnd - from > BLOCK ? from + BLOCK : fromEnd;
    if (toEnd - out < BLOCK_ROOM) return 0;
    out = encodeBlock(from, blockEnd, out);
    from = blockEnd;
  }
  return out;
}

function encodeBlock(block: u32, end: u32, to: u32): u32 {
  let literal = block;
  let out = to;
  if (end - block > LAST_BYTES) {
    // A small block gets a small table: clearing it is most of the work.
    let shift: u32 = 32 - 8;
    let entries: u32 = 256;
    while (entries < MOST_ENTRIES && entries < end - block) {
      entries <<= 1;
      shift--;
    }
    memory.fill(HASH_TABLE_AT, 0, entries << 1);
    const last = end - LAST_BYTES;
    let p = block + 1;
    while (true) {
      // Looks for 4 bytes that occurred before.
      let candidate: u32;
      let tries: u32 = 32;
      while (true) {
        if (p > last) return putLiteral(out, literal, end);
        const slot = slotOf(load<u32>(p), shift);
        candidate = block + <u32>load<u16>(slot);
        store<u16>(slot, <u16>(p - block));
        if (load<u32>(p) == load<u32>(candidate)) break;
        p += tries++ >>> 5;
      }
      if (literal < p) out = putLiteral(out, literal, p);
      // Copies as long as one copy follows directly upon another.
      while (true) {
        const matched = 4 + matchLength(candidate + 4, p + 4, end);
        out = putCopy(out, p - candidate, matched);
        p += matched;
        literal = p;
        if (p > last) return literal < end ? putLiteral(out, literal, end) : out;
        store<u16>(slotOf(load<u32>(p - 1), shift), <u16>(p - 1 - block));
        const slot = slotOf(load<u32>(p), shift);
        candidate = block + <u32>load<u16>(slot);
        store<u16>(slot, <u16>(p - block));
        if (load<u32>(p) != load<u32>(candidate)) break;
      }
      p++;
    }
  }
  return putLiteral(out, literal, end);
}

function slotOf(bytes: u32, shift: u32): u32 {
  return HASH_TABLE_AT + (((bytes * 0x1e35a7bd) >>> shift) << 1);
}

/** Returns how many bytes from `a` and from `b`, the later one, agree, up to `end`. */
function matchLength(a: u32, b: u32, end: u32): u32 {
  const start = b;
  while (b + 16 <= end) {
    const equal = <u32>i8x16.bitmask(i8x16.eq(v128.load(a), v128.load(b)));
    if (equal != 0xffff) return b - start + ctz<u32>(~equal);
    a += 16;
    b += 16;
  }
  while (b < end && load<u8>(a) == load<u8>(b)) {
    a++;
    b++;
  }
  return b - start;
}

/** Writes [from, end), at least one byte, as a literal. May write up to 15 bytes more, into free space or slack. */
function putLiteral(to: u32, from: u32, end: u32): u32 {
  const length = end - from;
  const lengthLess1 = length - 1;
  if (lengthLess1 < 60) {
    store<u8>(to, lengthLess1 << 2);
    to += 1;
  } else if (lengthLess1 < 256) {
    store<u8>(to, 60 << 2);
    store<u8>(to, lengthLess1, 1);
    to += 2;
  } else {
    // A block has at most 65536 bytes.
    store<u8>(to, 61 << 2);
    store<u16>(to, <u16>lengthLess1, 1);
    to += 3;
  }
  if (length <= 16) v128.store(to, v128.load(from));
  else memory.copy(to, from, length);
  return to + length;
}

/** Writes copies for `length` bytes, at least 4, from `offset` bytes back. */
function putCopy(to: u32, offset: u32, length: u32): u32 {
  // Takes 60 where 64 would leave less than the 4 bytes of the shortest form.
  while (length >= 68) {
    to = putCopy2(to, offset, 64);
    length -= 64;
  }
  if (length > 64) {
    to = putCopy2(to, offset, 60);
    length -= 60;
  }
  if (length >= 12 || offset >= 2048) return putCopy2(to, offset, length);
  store<u8>(to, ((offset >>> 8) << 5) | ((length - 4) << 2) | 1);
  store<u8>(to, offset, 1);
  return to + 2;
}

function putCopy2(to: u32, offset: u32, length: u32): u32 {
  store<u8>(to, ((length - 1) << 2) | 2);
  store<u16>(to, <u16>offset, 1);
  return to + 3;
}
