/** All pieces of a request at once, as nothing but tests wants them. */
import { BodyCutter, type Piece, type SplitLimits } from '../../src/batch/split.ts';
import type { Kernel } from '../../src/codec/kernel.ts';
import { allocateUnsafe, type Allocate } from '../../src/codec/snappy/join.ts';

export function piecesOf(
  kernel: Kernel,
  body: Uint8Array,
  limits: SplitLimits,
  allocate: Allocate = allocateUnsafe,
): Piece[] {
  const cutter = new BodyCutter(kernel, body);
  const pieces: Piece[] = [];
  while (!cutter.done) pieces.push(cutter.take(limits, allocate));
  return pieces;
}
