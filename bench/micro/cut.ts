/**
 * Cutting a body at the borders of its TimeSeries, beside what it takes with libraries: decode to objects, encode some.
 *
 *     node bench/micro/cut.ts [seconds for each figure]
 */
import assert from 'node:assert/strict';
import { compressSync } from 'snappy';
import { uncompress } from 'snappyjs';
import { BodyCutter } from '../../src/batch/split.ts';
import { Kernel } from '../../src/codec/kernel.ts';
import { allocateUnsafe } from '../../src/codec/snappy/join.ts';
import type { Body } from '../bodies/bodies.ts';
import { decodeRequest, encodeRequest, uncompressNative } from './libraries.ts';
import { compare } from './measure.ts';
import { describe, madeBodies, realBodies } from './wire-bodies.ts';

const SMALL = Buffer.from('01');
const BASE = 'snappy + protobufjs';

async function measure(name: string, bodies: readonly Body[], pieces: number): Promise<void> {
  const kernel = new Kernel({ maxBodyBytes: 10 << 20, maxDecodedBytes: 64 << 20 });
  const cut = ({ compressed, samples }: Body): { body: Uint8Array }[] => {
    const limits = { maxSamples: Math.ceil(samples / pieces), maxBytes: 1e6 };
    const cutter = new BodyCutter(kernel, compressed);
    const taken: { body: Uint8Array }[] = [];
    while (!cutter.done) taken.push(cutter.take(limits, allocateUnsafe));
    return taken;
  };
  /** Each time, another request has used the kernel in the meantime. */
  const cutInTurns = ({ compressed, samples }: Body): { body: Uint8Array }[] => {
    const limits = { maxSamples: Math.ceil(samples / pieces), maxBytes: 1e6 };
    const cutter = new BodyCutter(kernel, compressed);
    const taken: { body: Uint8Array }[] = [];
    while (!cutter.done) {
      kernel.encode(SMALL);
      taken.push(cutter.take(limits, allocateUnsafe));
    }
    return taken;
  };
  const cutByTheBook = ({ compressed }: Body): { body: Uint8Array }[] => {
    const { timeseries } = decodeRequest(uncompressNative(compressed));
    const share = Math.ceil(timeseries.length / pieces);
    return Array.from({ length: pieces }, (_, index) => {
      const piece = encodeRequest(timeseries.slice(index * share, (index + 1) * share));
      return { body: compressSync(piece) };
    });
  };
  for (const body of bodies) {
    const raw = Buffer.from(uncompress(body.compressed));
    for (const way of [cut, cutInTurns]) {
      const ours = way(body).map((piece) => Buffer.from(uncompress(piece.body)));
      assert(raw.equals(Buffer.concat(ours)), 'the pieces are not the body, one after another');
    }
  }
  await compare(
    {
      title: `${name}, in ${pieces} pieces: ${describe(bodies)}`,
      unit: 'body',
      operations: bodies.length,
      throughput: { bytes: bodies.reduce((sum, { rawBytes }) => sum + rawBytes, 0), of: 'raw' },
      beside: [BASE],
    },
    [
      { name: BASE, work: () => bodies.map(cutByTheBook) },
      { name: 'cut', work: () => bodies.map(cut) },
      { name: 'cut, other requests between', work: () => bodies.map(cutInTurns) },
    ],
  );
}

const withSamples = realBodies().filter(({ samples }) => samples > 0);
await measure('captured', withSamples, 2);
await measure('2000 series', madeBodies(4, 2000), 2);
await measure('10 000 series', madeBodies(2, 10_000), 10);
