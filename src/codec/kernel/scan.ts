/**
 * The wire scan: checks a whole decoded WriteRequest and counts it, without an object or a copy of anything.
 *
 * `scanFields` is the hot loop. It takes a TimeSeries of the common shape (labels with a name and a value of together
 * up to 123 bytes, then samples with a timestamp of 6 varint bytes, that is of the years 1971 to 2109) with a few
 * loads each, two series at a time, and hands whatever differs, whole, to the careful reader in fields.ts. It may look
 * up to 300 bytes past the message into the slack, but takes a shape only when its lengths add up inside the message.
 * bench/micro/kernel.ts justifies it.
 */
import { TOO_MANY_METADATA, TOO_MANY_SAMPLES, TOO_MANY_SERIES } from './faults';
import {
  allowFields,
  countField,
  increment,
  length,
  readLength,
  readTag,
  skipField,
  tag,
  walkRequest,
  walkSeries,
} from './fields';
import {
  SLOT_CLUSTER_AT,
  SLOT_CLUSTER_BYTES,
  SLOT_EXEMPLARS,
  SLOT_FAULT,
  SLOT_HISTOGRAMS,
  SLOT_METADATA,
  SLOT_REPLICA_AT,
  SLOT_REPLICA_BYTES,
  SLOT_SAMPLES,
  SLOT_SERIES,
  SLOT_UNKNOWN,
} from './layout';
import { fail, getResult, setResult } from './results';
import { forgetTimestamps, noteTimestamp, writeTimestamps } from './timestamps';

const FIELD_1_BYTES: u32 = 0x0a;
const FIELD_2_BYTES: u32 = 0x12;
const FIELD_3_BYTES: u32 = 0x1a;
const FIELD_4_BYTES: u32 = 0x22;
const FIELD_5_BYTES: u32 = 0x2a;
const FIELD_1_VARINT: u32 = 0x08;
const SERIES_FIELD: u32 = 1;
const METADATA_FIELD: u32 = 3;
const SAMPLE_VALUE: u32 = 0x09;
const SAMPLE_TIMESTAMP: u32 = 0x10;
/** The continuation bits of a varint of 6 bytes, and what they are in one. */
const VARINT6_BITS: u64 = 0x0000808080808080;
const VARINT6_SET: u64 = 0x0000008080808080;

/** What a request may hold. `samples` are histograms and exemplars too. */
let maxSeries: u32 = 0;
let maxSamples: u32 = 0;
let maxMetadata: u32 = 0;

/** Sets what the requests that are scanned next may hold. */
export function setLimits(series: u32, samples: u32, metadata: u32, fields: u32): void {
  maxSeries = series;
  maxSamples = samples;
  maxMetadata = metadata;
  allowFields(fields);
}

/**
 * Checks and counts the WriteRequest in [from, end), which may hold so much at most. Results and faults are in the
 * results block.
 */
export function scanRequest(from: u32, end: u32, series: u32, samples: u32, metadata: u32, fields: u32): bool {
  for (let slot = SLOT_FAULT; slot <= SLOT_REPLICA_BYTES; slot++) setResult(slot, 0);
  forgetTimestamps();
  setLimits(series, samples, metadata, fields);
  if (!scanFields(from, end) || !isWithinLimits(end)) return false;
  writeTimestamps();
  // It passes fields that were counted.
  allowFields(0xffffffff);
  findMergeKey(from, end);
  return true;
}

/** Of the plain series, beside the results block. */
let series: u32 = 0;
let samples: u32 = 0;
/** Most samples of a request share their timestamp: only a change is looked at. */
let lastTimestamp: u64 = 0;

