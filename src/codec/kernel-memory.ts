/**
 * The one memory of a kernel, its exports, and where the areas of the current call lie in it (kernel/layout.ts). The
 * memory grows to what a call needs, never shrinks, and has a maximum that follows from the limits and that the engine
 * enforces.
 */
import { readFileSync } from 'node:fs';
import { encodeRoom, encodeStart, outputStart, PAGE_BYTES, pagesFor } from './areas.ts';
import { touchInSteps } from '../memory/touch.ts';
import type { Steps } from '../platform/steps.ts';
import * as layout from './kernel/layout.ts';

export interface KernelLimits {
  /** limits.max_body_bytes: compressed bytes of one body. */
  maxBodyBytes: number;
  /** limits.max_decoded_bytes: decoded bytes of one body. */
  maxDecodedBytes: number;
  /** limits.max_series_per_request; not limited where it is not given, as the other three. */
  maxSeries?: number;
  /** limits.max_samples_per_request: samples, histograms and exemplars. */
  maxSamples?: number;
  /** limits.max_metadata_per_request: metadata entries. */
  maxMetadata?: number;
  /** limits.max_fields_per_request: fields that are read one by one. */
  maxFields?: number;
}

/** What is decoded or encoded in one step, in decoded bytes: 10 ms at most. A multiple of layout.BLOCK_BYTES. */
export const STEP_BYTES = 4 * 1024 * 1024;

/** More than any request holds. */
export const NO_LIMIT = 0xffffffff;

/** What a run of TimeSeries and metadata holds. */
export interface Counts {
  series: number;
  samples: number;
  histograms: number;
  exemplars: number;
  metadata: number;
}

/** kernel/index.ts, as it is seen from here: addresses are numbers, and a bool is 0 or 1. */
interface Exports {
  decodeElements: (from: number, fromEnd: number, to: number, toEnd: number) => number;
  decodeRun: (base: number, from: number, fromEnd: number, to: number, toEnd: number, stop: number) => number;
  encodeElements: (from: number, fromEnd: number, to: number, toEnd: number) => number;
  findElement: (elementsEnd: number, border: number) => void;
  findKept: (elementsEnd: number, from: number, end: number) => void;
  scanRequest: (
    from: number,
    end: number,
    maxSeries: number,
    maxSamples: number,
    maxMetadata: number,
    maxFields: number,
  ) => number;
  startRun: (from: number, fromEnd: number) => void;
  takePiece: (from: number, to: number, end: number, isWhole: number, maxSamples: number, maxBytes: number) => number;
}

const NAMES: readonly (keyof Exports)[] = [
  'decodeElements',
  'decodeRun',
  'encodeElements',
  'findElement',
  'findKept',
  'scanRequest',
  'startRun',
  'takePiece',
];

let compiled: WebAssembly.Module | undefined;

export class KernelMemory {
  readonly limits: Readonly<KernelLimits>;
  readonly kernel: Exports;
  readonly maxBytes: number;
  readonly #memory: WebAssembly.Memory;
  // Views of the memory; made anew when it grows.
  #bytes = Buffer.alloc(0);
  #slots = new Uint32Array();
  #doubles = new Float64Array();
  /** Where the output area starts. */
  outputAt = 0;
  /** Where newly encoded elements go. */
  encodeAt = 0;
  #encodeEnd = 0;
  /** Where the areas end. */
  #end = 0;
  /** Up to here the system has found memory: it finds a page when the page is first written to. */
  #touchedEnd = 0;
  /** Counts the calls of `place`: what another call has left is overwritten. */
  placement = 0;

  constructor(limits: KernelLimits) {
    this.limits = { ...limits };
    const mostInput = encodeStart(limits.maxBodyBytes) + encodeRoom(limits.maxBodyBytes);
    const maxPages = pagesFor(outputStart(mostInput) + limits.maxDecodedBytes + layout.SLACK_BYTES);
    // One page is left over, so that no address in the kernel can wrap around.
    if (maxPages >= PAGE_BYTES) {
      throw new RangeError('limits.max_body_bytes, twice, and limits.max_decoded_bytes exceed 4 GiB; lower them');
    }
    this.maxBytes = maxPages * PAGE_BYTES;
    this.#memory = new WebAssembly.Memory({ initial: 1, maximum: maxPages });
    compiled ??= new WebAssembly.Module(readFileSync(new URL('../../build/kernel.wasm', import.meta.url)));
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory: this.#memory } });
    if (!isKernel(exports)) throw new Error('build/kernel.wasm is of another version; run `npm run prepare`');
    this.kernel = exports;
    this.#view();
  }

  /** All of the memory. Another object when it has grown. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Lays out the areas for a call, growing the memory to what it needs. */
  place(bodyBytes: number, encodeBytes: number, outputBytes: number): void {
    this.placement += 1;
    this.encodeAt = encodeStart(bodyBytes);
    this.#encodeEnd = this.encodeAt + encodeBytes;
    this.outputAt = outputStart(this.#encodeEnd);
    const end = this.outputAt + outputBytes + layout.SLACK_BYTES;
    this.#grow(end);
    this.#end = end;
  }

  /** Has the system find the memory of the areas, a step at a time: see memory/touch.ts. */
  *touchInSteps(): Steps<void> {
    // Written as it is: another call's bytes may be there.
    yield* touchInSteps(this.#bytes, this.#touchedEnd, this.#end);
    this.#touchedEnd = Math.max(this.#touchedEnd, this.#end);
  }

  #grow(end: number): void {
    const pages = pagesFor(end);
    const missing = pages - this.#bytes.length / PAGE_BYTES;
    if (missing <= 0) return;
    this.#memory.grow(missing);
    this.#view();
  }

  /** One of the results that kernel/layout.ts names. */
  slot(index: number): number {
    return this.#slots[index] ?? 0;
  }

  double(index: number): number {
    return this.#doubles[index] ?? Number.NaN;
  }

  readCounts(counts: Counts): void {
    counts.series = this.slot(layout.SLOT_SERIES);
    counts.samples = this.slot(layout.SLOT_SAMPLES);
    counts.histograms = this.slot(layout.SLOT_HISTOGRAMS);
    counts.exemplars = this.slot(layout.SLOT_EXEMPLARS);
    counts.metadata = this.slot(layout.SLOT_METADATA);
  }

  /** Room behind `at` for what is newly encoded. */
  encodeRoomFrom(at: number): number {
    return this.#encodeEnd - at;
  }

  /** Encodes the addresses [from, end) to the address `to`, and returns where the elements end, or 0 for no room. */
  encodeElements(from: number, end: number, to: number): number {
    return this.kernel.encodeElements(from, end, to, this.#encodeEnd) >>> 0;
  }

  /** As encodeElements, and the same elements: whole blocks of the encoder at a time. */
  *encodeInSteps(from: number, end: number, to: number): Steps<number> {
    let at = to;
    for (let start = from; ; start += STEP_BYTES) {
      const stop = Math.min(end, start + STEP_BYTES);
      at = this.encodeElements(start, stop, at);
      if (stop === end || at === 0) return at;
      yield;
    }
  }

  #view(): void {
    const { buffer } = this.#memory;
    this.#bytes = Buffer.from(buffer);
    this.#slots = new Uint32Array(buffer, layout.RESULTS_AT, layout.SLOTS);
    this.#doubles = new Float64Array(buffer, layout.RESULTS_AT, layout.SLOTS / 2);
  }
}

function isKernel(exports: Readonly<Record<string, unknown>>): exports is Readonly<Record<string, unknown>> & Exports {
  return NAMES.every((name) => typeof exports[name] === 'function');
}
