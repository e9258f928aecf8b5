/**
 * Joins compressed WriteRequests into one, without decompressing any.
 *
 * A WriteRequest of remote write 1.0 has only repeated fields, so concatenated messages are one merged message. A
 * snappy block is a varint (its decoded length) and elements whose copies look back inside the block by a distance, not
 * to a position. So `varint(sum of lengths)` and each body without its own varint is a block that decodes to the
 * concatenation.
 */
import { varintBytes, writeVarint } from './varint.ts';

/** A body that Kernel.scan has accepted; nothing is checked here. */
export interface JoinPart {
  body: Uint8Array;
  /** The decoded size of the body, in bytes. */
  rawBytes: number;
  /** The offset of the elements, behind the varint. */
  elementsAt: number;
}

/** Returns memory of exactly so many bytes, which need not be cleared. */
export type Allocate = (bytes: number) => Buffer;

export function allocateUnsafe(bytes: number): Buffer {
  return Buffer.allocUnsafe(bytes);
}

/**
 * Returns the joined body. For one part this is the body itself, not a copy; otherwise it is written to memory from
 * `allocate`. Throws RangeError from 4 GiB of decoded bytes on.
 */
export function joinBodies(parts: readonly JoinPart[], allocate: Allocate = allocateUnsafe): Buffer {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return asBuffer(first.body);
  let rawBytes = 0;
  let elementBytes = 0;
  for (const part of parts) {
    rawBytes += part.rawBytes;
    elementBytes += part.body.length - part.elementsAt;
  }
  // Not zeroed, since every byte is written below.
  const joined = allocate(varintBytes(rawBytes) + elementBytes);
  let at = writeVarint(joined, 0, rawBytes);
  for (const { body, elementsAt } of parts) {
    joined.set(elementsAt === 0 ? body : body.subarray(elementsAt), at); // copies
    at += body.length - elementsAt;
  }
  return joined;
}

/** Returns the same bytes as a Buffer, without copying. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
