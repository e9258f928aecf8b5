/**
 * Joining bodies into one, beside what it takes without the trick: decode each, concatenate, encode.
 *
 *     node bench/micro/join.ts [seconds for each figure]
 */
import assert from 'node:assert/strict';
import { compressSync } from 'snappy';
import { compress, uncompress } from 'snappyjs';
import { BufferPool, type Lease } from '../../src/memory/buffer-pool.ts';
import { Kernel } from '../../src/codec/kernel.ts';
import { joinBodies } from '../../src/codec/snappy/join.ts';
import type { Body } from '../bodies/bodies.ts';
import { uncompressNative } from './libraries.ts';
import { compare } from './measure.ts';
import { describe, madeBodies, realBodies } from './wire-bodies.ts';

async function measure(name: string, bodies: readonly Body[]): Promise<void> {
  const kernel = new Kernel({ maxBodyBytes: 10 << 20, maxDecodedBytes: 64 << 20 });
  const pool = new BufferPool(16 << 20);
  const parts = bodies.map(({ compressed: body, rawBytes }) => {
    return { body, rawBytes, elementsAt: kernel.scan(body).elementsAt };
  });
  const rawBytes = parts.reduce((sum, part) => sum + part.rawBytes, 0);
  const raw = Buffer.concat(parts.map(({ body }) => Buffer.from(uncompress(body))));
  assert(raw.equals(Buffer.from(uncompress(joinBodies(parts)))), 'the joined body is not the bodies one after another');

  await compare(
    {
      title: `${name}: ${describe(bodies)}`,
      unit: 'batch',
      operations: 1,
      throughput: { bytes: rawBytes, of: 'raw' },
      beside: ['snappyjs', 'snappy'],
    },
    [
      { name: 'snappyjs', work: () => compress(Buffer.concat(parts.map(({ body }) => uncompress(body)))) },
      {
        name: 'snappy',
        work: () => compressSync(Buffer.concat(parts.map(({ body }) => uncompressNative(body)))),
      },
      { name: 'joined', work: () => joinBodies(parts) },
      {
        // This is how the sending stage joins.
        name: 'joined, in memory used again',
        work: () => {
          let lease: Lease | undefined;
          joinBodies(parts, (bytes) => {
            lease = pool.take(bytes);
            return lease.buffer;
          });
          lease?.release();
        },
      },
    ],
  );
}

await measure('captured', realBodies());
await measure('5000 samples of 50 senders', madeBodies(50, 100));
await measure('5000 samples of 10 senders', madeBodies(10, 500));
