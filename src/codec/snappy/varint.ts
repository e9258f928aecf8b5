/**
 * Base-128 varints as snappy's preamble uses them: the decoded length of a block, an unsigned 32-bit number in 1 to 5
 * bytes (https://github.com/google/snappy/blob/main/format_description.txt, section 1).
 */

const MAX_UINT32 = 0xffffffff;

/** Returns how many bytes `value` takes. Throws RangeError unless it is a whole number from 0 to 2^32 - 1. */
export function varintBytes(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > MAX_UINT32) {
    throw new RangeError(`a snappy block cannot declare ${value} bytes; the most is ${MAX_UINT32}`);
  }
  let bytes = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

/** Writes `value` at `at` and returns the offset behind it. Throws RangeError if it does not fit. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  const end = at + varintBytes(value);
  if (end > target.length) throw new RangeError(`no room for a varint of ${end - at} bytes at ${at}`);
  let rest = value;
  for (let next = at; next < end - 1; next += 1) {
    target[next] = (rest % 128) + 128;
    rest = Math.floor(rest / 128);
  }
  target[end - 1] = rest;
  return end;
}

/**
 * Reads the varint that `source` starts with. Returns undefined if it is cut off, takes more than 5 bytes or exceeds
 * 2^32 - 1. `varintEnd` finds where it ends: returning two numbers would allocate an object per request.
 */
export function readVarint(source: Uint8Array): number | undefined {
  const end = varintEnd(source);
  if (end === 0) return undefined;
  let value = 0;
  for (let at = end - 1; at >= 0; at -= 1) value = value * 128 + ((source[at] ?? 0) & 0x7f);
  return value <= MAX_UINT32 ? value : undefined;
}

/** Returns the offset behind the varint that `source` starts with, 1 to 5; 0 if it does not end in time. */
export function varintEnd(source: Uint8Array): number {
  const longest = Math.min(source.length, 5);
  for (let at = 0; at < longest; at += 1) if ((source[at] ?? 0) < 0x80) return at + 1;
  return 0;
}
