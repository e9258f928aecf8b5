/**
 * Arbitrary WriteRequests, as bytes with what is known of them, for fast-check.
 *
 * They are written here field by field, not by protobufjs, so that the 8 bytes of a value are exactly the drawn ones
 * (a signalling NaN does not survive a JS number), and so that fields come in any order, repeated, packed or not, with
 * overlong varints and with unknown fields in between.
 */
import * as fc from 'fast-check';

export interface RequestModel {
  raw: Buffer;
  series: number;
  samples: number;
  histograms: number;
  exemplars: number;
  metadata: number;
  unknownFields: number;
  /** The timestamps of samples and histograms. */
  timestamps: bigint[];
  cluster: Buffer;
  replica: Buffer;
}

/** A field of the request, with its part of the counts. */
interface Part {
  bytes: Buffer;
  kind: 'series' | 'metadata' | 'unknown';
  samples: number;
  histograms: number;
  exemplars: number;
  timestamps: bigint[];
  labels: Label[];
}

interface Label {
  name: Buffer;
  value: Buffer;
}

/** A varint; `padding` bytes longer than it must be, up to 5, which is what protobufjs takes for a length. */
export function varint(value: bigint | number, padding = 0): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  for (let left = Math.min(padding, 5 - bytes.length); left > 0; left -= 1) {
    bytes.push((bytes.pop() ?? 0) | 128, 0);
  }
  return Buffer.from(bytes);
}

export function field(number: number, wireType: number, content: Buffer): Buffer {
  return Buffer.concat([varint(number * 8 + wireType), content]);
}

export function bytesField(number: number, content: Buffer, padding = 0): Buffer {
  return field(number, 2, Buffer.concat([varint(content.length, padding), content]));
}

function arbitraryBytes(maxLength: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));
}

/** Bit patterns of doubles: any, and those that a JS number would change or that have a meaning. */
const doubleBytes: fc.Arbitrary<Buffer> = fc
  .oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.constantFrom(0n, 1n << 63n, 0x7ff0000000000002n, 0x7ff8000000000001n, 0x7ff0000000000000n, 0xfff0000000000003n),
  )
  .map((bits) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(bits);
    return bytes;
  });

const int64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 35n - 1n, 2n ** 35n, 2n ** 42n - 1n, 2n ** 42n),
  fc.bigInt({ min: 1_700_000_000_000n, max: 1_900_000_000_000n }),
);

const padding = fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.nat(4));

/** An unknown field of any wire type; groups nest. */
const unknownField: fc.Arbitrary<Buffer> = fc.letrec<{ one: Buffer }>((tie) => ({
  one: fc.integer({ min: 17, max: 2 ** 29 - 1 }).chain((number) =>
    fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      int64.map((value) => field(number, 0, varint(value))),
      doubleBytes.map((value) => field(number, 1, value)),
      arbitraryBytes(200).map((value) => bytesField(number, value)),
      doubleBytes.map((value) => field(number, 5, value.subarray(4))),
      fc
        .array(tie('one'), { maxLength: 3, depthIdentifier: 'group' })
        .map((inner) => Buffer.concat([varint(number * 8 + 3), ...inner, varint(number * 8 + 4)])),
    ),
  ),
})).one;

/** Fields in a drawn order, with an unknown one now and then. */
function message(fields: fc.Arbitrary<Buffer[]>): fc.Arbitrary<Buffer> {
  const extra = fc.oneof({ weight: 8, arbitrary: fc.constant([]) }, fc.array(unknownField, { maxLength: 2 }));
  return fc.tuple(fields, extra, fc.boolean()).chain(([known, unknown, shuffled]) => {
    const all = [...known, ...unknown];
    const order = shuffled
      ? fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })
      : fc.constant(all);
    return order.map((list) => Buffer.concat(list));
  });
}

const text = fc.oneof(
  { weight: 5, arbitrary: fc.string({ maxLength: 30 }) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 60 }) },
  { weight: 1, arbitrary: fc.string({ minLength: 100, maxLength: 300 }) },
);

const label: fc.Arbitrary<{ label: Label; bytes: Buffer }> = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: text },
      { weight: 2, arbitrary: fc.constantFrom('cluster', '__replica__', 'clusteR', 'clusters', '__replica__s') },
    ),
    text,
    padding,
  )
  .chain(([name, value, pad]) => {
    const known = { name: Buffer.from(name), value: Buffer.from(value) };
    const content = [bytesField(1, known.name, pad), ...(value === '' ? [] : [bytesField(2, known.value)])];
    return fc.tuple(message(fc.constant(content)), padding).map(([bytes, outer]) => ({
      label: known,
      bytes: bytesField(1, bytes, outer),
    }));
  });

const sample = fc.tuple(fc.option(doubleBytes), int64).chain(([value, timestamp]) => {
  const fields = [
    ...(value === null ? [] : [field(1, 1, value)]),
    ...(timestamp === 0n ? [] : [field(2, 0, varint(timestamp))]),
  ];
  return message(fc.constant(fields)).map((bytes) => ({ timestamp, bytes: bytesField(2, bytes) }));
});