/** Checks and counts the whole fields of a WriteRequest in [from, end); the counts add to those before. */
export function scanFields(from: u32, end: u32): bool {
  series = 0;
  samples = 0;
  lastTimestamp = 0;
  let metadata: u32 = 0;
  let p = from;
  while (p < end) {
    const head = load<u32>(p);
    let content = contentStart(p, head);
    let contentEnd = content + shortLength(head);
    if (!isShortSeries(head) || contentEnd > end) {
      if (
        (head & 0xff) == FIELD_3_BYTES &&
        hasShortLength(head) &&
        contentEnd <= end &&
        isPlainMetadata(content, contentEnd)
      ) {
        metadata++;
        if (metadata > maxMetadata) return fail(TOO_MANY_METADATA, p) != 0;
        p = contentEnd;
      } else {
        p = scanOther(p, end);
        if (p == 0) return false;
      }
      continue;
    }
    // Where a label starts waits for the length of the one before it: those of two series wait together.
    const nextHead = load<u32>(contentEnd);
    const nextContent = contentStart(contentEnd, nextHead);
    const nextEnd = nextContent + shortLength(nextHead);
    let isPair = contentEnd < end && isShortSeries(nextHead) && nextEnd <= end;
    let s = content;
    let t = isPair ? nextContent : nextEnd;
    while (s < contentEnd) {
      const label = load<u32>(s);
      if (t >= nextEnd) break;
      const nextLabel = load<u32>(t);
      if (!startsLabel(label)) break;
      // Loads of their own: where the next labels start waits for these alone.
      const labelEnd = s + 2 + <u32>load<u8>(s, 1);
      if (!startsLabel(nextLabel)) break;
      const nextLabelEnd = t + 2 + <u32>load<u8>(t, 1);
      if (!holdsNameAndValue(s, label) || !holdsNameAndValue(t, nextLabel)) break;
      s = labelEnd;
      t = nextLabelEnd;
    }
    // Called from one place, which has it compiled in.
    while (true) {
      if (!endSeries(p, content, s, contentEnd)) return false;
      p = contentEnd;
      if (!isPair) break;
      isPair = false;
      content = nextContent;
      contentEnd = nextEnd;
      s = t;
    }
    if (series > maxSeries) return fail(TOO_MANY_SERIES, p) != 0;
    if (samples > maxSamples) return fail(TOO_MANY_SAMPLES, p) != 0;
  }
  setResult(SLOT_SERIES, getResult(SLOT_SERIES) + series);
  setResult(SLOT_SAMPLES, getResult(SLOT_SAMPLES) + samples);
  setResult(SLOT_METADATA, getResult(SLOT_METADATA) + metadata);
  return true;
}

/**
 * Whether the counts are what the request may hold; a fault is noted if not. scanFields stops by itself where the hot
 * loop alone, or the careful reader alone, is over a limit: this is for both together.
 */
function isWithinLimits(end: u32): bool {
  if (getResult(SLOT_SERIES) > maxSeries) return fail(TOO_MANY_SERIES, end) != 0;
  const samples = getResult(SLOT_SAMPLES) + getResult(SLOT_HISTOGRAMS) + getResult(SLOT_EXEMPLARS);
  if (samples > maxSamples) return fail(TOO_MANY_SAMPLES, end) != 0;
  if (getResult(SLOT_METADATA) > maxMetadata) return fail(TOO_MANY_METADATA, end) != 0;
  return true;
}

/** Checks and counts the TimeSeries whose field starts at `p`, whose labels up to `s` are known to be plain. */
function endSeries(p: u32, content: u32, s: u32, contentEnd: u32): bool {
  while (s < contentEnd) {
    const label = load<u32>(s);
    if (!startsLabel(label)) break;
    const labelEnd = s + 2 + <u32>load<u8>(s, 1);
    if (!holdsNameAndValue(s, label)) break;
    s = labelEnd;
  }
  // No loop asks whether its last step went over the border: then s is not contentEnd below.
  const labelsEnd = s;
  let count: u32 = 0;
  while (s < contentEnd) {
    // A value of zero is left out by proto3: 7 bytes instead of 16.
    const valueBytes = <u32>(<u32>load<u8>(s, 2) == SAMPLE_VALUE) * 9;
    const rest = load<u64>(s + valueBytes, 2);
    const timestamp = (rest >> 8) & 0xffffffffffff;
    const next = s + 9 + valueBytes;
    if (
      <u32>load<u16>(s) != (FIELD_2_BYTES | ((7 + valueBytes) << 8)) ||
      (<u32>rest & 0xff) != SAMPLE_TIMESTAMP ||
      (timestamp & VARINT6_BITS) != VARINT6_SET
    ) {
      break;
    }
    if (timestamp != lastTimestamp) {
      lastTimestamp = timestamp;
      noteTimestamp(<i64>varint6(timestamp));
    }
    count++;
    s = next;
  }
  if (s != contentEnd || labelsEnd == content) return endUncommonSeries(p, content, labelsEnd, contentEnd);
  series++;
  samples += count;
  return true;
}

