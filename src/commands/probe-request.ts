/**
 * One sample as a remote write 1.0 body, written by hand: the image has no protobuf or snappy library, and a probe that
 * used the proxy's own kernel would share its mistakes.
 *
 *     WriteRequest{ timeseries(1): TimeSeries{ labels(1): {name(1), value(2)}..., samples(2): {value(1), timestamp(2)} } }
 *
 * The snappy block is its length and one literal (https://github.com/google/snappy/blob/main/format_description.txt).
 */
const LENGTH_DELIMITED = 2;
const VARINT = 0;
const FIXED64 = 1;
/** Longest literal whose length takes two bytes behind the tag. */
const MAX_LITERAL = 65_536;

export interface ProbeSample {
  /** Sorted by name here, as the protocol asks. */
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly timestampMs: number;
}

/** @returns the compressed body */
export function encodeProbe({ labels, value, timestampMs }: ProbeSample): Buffer {
  const labelFields = Object.entries(labels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(text))])));
  const double = Buffer.alloc(8);
  double.writeDoubleLE(value);
  const sample = Buffer.concat([key(1, FIXED64), double, key(2, VARINT), varint(timestampMs)]);
  return literalBlock(field(1, Buffer.concat([...labelFields, field(2, sample)])));
}

function literalBlock(raw: Buffer): Buffer {
  if (raw.length > MAX_LITERAL) throw new RangeError(`a probe of ${raw.length} bytes exceeds ${MAX_LITERAL}`);
  // 61 in the upper six bits: the length less one follows in two bytes.
  const tag = Buffer.from([61 << 2, 0, 0]);
  tag.writeUInt16LE(raw.length - 1, 1);
  return Buffer.concat([varint(raw.length), tag, raw]);
}

function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([key(number, LENGTH_DELIMITED), varint(content.length), content]);
}

function key(number: number, wireType: number): Buffer {
  return varint(number * 8 + wireType);
}

/** Whole numbers up to 2^53. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}
