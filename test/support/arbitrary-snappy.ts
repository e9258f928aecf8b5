/**
 * Arbitrary snappy blocks by the format description, element by element, with what they decode to (by a model that
 * copies byte by byte). Compressors use few of the forms that a decoder must take.
 */
import * as fc from 'fast-check';

export interface SnappyBlock {
  body: Buffer;
  raw: Buffer;
}

type Element =
  | { kind: 'literal'; bytes: Uint8Array; extraBytes: 0 | 1 | 2 | 3 | 4 }
  // `back` is a share of what there is so far, so that every offset is valid whatever came before.
  | { kind: 'copy1' | 'copy2' | 'copy4'; back: number; near: number; length: number };

const literal: fc.Arbitrary<Element> = fc.record({
  kind: fc.constant('literal' as const),
  bytes: fc.oneof(
    { weight: 6, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 70 }) },
    { weight: 1, arbitrary: fc.integer({ min: 250, max: 70_000 }).map((length) => noise(length)) },
  ),
  extraBytes: fc.oneof({ weight: 3, arbitrary: fc.constant(0 as const) }, fc.constantFrom(1 as const, 2, 3, 4)),
});

const copy: fc.Arbitrary<Element> = fc.record({
  kind: fc.constantFrom('copy1' as const, 'copy2' as const, 'copy4' as const),
  back: fc.double({ min: 0, max: 1, noNaN: true }),
  // 0 for "as `back` says", else this very offset where there is as much: the overlapping ones.
  near: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 70 })),
  length: fc.integer({ min: 1, max: 64 }),
});

export function arbitrarySnappyBlock(maxElements = 60): fc.Arbitrary<SnappyBlock> {
  return fc
    .array(fc.oneof({ weight: 1, arbitrary: literal }, { weight: 3, arbitrary: copy }), { maxLength: maxElements })
    .map((elements) => {
      const raw = { bytes: Buffer.alloc(1024), length: 0 };
      const parts = elements.map((element) => write(element, raw));
      const rest = Buffer.from(raw.bytes.subarray(0, raw.length));
      return { body: Buffer.concat([preamble(raw.length), ...parts]), raw: rest };
    });
}

interface Choice {
  copies: boolean;
  /** The position among the places where the same bytes occurred before, counted from the end. */
  occurrence: number;
  /** At most. */
  length: number;
  wide: boolean;
}

/** Blocks of these very bytes in elements that no compressor would choose: short ones, in any form, from anywhere. */
export function arbitraryBlockOf(raw: Buffer): fc.Arbitrary<Buffer> {
  const choice: fc.Arbitrary<Choice> = fc.record({
    copies: fc.boolean(),
    occurrence: fc.nat(4),
    length: fc.integer({ min: 1, max: 64 }),
    wide: fc.boolean(),
  });
  return fc.array(choice, { minLength: 1, maxLength: 40 }).map((choices) => {
    const written = { bytes: Buffer.alloc(1024), length: 0 };
    const parts: Buffer[] = [];
    for (let i = 0; written.length < raw.length; i += 1) {
      parts.push(write(elementBy(choices[i % choices.length], raw, written.length), written));
    }
    return Buffer.concat([preamble(raw.length), ...parts]);
  });
}

function elementBy(choice: Choice | undefined, raw: Buffer, at: number): Element {
  const { copies, occurrence, length, wide } = choice ?? { copies: false, occurrence: 0, length: 60, wide: false };
  let source = -1;
  if (copies && raw.length - at >= 4) {
    const next = raw.subarray(at, at + 4);
    for (let i = 0, before = at - 1; i <= occurrence && before >= 0; i += 1) {
      const found = raw.lastIndexOf(next, before);
      if (found === -1) break;
      source = found;
      before = found - 1;
    }
  }
  if (source === -1) return { kind: 'literal', bytes: raw.subarray(at, at + length), extraBytes: wide ? 2 : 0 };
  let same = 4;
  while (same < length && at + same < raw.length && raw[source + same] === raw[at + same]) same += 1;
  const near = at - source;
  if (wide || near > 65_535) return { kind: 'copy4', back: 0, near, length: same };
  if (same > 11 || near > 2047) return { kind: 'copy2', back: 0, near, length: same };
  return { kind: 'copy1', back: 0, near, length: same - 4 };
}

/** The varint in front of a block. */
export function preamble(rawBytes: number): Buffer {
  const bytes: number[] = [];
  let rest = rawBytes;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

/** Bytes that do not compress, the same for the same length. */
export function noise(length: number): Uint8Array {
  let state = length + 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

function write(element: Element, raw: { bytes: Buffer; length: number }): Buffer {
  if (element.kind === 'literal') return writeLiteral(element.bytes, element.extraBytes, raw);
  if (raw.length === 0) return Buffer.alloc(0);
  const [mostBack, length] =
    element.kind === 'copy1'
      ? [2047, 4 + (element.length % 8)]
      : [element.kind === 'copy2' ? 65_535 : 0xffffffff, element.length];
  const drawn = element.near === 0 ? Math.ceil(element.back * raw.length) : element.near;
  const offset = Math.max(1, Math.min(drawn, raw.length, mostBack));
  reserve(raw, length);
  for (let left = length; left > 0; left -= 1) {
    raw.bytes[raw.length] = raw.bytes[raw.length - offset] ?? 0;
    raw.length += 1;
  }
  if (element.kind === 'copy1') return Buffer.from([1 | ((length - 4) << 2) | ((offset >> 8) << 5), offset & 255]);
  const head = Buffer.alloc(element.kind === 'copy2' ? 3 : 5);
  head[0] = ((length - 1) << 2) | (element.kind === 'copy2' ? 2 : 3);
  head.writeUIntLE(offset, 1, head.length - 1);
  return head;
}

function writeLiteral(bytes: Uint8Array, extraBytes: number, raw: { bytes: Buffer; length: number }): Buffer {
  reserve(raw, bytes.length);
  raw.bytes.set(bytes, raw.length);
  raw.length += bytes.length;
  const least = bytes.length <= 60 ? 0 : bytes.length <= 256 ? 1 : bytes.length <= 65_536 ? 2 : 3;
  // snappyjs refuses a literal with length bytes that has less than 4 bytes behind its tag.
  const extra = bytes.length < 3 ? least : Math.max(least, extraBytes);
  if (extra === 0) return Buffer.from([(bytes.length - 1) << 2, ...bytes]);
  const head = Buffer.alloc(1 + extra);
  head[0] = (59 + extra) << 2;
  head.writeUIntLE(bytes.length - 1, 1, extra);
  return Buffer.concat([head, bytes]);
}

function reserve(raw: { bytes: Buffer; length: number }, more: number): void {
  if (raw.length + more <= raw.bytes.length) return;
  raw.bytes = Buffer.concat([raw.bytes], (raw.length + more) * 2);
}