/** As endSeries, for whatever follows: labels with long values are passed by, the rest is for the careful reader. */
function endUncommonSeries(p: u32, content: u32, s: u32, contentEnd: u32): bool {
  // The labels went over the border: which one did is for the careful reader.
  if (s > contentEnd) s = content;
  while (s < contentEnd) {
    const label = load<u32>(s);
    const isPlain = startsLabel(label) && holdsNameAndValue(s, label);
    const labelEnd = isPlain ? s + 2 + <u32>load<u8>(s, 1) : longLabelEnd(s, label);
    if (labelEnd == 0 || labelEnd > contentEnd) break;
    s = labelEnd;
  }
  return countField(p) && walkSeries(p, s, contentEnd, <u32>(s != content)) != 0;
}

/** Whether a TimeSeries starts with `head`, whose length takes 1 or 2 bytes. */
function isShortSeries(head: u32): bool {
  return (head & 0xff) == FIELD_1_BYTES && hasShortLength(head);
}

/** Whether these are a label's tag, a length of 1 byte, the tag of the name and any length of it. */
function startsLabel(head: u32): bool {
  return (head & 0xff80ff) == (FIELD_1_BYTES | (FIELD_1_BYTES << 16));
}

/** Whether the label at `s`, which starts with `head`, goes on with a name and a value, and nothing else. */
function holdsNameAndValue(s: u32, head: u32): bool {
  // The tags cancel out in the difference. It leaves, << 8, the label's length less the name's: that is the value's and
  // the 4 bytes in front of both. Where a name is too long, the result is more than 16 bits.
  const value = (head & 0xffff) - (head >>> 16) - (4 << 8) + FIELD_2_BYTES;
  return <u32>load<u16>(s + (head >>> 24), 4) == value;
}

/** The end of the label at `s` if it has a length of 2 bytes and a name and a value, and nothing else; 0 if not. */
function longLabelEnd(s: u32, head: u32): u32 {
  if ((head & 0xff8080ff) != (FIELD_1_BYTES | 0x8000 | (FIELD_1_BYTES << 24))) return 0;
  const nameBytes = <u32>load<u8>(s, 4);
  const value = load<u32>(s + nameBytes, 5);
  if (nameBytes > 0x7f || (value & 0xff) != FIELD_2_BYTES || !hasShortLength(value)) return 0;
  const labelBytes = 4 + nameBytes + ((value >>> 15) & 1) + shortLength(value);
  return labelBytes == shortLength(head) ? s + 3 + labelBytes : 0;
}

/** Where the content of the field at `p` starts, whose length takes 1 or 2 bytes. */
function contentStart(p: u32, head: u32): u32 {
  return p + 2 + ((head >>> 15) & 1);
}

/** Whether the length behind the tag that `head` starts with takes 1 or 2 bytes. */
function hasShortLength(head: u32): bool {
  return ((head >>> 15) & (head >>> 23) & 1) == 0;
}

/** That length, without a branch on how many bytes it takes. */
function shortLength(head: u32): u32 {
  return ((head >>> 8) & 0x7f) | ((head >>> 9) & 0x3f80 & (0 - ((head >>> 15) & 1)));
}

