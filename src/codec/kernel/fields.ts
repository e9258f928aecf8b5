/**
 * The careful reader of the wire format (https://protobuf.dev/programming-guides/encoding/), for every message of
 * remote write 1.0 and for everything that the hot loop of scan.ts leaves to it.
 *
 * It is somewhat stricter than the Go decoder of the receivers: every length is checked against the message around it,
 * a known field must have its wire type, field numbers are 1 to 2^29 - 1, varints take at most 10 bytes, packed fields
 * end where their last element does, groups are closed by their own number. Unknown fields of every wire type are
 * skipped. Every function takes the position and the end of what it may read and returns the position behind it, or 0
 * with a fault noted.
 */
import {
  FIELD_NUMBER_ZERO,
  FIXED_PAST_END,
  GROUPS_TOO_DEEP,
  GROUP_END_UNMATCHED,
  GROUP_NOT_CLOSED,
  LENGTH_PAST_END,
  PACKED_NOT_WHOLE,
  SERIES_WITHOUT_LABELS,
  TAG_TOO_LARGE,
  TOO_MANY_FIELDS,
  UNKNOWN_WIRE_TYPE,
  VARINT_CUT,
  VARINT_TOO_LONG,
  WRONG_WIRE_TYPE,
} from './faults';
import {
  MAX_GROUP_DEPTH,
  OPEN_GROUPS_AT,
  SLOT_EXEMPLARS,
  SLOT_HISTOGRAMS,
  SLOT_METADATA,
  SLOT_SAMPLES,
  SLOT_SERIES,
  SLOT_UNKNOWN,
} from './layout';
import { fail, getResult, setResult } from './results';
import { noteTimestamp } from './timestamps';

/**
 * The kind of value that a field holds. All are below 16, so that a message's fields fit one u64: 4 bits for each of
 * the numbers 1 to 16.
 */
const UNKNOWN: u32 = 0;
const VARINT: u32 = 1;
const FIXED64: u32 = 2;
const BYTES: u32 = 3;
const PACKED_VARINT: u32 = 4;
const PACKED_FIXED64: u32 = 5;
const TIMESTAMP: u32 = 6;
const MESSAGE_LABEL: u32 = 7;
const MESSAGE_SAMPLE: u32 = 8;
const MESSAGE_EXEMPLAR: u32 = 9;
const MESSAGE_HISTOGRAM: u32 = 10;
const MESSAGE_SPAN: u32 = 11;
const MESSAGE_SERIES: u32 = 12;
const MESSAGE_METADATA: u32 = 13;
const MESSAGE_REQUEST: u32 = 14;

/** The fields of a message, field 1 in the lowest 4 bits: read the digits from the right, next to proto/*.proto. */
function fieldsOf(message: u32): u64 {
  switch (message) {
    case MESSAGE_LABEL:
      return 0x33;
    case MESSAGE_SAMPLE:
      return 0x62;
    case MESSAGE_SPAN:
      return 0x11;
    case MESSAGE_EXEMPLAR:
      return 0x127;
    case MESSAGE_HISTOGRAM:
      return 0x56154b54b2121221;
    case MESSAGE_SERIES:
      return 0xa987;
    case MESSAGE_METADATA:
      return 0x33031;
    default:
      return 0xd0c; // WriteRequest
  }
}

/** The last varint, tag and length that were read. */
export let varint: u64 = 0;
export let tag: u32 = 0;
export let length: u32 = 0;

/** The number of further fields that may be read one by one: this reader costs many times more than the hot loop. */
let fieldsLeft: u32 = 0;

export function allowFields(count: u32): void {
  fieldsLeft = count;
}

/** Counts the field at `at`. Returns false after noting a fault when it is one too many. */
export function countField(at: u32): bool {
  if (fieldsLeft == 0) return fail(TOO_MANY_FIELDS, at) != 0;
  fieldsLeft--;
  return true;
}

