/**
 * The kernel beside the libraries, in one run, so that the ratios hold whatever the machine: decode, decode + scan,
 * encode, join and cut, on captured bodies (several in turn, as a proxy meets them; one over and over is learned by the
 * branch predictor) and on a synthetic one of 2000 series.
 *
 *     node bench/micro/kernel.ts [seconds for each figure]
 */
import { readFileSync, readdirSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { compressSync, uncompressSync } from 'snappy';
import { compress, uncompress } from 'snappyjs';
import { splitBody } from '../../src/batch/split.ts';
import { Kernel } from '../../src/codec/kernel.ts';
import * as layout from '../../src/codec/kernel/layout.ts';
import { joinBodies } from '../../src/codec/snappy-join.ts';

const SECONDS = Number(process.argv[2] ?? 1);
const KERNEL_WASM = new URL('../../build/kernel.wasm', import.meta.url);
const FIXTURES = new URL('../../test/fixtures/wire/', import.meta.url);

/** GB of raw bytes a second, the best of several rounds: other work on the machine only ever takes away. */
function gigabytesPerSecond(rawBytes: number, work: () => void): number {
  work();
  let best = 0;
  const end = performance.now() + SECONDS * 1000;
  while (performance.now() < end) {
    const start = performance.now();
    let times = 0;
    for (; performance.now() - start < 20; times += 1) work();
    best = Math.max(best, (rawBytes * times) / ((performance.now() - start) * 1e6));
  }
  return best;
}

/** 2000 series of 12 labels and one sample, as a scrape of many pods of one service gives them. */
function syntheticBody(): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i < 2000; i += 1) {
    const labels = {
      __name__: 'http_request_duration_seconds_bucket',
      cluster: 'prod-us-west-2',
      container: 'api-server',
      endpoint: 'metrics',
      handler: `/api/v1/items/${i % 50}`,
      instance: `10.0.${i >> 8}.${i & 255}:9090`,
      job: 'kubernetes-pods',
      le: String((i % 12) * 0.25),
      method: ['GET', 'POST', 'PUT'][i % 3] ?? '',
      namespace: 'production',
      pod: `api-server-7d9f8b6c5-${((i * 7919) % 100_000).toString(36)}`,
      status: String(200 + (i % 5)),
    };
    const sample = Buffer.alloc(16);
    sample[0] = 0x09;
    sample.writeDoubleLE(((i * 2_654_435_761) % 1e9) / 1000, 1);
    sample.set([0x10, ...varint(1_732_300_000_000 + (i % 7))], 9);
    const encoded = Object.entries(labels).map(([name, value]) =>
      bytesField(1, Buffer.concat([bytesField(1, Buffer.from(name)), bytesField(2, Buffer.from(value))])),
    );
    parts.push(bytesField(1, Buffer.concat([...encoded, bytesField(2, sample)])));
  }
  return compressSync(Buffer.concat(parts));
}

function bytesField(number: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([number * 8 + 2, ...varint(content.length)]), content]);
}

function varint(value: number): number[] {
  const bytes = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

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

function measure(name: string, bodies: readonly Buffer[]): void {
  const kernel = new Kernel({ maxBodyBytes: 10 << 20, maxDecodedBytes: 64 << 20 });
  const decode = bareDecoder();
  const parts = bodies.map((body) => {
    const { rawBytes, elementsAt, samples, histograms } = kernel.scan(body);
    return { body, rawBytes, elementsAt, samples: samples + histograms, raw: Buffer.from(uncompress(body)) };
  });
  const rawBytes = parts.reduce((sum, part) => sum + part.rawBytes, 0);
  const each = (work: (part: (typeof parts)[number]) => void): number =>
    gigabytesPerSecond(rawBytes, () => {
      for (const part of parts) work(part);
    });

  const decodes = {
    snappyjs: each(({ body }) => uncompress(body)),
    snappy: each(({ body }) => uncompressSync(body)),
    kernel: each((part) => decode(part.body, part.elementsAt, part.rawBytes)),
    'kernel + scan': each(({ body }) => kernel.scan(body)),
  };
  const encodes = {
    snappyjs: each(({ raw }) => compress(raw)),
    snappy: each(({ raw }) => compressSync(raw)),
    kernel: each(({ raw }) => kernel.encode(raw)),
  };
  const ratio = (encode: (raw: Buffer) => Uint8Array | Buffer): number =>
    rawBytes / parts.reduce((sum, { raw }) => sum + encode(raw).length, 0);
  console.log(`\n${name}: ${parts.length} bodies, ${rawBytes} bytes raw, ${sumLength(bodies)} compressed`);
  print('decode', decodes);
  print('encode', encodes);
  const [byJs, byNative, byKernel] = [compress, compressSync, (raw: Buffer) => kernel.encode(raw)].map(ratio);
  console.log(`  size    raw / encoded: snappyjs ${fixed(byJs)}, snappy ${fixed(byNative)}, kernel ${fixed(byKernel)}`);
  const twice = [...parts, ...parts];
  const joined = gigabytesPerSecond(2 * rawBytes, () => joinBodies(twice));
  const cut = each((part) => splitBody(kernel, part.body, { maxSamples: Math.ceil(part.samples / 2), maxBytes: 1e6 }));
  console.log(`  join    ${fixed(joined)} GB/s of raw      cut in two ${fixed(cut)} GB/s of raw`);
}

function print(what: string, figures: Record<string, number>): void {
  const base = { js: figures['snappyjs'] ?? 0, native: figures['snappy'] ?? 0 };
  for (const [name, figure] of Object.entries(figures)) {
    const ratios = `${fixed(figure / base.js)}x snappyjs, ${fixed(figure / base.native)}x snappy`;
    console.log(`  ${what}  ${name.padEnd(14)} ${fixed(figure)} GB/s of raw  (${ratios})`);
  }
}

function fixed(figure: number | undefined): string {
  return (figure ?? 0).toFixed(2).padStart(5);
}

function sumLength(bodies: readonly Buffer[]): number {
  return bodies.reduce((sum, body) => sum + body.length, 0);
}

const captured = readdirSync(FIXTURES)
  .filter((file) => file.includes('rw1') && file.endsWith('.bin'))
  .map((file) => readFileSync(new URL(file, FIXTURES)));
console.log(`kernel.wasm: ${readFileSync(KERNEL_WASM).length} bytes`);
measure('captured', captured);
measure('synthetic, 2000 series', [syntheticBody()]);