/** Whether [p, end) is a MetricMetadata of a 1-byte type and strings with short lengths; if not, it may yet be one. */
function isPlainMetadata(p: u32, end: u32): bool {
  while (p < end) {
    const head = load<u32>(p);
    const field = head & 0xff;
    if (field == FIELD_1_VARINT && (head & 0x8000) == 0) p += 2;
    else if ((field == FIELD_2_BYTES || field == FIELD_4_BYTES || field == FIELD_5_BYTES) && hasShortLength(head)) {
      p += 2 + ((head >>> 15) & 1) + shortLength(head);
    } else return false;
  }
  return p == end;
}

/** The end of the WriteRequest's field at `at`: the border where a request may be cut. 0 and a fault if it is bad. */
export function fieldEnd(at: u32, end: u32): u32 {
  const p = readTag(at, end);
  return p == 0 ? 0 : skipField(at, p, end);
}

/** One field that the hot loop does not take, by the careful reader. */
function scanOther(p: u32, end: u32): u32 {
  const content = readTag(p, end);
  if (content == 0) return 0;
  const number = tag >>> 3;
  const next = skipField(p, content, end);
  if (next == 0 || number == SERIES_FIELD || number == METADATA_FIELD) return next == 0 ? 0 : walkRequest(p, next);
  if (!countField(p)) return 0;
  increment(SLOT_UNKNOWN);
  return next;
}

/** The value of a varint of 6 bytes in the low 48 bits: 7 bits of each byte, moved together in three steps. */
function varint6(bytes: u64): u64 {
  const sevens = bytes & 0x7f7f7f7f7f7f;
  const fourteens = (sevens & 0x007f007f007f) | ((sevens & 0x7f007f007f00) >> 1);
  return (fourteens & 0x3fff) | ((fourteens & 0x3fff0000) >> 2) | ((fourteens & 0x3fff00000000) >> 4);
}

/** Finds the values of `cluster` and `__replica__` in the first series of a checked request; the last one counts. */
function findMergeKey(from: u32, end: u32): void {
  let p = from;
  while (p < end) {
    const content = readTag(p, end);
    if (tag == FIELD_1_BYTES) {
      p = readLength(content, end);
      const seriesEnd = p + length;
      while (p < seriesEnd) {
        const head = load<u32>(p);
        if (startsLabel(head) && holdsNameAndValue(p, head)) {
          const next = p + 2 + ((head >>> 8) & 0xff);
          const value = p + 6 + (head >>> 24);
          noteLabel(p + 4, head >>> 24, value, next - value);
          p = next;
          continue;
        }
        const label = readTag(p, seriesEnd);
        if (tag == FIELD_1_BYTES) {
          const content = readLength(label, seriesEnd);
          readLabel(content, content + length);
        }
        p = fieldEnd(p, seriesEnd);
      }
      return;
    }
    p = fieldEnd(p, end);
  }
}

/** Notes the content of a checked label of any shape; of repeated fields the last one counts. */
function readLabel(p: u32, end: u32): void {
  let name: u32 = 0;
  let nameBytes: u32 = 0;
  let value: u32 = 0;
  let valueBytes: u32 = 0;
  while (p < end) {
    const content = readTag(p, end);
    if (tag == FIELD_1_BYTES) {
      name = readLength(content, end);
      nameBytes = length;
    } else if (tag == FIELD_2_BYTES) {
      value = readLength(content, end);
      valueBytes = length;
    }
    p = fieldEnd(p, end);
  }
  noteLabel(name, nameBytes, value, valueBytes);
}

/** Notes a label's value if it is one of the two. */
function noteLabel(name: u32, nameBytes: u32, value: u32, valueBytes: u32): void {
  // The names as little-endian numbers: "cluster", and "__replic" with "ca__".
  if (nameBytes == 7 && (load<u64>(name) & 0xffffffffffffff) == 0x72657473756c63) {
    setResult(SLOT_CLUSTER_AT, value);
    setResult(SLOT_CLUSTER_BYTES, valueBytes);
  } else if (nameBytes == 11 && load<u64>(name) == 0x63696c7065725f5f && load<u32>(name, 7) == 0x5f5f6163) {
    setResult(SLOT_REPLICA_AT, value);
    setResult(SLOT_REPLICA_BYTES, valueBytes);
  }
}