/** Reads a varint of at most 10 bytes into `varint`; bits beyond the 64th are dropped, as Go does. */
export function readVarint(at: u32, end: u32): u32 {
  const first = <u32>load<u8>(at);
  if (at < end && first < 0x80) {
    varint = first;
    return at + 1;
  }
  return readLongVarint(at, end);
}

function readLongVarint(at: u32, end: u32): u32 {
  let value: u64 = 0;
  let p = at;
  for (let shift: u64 = 0; shift < 70; shift += 7) {
    if (p >= end) return fail(VARINT_CUT, at);
    const byte = <u64>load<u8>(p++);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      varint = value;
      return p;
    }
  }
  return fail(VARINT_TOO_LONG, at);
}

/** Reads a field's tag into `tag`. */
export function readTag(at: u32, end: u32): u32 {
  const p = readVarint(at, end);
  if (p == 0) return 0;
  if (varint > 0xffffffff) return fail(TAG_TOO_LARGE, at);
  tag = <u32>varint;
  if (tag >>> 3 == 0) return fail(FIELD_NUMBER_ZERO, at);
  return p;
}

/** Reads a length into `length` and checks that so many bytes follow. */
export function readLength(at: u32, end: u32): u32 {
  const p = readVarint(at, end);
  if (p == 0) return 0;
  if (varint > <u64>(end - p)) return fail(LENGTH_PAST_END, at);
  length = <u32>varint;
  return p;
}

/** Skips the value of the field whose tag, at `at`, is in `tag`; `p` is behind the tag. */
export function skipField(at: u32, p: u32, end: u32): u32 {
  let depth: u32 = 0;
  do {
    switch (tag & 7) {
      case 0:
        p = readVarint(p, end);
        break;
      case 1:
        p = skipFixed(p, end, 8);
        break;
      case 2:
        p = readLength(p, end);
        if (p != 0) p += length;
        break;
      case 3:
        if (depth == MAX_GROUP_DEPTH) return fail(GROUPS_TOO_DEEP, at);
        store<u32>(OPEN_GROUPS_AT + (depth << 2), tag >>> 3);
        depth++;
        break;
      case 4:
        if (depth == 0 || load<u32>(OPEN_GROUPS_AT + ((depth - 1) << 2)) != tag >>> 3) {
          return fail(GROUP_END_UNMATCHED, at);
        }
        depth--;
        break;
      case 5:
        p = skipFixed(p, end, 4);
        break;
      default:
        return fail(UNKNOWN_WIRE_TYPE, at);
    }
    if (p == 0) return 0;
    if (depth == 0) return p;
    if (p >= end) return fail(GROUP_NOT_CLOSED, at);
    if (!countField(at)) return 0;
    at = p;
    p = readTag(p, end);
  } while (p != 0);
  return 0;
}

/** Checks the fields of a WriteRequest in [p, end) and counts them in the results block. */
export function walkRequest(p: u32, end: u32): u32 {
  return walk(MESSAGE_REQUEST, p, p, end, 0);
}

/**
 * Reads the content of one TimeSeries, whose field starts at `at`, from `p` on; at least `labels` labels precede it.
 */
export function walkSeries(at: u32, p: u32, end: u32, labels: u32): u32 {
  return walk(MESSAGE_SERIES, at, p, end, labels);
}

