/**
 * Requests that cost a receiver as much as their size lets them: of each kind one, as large as two limits allow. All
 * are valid snappy and valid protobuf, but for counts that limits cap.
 */
import { bytesField } from './arbitrary-write-request.ts';

export interface HostileLimits {
  /** Compressed. */
  readonly bodyBytes: number;
  readonly rawBytes: number;
}

export interface HostileKind {
  readonly name: string;
  readonly make: (limits: HostileLimits) => Buffer;
}

const EMPTY_LABEL = Buffer.from('0a00', 'hex');
const PLAIN_LABEL = Buffer.from('0a040a001200', 'hex');
/** A sample at a time of 6 varint bytes, without a value. */
const PLAIN_SAMPLE = Buffer.from('120710808080808001', 'hex');

/** Unknown fields of a WriteRequest, or known ones, that are nothing but what is repeated. */
const REPEATED: readonly (readonly [string, string])[] = [
  ['unknown varints', '4800'],
  ['unknown varints of 10 bytes', '48ffffffffffffffffff01'],
  ['unknown fixed64', '490000000000000000'],
  ['unknown fixed32', '4d00000000'],
  ['unknown strings', '4a00'],
  ['unknown groups', '4b4c'],
  ['nested groups', '4b'.repeat(100) + '4c'.repeat(100)],
  ['groups of varints', '4b4800'.repeat(500) + '4c'],
  ['unknown fields with long tags', 'f8ffffff0f00'],
  ['metadata entries', '1a00'],
  ['metadata entries with a type', '1a020801'],
  ['metadata entries with strings', '1a06120022002a00'],
  ['series of an empty label', '0a020a00'],
  ['series of a plain label', '0a060a040a001200'],
  ['series of a plain label and a plain sample', '0a0f0a040a001200120710808080808001'],
  ['series, plain and not in turns', '0a060a040a0012000a020a00'],
  ['series of an unknown field', '0a040a003800'],
];

/**
 * The parts that one TimeSeries repeats behind its label; `short` series have at most 16 KB, which the fast scan takes.
 */
const IN_SERIES: readonly (readonly [string, string])[] = [
  ['empty samples', '1200'],
  ['plain samples', PLAIN_SAMPLE.toString('hex')],
  ['samples of late times', '120a10ffffffffffffffff7f'],
  ['empty labels', EMPTY_LABEL.toString('hex')],
  ['plain labels', PLAIN_LABEL.toString('hex')],
  ['empty exemplars', '1a00'],
  ['exemplars with empty labels', '1a080a000a000a000a00'],
  ['empty histograms', '2200'],
  ['histograms of empty spans', '2220' + '4200'.repeat(16)],
  ['histograms of packed deltas', '2281014a7f01'.repeat(127)],
  ['histograms of long packed deltas', '224f4a4dffffffffffffffffff01'.repeat(7) + 'ffffffffffff01'],
  ['unknown fields of a series', '3800'],
];

export const HOSTILE_KINDS: readonly HostileKind[] = [
  ...REPEATED.map(([name, hex]) => ({
    name,
    make: (limits: HostileLimits): Buffer => repeatedBody(Buffer.from(hex, 'hex'), limits),
  })),
  ...IN_SERIES.flatMap(([name, hex]) => [
    {
      name: `one series of ${name}`,
      make: (limits: HostileLimits): Buffer => oneSeries(Buffer.from(hex, 'hex'), limits),
    },
    {
      name: `series of ${name}`,
      make: (limits: HostileLimits): Buffer => {
        const part = Buffer.from(hex, 'hex');
        const parts = Array.from({ length: Math.max(1, Math.floor(16_000 / part.length)) }, () => part);
        return repeatedBody(bytesField(1, Buffer.concat([PLAIN_LABEL, ...parts])), limits);
      },
    },
  ]),
  { name: 'one-byte literals', make: (limits) => elementsBody(limits, Buffer.from([0, 0]), 1) },
  { name: 'one-byte copies', make: (limits) => elementsBody(limits, Buffer.from([2, 64, 0]), 1) },
  { name: 'copies that repeat one byte', make: (limits) => elementsBody(limits, Buffer.from([1, 1]), 4) },
  { name: 'copies that repeat 15 bytes', make: (limits) => elementsBody(limits, Buffer.from([(7 << 2) | 1, 15]), 11) },
  {
    name: 'long copies that repeat one byte',
    make: (limits) => elementsBody(limits, Buffer.from([(63 << 2) | 2, 1, 0]), 64),
  },
  {
    name: 'long copies that repeat 3 bytes',
    make: (limits) => elementsBody(limits, Buffer.from([(63 << 2) | 2, 3, 0]), 64),
  },
  {
    name: 'copies with 4-byte distances',
    make: (limits) => elementsBody(limits, Buffer.from([(63 << 2) | 3, 0, 2, 0, 0]), 64),
  },
  {
    name: 'one-byte copies with 4-byte distances',
    make: (limits) => elementsBody(limits, Buffer.from([3, 0, 2, 0, 0]), 1),
  },
  { name: 'copies from far and literals in turns', make: farCopies },
  { name: 'literals in long form', make: (limits) => elementsBody(limits, Buffer.from([60 << 2, 0, 0]), 1) },
  { name: 'incompressible', make: incompressible },
  { name: 'a small series and a long literal in another', make: longLiteral },
  { name: 'a series of copies from the one before it', make: copiesFromBefore },
  { name: 'many pieces', make: manyPieces },
  { name: 'pieces that copy from far', make: piecesFromFar },
];

