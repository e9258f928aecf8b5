/**
 * Mutants of the kernel, made by hand: a border, a release or a count each that a test has to notice. `original` stands
 * once in its file.
 */
export interface KernelMutant {
  /** Below src/codec/kernel. */
  readonly file: string;
  readonly original: string;
  readonly mutated: string;
}

export const KERNEL_MUTANTS: readonly KernelMutant[] = [
  // The shortest form of a copy holds offsets of up to 2047.
  { file: 'encode.ts', original: 'offset >= 2048', mutated: 'offset > 2048' },
  { file: 'encode.ts', original: 'while (length >= 68)', mutated: 'while (length >= 64)' },
  { file: 'encode.ts', original: 'lengthLess1 < 256', mutated: 'lengthLess1 <= 256' },
  { file: 'encode.ts', original: 'if (toEnd - out < BLOCK_ROOM) return 0;', mutated: '' },
  // Literals and copies that leave the input or the output by one byte.
  { file: 'decode.ts', original: 'lengthLess1 >= fromEnd - start', mutated: 'lengthLess1 > fromEnd - start' },
  { file: 'decode.ts', original: 'if (next > fromEnd)', mutated: 'if (next > fromEnd + 1)' },
  { file: 'decode.ts', original: 'offset - 1 >= op - to', mutated: 'offset - 1 > op - to' },
  { file: 'decode.ts', original: 'if (next > WINDOW_BYTES) break;', mutated: 'if (next > WINDOW_BYTES + 1) break;' },
  // Lengths that coincide with those of the plain form.
  { file: 'scan.ts', original: 'nameBytes > 0x7f || ', mutated: '' },
  {
    file: 'scan.ts',
    original: '<u32>load<u16>(s + (head >>> 24), 4) == value',
    mutated: 'load<u16>(s + (head >>> 24), 4) == <u16>value',
  },
  { file: 'scan.ts', original: 'if (s != contentEnd || ', mutated: 'if (' },
  { file: 'scan.ts', original: 'if (series > maxSeries)', mutated: 'if (series > maxSeries + 1)' },
  { file: 'fields.ts', original: 'if (varint > <u64>(end - p))', mutated: 'if (varint > <u64>(end - p) + 1)' },
  { file: 'fields.ts', original: 'shift < 70', mutated: 'shift < 77' },
  { file: 'fields.ts', original: '(length & 7) != 0', mutated: '(length & 3) != 0' },
  { file: 'timestamps.ts', original: 'timestampMs > highestMs', mutated: 'timestampMs >= lowestMs' },
  // Mutants of the elements that a piece of a request can keep.
  { file: 'keep.ts', original: 'distance(at) <= out - from', mutated: 'distance(at) <= out - from + 1' },
  { file: 'cut.ts', original: 'restoreCounts();\n      isOneByOne = true;', mutated: 'isOneByOne = true;' },
];