/** Reads one message of any kind. It calls itself for nested messages, which are at most 3 deep by definition. */
function walk(message: u32, messageAt: u32, p: u32, end: u32, labels: u32): u32 {
  const fields = fieldsOf(message);
  let timestampMs: i64 = 0;
  while (p < end) {
    const at = p;
    if (!countField(at)) return 0;
    p = readTag(p, end);
    if (p == 0) return 0;
    const number = tag >>> 3;
    const wire = tag & 7;
    const holds = number <= 16 ? <u32>(fields >> <u64>((number - 1) << 2)) & 15 : UNKNOWN;
    if (holds == UNKNOWN) {
      if (message == MESSAGE_REQUEST) increment(SLOT_UNKNOWN);
      p = skipField(at, p, end);
    } else if (holds == VARINT || holds == TIMESTAMP || (holds == PACKED_VARINT && wire == 0)) {
      if (wire != 0) return fail(WRONG_WIRE_TYPE, at);
      p = readVarint(p, end);
      if (holds == TIMESTAMP) timestampMs = <i64>varint;
    } else if (holds == FIXED64 || (holds == PACKED_FIXED64 && wire == 1)) {
      if (wire != 1) return fail(WRONG_WIRE_TYPE, at);
      p = skipFixed(p, end, 8);
    } else {
      if (wire != 2) return fail(WRONG_WIRE_TYPE, at);
      const lengthAt = p;
      p = readLength(p, end);
      if (p == 0) return 0;
      const next = p + length;
      if (holds == PACKED_VARINT) {
        if (areVarints(p, next)) p = next;
        while (p < next) {
          p = readVarint(p, next);
          if (p == 0) return 0;
        }
      } else if (holds == PACKED_FIXED64) {
        if ((length & 7) != 0) return fail(PACKED_NOT_WHOLE, lengthAt);
      } else if (holds >= MESSAGE_LABEL) {
        if (holds == MESSAGE_LABEL) labels++;
        if (length == 0) {
          if (!endMessage(holds, at, 0, 0)) return 0;
        } else if (walk(holds, at, p, next, 0) == 0) return 0;
      }
      p = next;
    }
    if (p == 0) return 0;
  }
  return endMessage(message, messageAt, labels, timestampMs) ? end : 0;
}

/** Counts a message that has been read whole. */
function endMessage(message: u32, at: u32, labels: u32, timestampMs: i64): bool {
  switch (message) {
    case MESSAGE_SERIES:
      if (labels == 0) return fail(SERIES_WITHOUT_LABELS, at) != 0;
      increment(SLOT_SERIES);
      break;
    case MESSAGE_SAMPLE:
      increment(SLOT_SAMPLES);
      noteTimestamp(timestampMs);
      break;
    case MESSAGE_HISTOGRAM:
      increment(SLOT_HISTOGRAMS);
      noteTimestamp(timestampMs);
      break;
    case MESSAGE_EXEMPLAR:
      increment(SLOT_EXEMPLARS);
      break;
    case MESSAGE_METADATA:
      increment(SLOT_METADATA);
      break;
  }
  return true;
}

/**
 * Returns true if [p, end) holds varints of at most 9 bytes, the last of them whole; checks 16 bytes at a time. Longer
 * varints may still be valid.
 */
function areVarints(p: u32, end: u32): bool {
  if (p == end) return true;
  if (load<u8>(end - 1) >= 0x80) return false;
  // The continuation bits, in the order of the bytes: the 16 bytes before and these 16.
  let goOn: u32 = 0;
  for (; p < end; p += 16) {
    goOn = (goOn >>> 16) | ((<u32>i8x16.bitmask(v128.load(p))) << 16);
    // Finds runs of 2, 4, 8 and 9. Bytes behind the end can only begin a run there, since the last byte has no
    // continuation bit.
    const two = goOn & (goOn >>> 1);
    const four = two & (two >>> 2);
    const eight = four & (four >>> 4);
    if ((eight & (goOn >>> 8)) != 0 && end - p > 16) return false;
    if ((eight & (goOn >>> 8)) != 0) {
      const inside = goOn & (<u32>0xffffffff >>> (16 - min<u32>(end - p, 16)));
      const pairs = inside & (inside >>> 1);
      const fours = pairs & (pairs >>> 2);
      if ((fours & (fours >>> 4) & (inside >>> 8)) != 0) return false;
    }
  }
  return true;
}

function skipFixed(p: u32, end: u32, bytes: u32): u32 {
  return bytes > end - p ? fail(FIXED_PAST_END, p) : p + bytes;
}

export function increment(slot: i32): void {
  setResult(slot, getResult(slot) + 1);
}