/** Makes a body of as many of `part` as fit, in copies of 64 bytes from as near as they can be. */
export function repeatedBody(part: Buffer, { bodyBytes, rawBytes }: HostileLimits): Buffer {
  const most = Math.min(rawBytes, Math.floor((bodyBytes - 100_000) / 3) * 64);
  const count = Math.max(1, Math.floor(most / part.length));
  return compressRepeated(Buffer.alloc(0), part, count);
}

/** `head`, and `count` times `part`: literals, then copies from a distance that is a multiple of the part. */
export function compressRepeated(head: Buffer, part: Buffer, count: number): Buffer {
  const total = head.length + part.length * count;
  const period = part.length * Math.ceil(64 / part.length);
  const first = Buffer.concat([head, ...Array.from({ length: Math.min(count, period / part.length) }, () => part)]);
  const copies = Math.ceil(Math.max(0, total - first.length) / 64);
  const elements = Buffer.alloc(copies * 5);
  let at = 0;
  for (let left = total - first.length; left > 0; left -= 64) {
    elements[at] = ((Math.min(left, 64) - 1) << 2) | (period < 65_536 ? 2 : 3);
    if (period < 65_536) elements.writeUInt16LE(period, at + 1);
    else elements.writeUInt32LE(period, at + 1);
    at += period < 65_536 ? 3 : 5;
  }
  return Buffer.concat([varint(total), literal(first), elements.subarray(0, at)]);
}

function oneSeries(part: Buffer, { bodyBytes, rawBytes }: HostileLimits): Buffer {
  const most = Math.min(rawBytes, Math.floor((bodyBytes - 100_000) / 3) * 64) - 32;
  const count = Math.floor(most / part.length);
  const head = Buffer.concat([Buffer.from([0x0a]), varint(PLAIN_LABEL.length + count * part.length), PLAIN_LABEL]);
  return compressRepeated(head, part, count);
}

/** One unknown field that holds zeros, made of this element again and again, as many as fit. */
function elementsBody({ bodyBytes, rawBytes }: HostileLimits, element: Buffer, decodes: number): Buffer {
  const headBytes = 1024;
  const count = Math.floor(
    Math.min((bodyBytes - headBytes - 64) / element.length, (rawBytes - headBytes - 64) / decodes),
  );
  const content = headBytes + count * decodes;
  const head = Buffer.concat([Buffer.from([0x4a]), varint(content), Buffer.alloc(headBytes)]);
  return Buffer.concat([
    varint(head.length - headBytes + content),
    literal(head),
    Buffer.alloc(count * element.length, element),
  ]);
}

/** A literal byte and a copy of 4 bytes in turns, which come from all over the last 64 KiB. */
function farCopies({ bodyBytes, rawBytes }: HostileLimits): Buffer {
  const headBytes = 65_536;
  const count = Math.floor(Math.min((bodyBytes - headBytes - 64) / 5, (rawBytes - headBytes - 64) / 5));
  const content = headBytes + count * 5;
  const head = Buffer.concat([Buffer.from([0x4a]), varint(content), Buffer.alloc(headBytes)]);
  const elements = Buffer.alloc(count * 5);
  for (let i = 0, state = 1; i < count; i += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    elements[i * 5 + 2] = (3 << 2) | 2;
    elements.writeUInt16LE(Math.max(5, state >>> 16), i * 5 + 3);
  }
  return Buffer.concat([varint(head.length - headBytes + content), literal(head), elements]);
}