const exemplar = fc
  .tuple(fc.array(label, { maxLength: 2 }), doubleBytes, int64)
  .chain(([labels, value, timestamp]) =>
    message(fc.constant([...labels.map((one) => one.bytes), field(2, 1, value), field(3, 0, varint(timestamp))])),
  )
  .map((bytes) => bytesField(3, bytes));

const span = fc
  .tuple(fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1))
  .chain(([offset, length]) => message(fc.constant([field(1, 0, varint(offset)), field(2, 0, varint(length))])));

/** A repeated scalar: each on its own, or packed. */
function repeated(number: number, wireType: 0 | 1, values: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer[]> {
  return fc
    .tuple(fc.array(values, { maxLength: 6 }), fc.boolean())
    .map(([list, packed]) =>
      packed ? [bytesField(number, Buffer.concat(list))] : list.map((one) => field(number, wireType, one)),
    );
}

const int64Bytes = int64.map((value) => varint(value));

const histogram = fc
  .record({ isFloat: fc.boolean(), count: doubleBytes, integer: int64Bytes, timestamp: int64 })
  .chain(({ isFloat, count, integer, timestamp }) =>
    fc
      .tuple(
        fc.array(span, { maxLength: 3 }).map((spans) => spans.map((one) => bytesField(8, one))),
        fc.array(span, { maxLength: 3 }).map((spans) => spans.map((one) => bytesField(11, one))),
        isFloat ? repeated(10, 1, doubleBytes) : repeated(9, 0, int64Bytes),
        isFloat ? repeated(13, 1, doubleBytes) : repeated(12, 0, int64Bytes),
        repeated(16, 1, doubleBytes),
      )
      .chain((lists) =>
        message(
          fc.constant([
            isFloat ? field(2, 1, count) : field(1, 0, integer),
            field(3, 1, count),
            field(4, 0, integer),
            field(5, 1, count),
            isFloat ? field(7, 1, count) : field(6, 0, integer),
            ...lists.flat(),
            field(14, 0, varint(3)),
            field(15, 0, varint(timestamp)),
          ]),
        ),
      )
      .map((bytes) => ({ timestamp, bytes: bytesField(4, bytes) })),
  );

const series: fc.Arbitrary<Part> = fc
  .tuple(
    fc.array(label, { minLength: 1, maxLength: 5 }),
    fc.array(sample, { maxLength: 4 }),
    fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(exemplar, { maxLength: 2 })),
    fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(histogram, { maxLength: 2 })),
    padding,
  )
  .chain(([labels, samples, exemplars, histograms, pad]) =>
    // Labels stay in their order among themselves: the last of a name is the one that counts.
    message(fc.constant([...samples.map((one) => one.bytes), ...exemplars, ...histograms.map((one) => one.bytes)])).map(
      (rest) => ({
        bytes: bytesField(1, Buffer.concat([...labels.map((one) => one.bytes), rest]), pad),
        kind: 'series' as const,
        samples: samples.length,
        histograms: histograms.length,
        exemplars: exemplars.length,
        timestamps: [...samples, ...histograms].map((one) => one.timestamp),
        labels: labels.map((one) => one.label),
      }),
    ),
  );

function bare(kind: 'metadata' | 'unknown', bytes: Buffer): Part {
  return { bytes, kind, samples: 0, histograms: 0, exemplars: 0, timestamps: [], labels: [] };
}

const metadata: fc.Arbitrary<Part> = fc
  .tuple(fc.nat(7), text, text, text, padding)
  .chain(([type, name, help, unit, pad]) =>
    message(
      fc.constant([
        field(1, 0, varint(type)),
        bytesField(2, Buffer.from(name)),
        bytesField(4, Buffer.from(help), pad),
        bytesField(5, Buffer.from(unit)),
      ]),
    ),
  )
  .map((bytes) => bare('metadata', bytesField(3, bytes)));

const part: fc.Arbitrary<Part> = fc.oneof(
  { weight: 8, arbitrary: series },
  { weight: 2, arbitrary: metadata },
  { weight: 1, arbitrary: unknownField.map((bytes) => bare('unknown', bytes)) },
);

/** A request of up to `maxFields` TimeSeries, metadata entries and unknown fields, in any order. */
export function arbitraryWriteRequest(maxFields = 12): fc.Arbitrary<RequestModel> {
  return fc.array(part, { maxLength: maxFields }).map((parts) => {
    const labels = parts.find((one) => one.kind === 'series')?.labels ?? [];
    const valueOf = (name: string): Buffer =>
      labels.findLast((one) => one.name.toString() === name)?.value ?? Buffer.alloc(0);
    return {
      raw: Buffer.concat(parts.map((one) => one.bytes)),
      series: parts.filter((one) => one.kind === 'series').length,
      samples: sum(parts.map((one) => one.samples)),
      histograms: sum(parts.map((one) => one.histograms)),
      exemplars: sum(parts.map((one) => one.exemplars)),
      metadata: parts.filter((one) => one.kind === 'metadata').length,
      unknownFields: parts.filter((one) => one.kind === 'unknown').length,
      timestamps: parts.flatMap((one) => one.timestamps),
      cluster: valueOf('cluster'),
      replica: valueOf('__replica__'),
    };
  });
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
