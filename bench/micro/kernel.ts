/**
 * The kernel beside the libraries: snappy decode, decode and scan, encode.
 *
 *     node bench/micro/kernel.ts [seconds for each figure]
 */
import { readFileSync } from 'node:fs';
import { compressSync } from 'snappy';
import { compress, uncompress } from 'snappyjs';
import { Kernel } from '../../src/codec/kernel.ts';
import * as layout from '../../src/codec/kernel/layout.ts';
import type { Body } from '../bodies/bodies.ts';
import { decodeRequest, uncompressNative } from './libraries.ts';
import { compare } from './measure.ts';
import { describe, madeBodies, realBodies } from './wire-bodies.ts';

const KERNEL_WASM = new URL('../../build/kernel.wasm', import.meta.url);

/** The decoder alone, which the binding does not offer. */
function bareDecoder(): (body: Uint8Array, elementsAt: number, rawBytes: number) => void {
  const memory = new WebAssembly.Memory({ initial: 200, maximum: 200 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(KERNEL_WASM)), { env: { memory } });
  const decode = exports['decodeElements'];
  if (typeof decode !== 'function') throw new Error('no decodeElements in build/kernel.wasm');
  const bytes = new Uint8Array(memory.buffer);
  const inputAt = layout.INPUT_AT;
  return (body, elementsAt, rawBytes) => {
    const outputAt = inputAt + body.length + layout.SLACK_BYTES;
    bytes.set(body, inputAt);
    decode(inputAt + elementsAt, inputAt + body.length, outputAt, outputAt + rawBytes);
  };
}

async function measure(name: string, bodies: readonly Body[]): Promise<void> {
  const kernel = new Kernel({ maxBodyBytes: 10 << 20, maxDecodedBytes: 64 << 20 });
  const decode = bareDecoder();
  const parts = bodies.map(({ compressed: body, rawBytes }) => {
    const { elementsAt } = kernel.scan(body);
    return { body, rawBytes, elementsAt, raw: Buffer.from(uncompress(body)) };
  });
  const rawBytes = parts.reduce((sum, part) => sum + part.rawBytes, 0);
  const each = (work: (part: (typeof parts)[number]) => void) => (): void => {
    for (const part of parts) work(part);
  };
  const table = { unit: 'body', operations: parts.length, throughput: { bytes: rawBytes, of: 'raw' } };
  const title = `${name}: ${describe(bodies)}`;
  const beside = ['snappyjs', 'snappy'];

  await compare({ ...table, title: `decode, ${title}`, beside }, [
    { name: 'snappyjs', work: each(({ body }) => uncompress(body)) },
    { name: 'snappy', work: each(({ body }) => uncompressNative(body)) },
    { name: 'kernel', work: each((part) => decode(part.body, part.elementsAt, part.rawBytes)) },
  ]);
  await compare({ ...table, title: `decode, check and count, ${title}`, beside: ['snappy + protobufjs'] }, [
    { name: 'snappy + protobufjs', work: each(({ body }) => decodeRequest(uncompressNative(body))) },
    { name: 'kernel', work: each(({ body }) => kernel.scan(body)) },
  ]);
  await compare({ ...table, title: `encode, ${title}`, beside }, [
    { name: 'snappyjs', work: each(({ raw }) => compress(raw)) },
    { name: 'snappy', work: each(({ raw }) => compressSync(raw)) },
    { name: 'kernel', work: each(({ raw }) => kernel.encode(raw)) },
  ]);
  const ratio = (encode: (raw: Buffer) => Uint8Array): string =>
    (rawBytes / parts.reduce((sum, { raw }) => sum + encode(raw).length, 0)).toFixed(2);
  const [byJs, byNative, byKernel] = [compress, compressSync, (raw: Buffer) => kernel.encode(raw)].map(ratio);
  console.log(`  raw / encoded: snappyjs ${byJs}, snappy ${byNative}, kernel ${byKernel}`);
}

console.log(`kernel.wasm: ${readFileSync(KERNEL_WASM).length} bytes`);
await measure('captured', realBodies());
await measure('2000 series', madeBodies(4, 2000));