/** Series of 1 KB that nothing compresses, in literals of 60 bytes. */
function incompressible({ bodyBytes, rawBytes }: HostileLimits): Buffer {
  const value = Buffer.alloc(1000);
  const series: Buffer[] = [];
  const most = Math.min(rawBytes, Math.floor((bodyBytes * 60) / 61)) - 2000;
  for (let bytes = 0, state = 7; bytes < most; bytes += series.at(-1)?.length ?? 0) {
    for (let i = 0; i < value.length; i += 1) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      value[i] = state >>> 24;
    }
    const label = bytesField(1, bytesField(2, value));
    series.push(bytesField(1, Buffer.concat([label, PLAIN_SAMPLE])));
  }
  const raw = Buffer.concat(series);
  const elements: Buffer[] = [varint(raw.length)];
  for (let at = 0; at < raw.length; at += 60) {
    const bytes = raw.subarray(at, at + 60);
    elements.push(Buffer.from([(bytes.length - 1) << 2]), bytes);
  }
  return Buffer.concat(elements);
}

/** All but a little is in one series that nothing compresses. */
function longLiteral({ bodyBytes, rawBytes }: HostileLimits): Buffer {
  const value = noise(Math.min(bodyBytes, rawBytes) - 1024);
  const raw = Buffer.concat([seriesOf(Buffer.from('a')), seriesOf(value)]);
  return Buffer.concat([varint(raw.length), literal(raw)]);
}

/** Nothing of the second series can be kept where it is a piece by itself: every byte is encoded anew. */
function copiesFromBefore({ bodyBytes, rawBytes }: HostileLimits): Buffer {
  const first = seriesOf(noise(50_000));
  const most = Math.min(rawBytes, Math.floor((bodyBytes - first.length - 100) / 5) * 64) - first.length - 100;
  const copies = Math.floor(most / 64);
  const second = seriesOf(Buffer.alloc(copies * 64));
  const head = Buffer.concat([first, second.subarray(0, second.length - copies * 64)]);
  const elements = Buffer.alloc(copies * 5, (63 << 2) | 3);
  for (let i = 0; i < copies; i += 1) {
    const from = (i * 64) % 49_000;
    elements.writeUInt32LE(head.length + i * 64 - from, i * 5 + 1);
  }
  return Buffer.concat([varint(head.length + copies * 64), literal(head), elements]);
}

/** 1 MiB of metadata entries that nothing compresses, and copies of them up to the limit: 72 pieces and more. */
export function manyPieces({ bodyBytes, rawBytes }: HostileLimits): Buffer {
  const entries = Array.from({ length: 2600 }, (_, index) => bytesField(3, bytesField(4, noise(400, index))));
  const part = Buffer.concat(entries);
  const most = Math.min(rawBytes, Math.floor(Math.max(0, bodyBytes - part.length - 1000) / 5) * 64);
  return compressRepeated(Buffer.alloc(0), part, Math.max(1, Math.floor(most / part.length)));
}

/** The same, and each copies from farther away than a cutter remembers: each is decoded from the start again. */
function piecesFromFar(limits: HostileLimits): Buffer {
  const entries = Array.from({ length: 13_000 }, (_, index) => bytesField(3, bytesField(4, noise(400, index))));
  const part = Buffer.concat(entries);
  const most = Math.min(limits.rawBytes, Math.floor(Math.max(0, limits.bodyBytes - part.length - 1000) / 5) * 64);
  return compressRepeated(Buffer.alloc(0), part, Math.max(1, Math.floor(most / part.length)));
}

/** Makes a series with one label and no sample. */
function seriesOf(value: Buffer): Buffer {
  return bytesField(1, bytesField(1, bytesField(2, value)));
}

function noise(bytes: number, seed = 5): Buffer {
  const made = Buffer.alloc(bytes);
  for (let i = 0, state = seed; i < bytes; i += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    made[i] = state >>> 24;
  }
  return made;
}

function literal(bytes: Buffer): Buffer {
  const head = Buffer.from([63 << 2, 0, 0, 0, 0]);
  head.writeUInt32LE(bytes.length - 1, 1);
  return Buffer.concat([head, bytes]);
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}
