/**
 * The memory of one kernel, its exports, and the positions of the current call's areas in it (kernel/layout.ts). The
 * memory grows to what a call needs and never shrinks. The engine enforces its maximum, which follows from the limits.
 */
import { readFileSync } from 'node:fs';
import { encodeRoom, encodeStart, outputStart, PAGE_BYTES, pagesFor } from './areas.ts';
import { touchInSteps } from '../memory/touch.ts';
import type { Steps } from '../platform/steps.ts';
import * as layout from './kernel/layout.ts';

export interface KernelLimits {
  /** limits.max_body_bytes: the compressed bytes of one body. */
  maxBodyBytes: number;
  /** limits.max_decoded_bytes: the decoded bytes of one body. */
  maxDecodedBytes: number;
  /**
   * limits.max_series_per_request. This and the following three limits are optional; a limit that is not given does not
   * apply.
   */
  maxSeries?: number;
  /** limits.max_samples_per_request: counts samples, histograms and exemplars. */
  maxSamples?: number;
  /** limits.max_metadata_per_request: counts metadata entries. */
  maxMetadata?: number;
  /** limits.max_fields_per_request: counts the fields that are read one by one. */
  maxFields?: number;
}

/** The decoded bytes that one step decodes or encodes, which takes at most 10 ms. A multiple of layout.BLOCK_BYTES. */
export const STEP_BYTES = 4 * 1024 * 1024;

/** A limit that no request reaches. */
export const NO_LIMIT = 0xffffffff;

/** The counts of a run of TimeSeries and metadata. */
export interface Counts {
  series: number;
  samples: number;
  histograms: number;
  exemplars: number;
  metadata: number;
}

/** The exports of kernel/index.ts as JavaScript sees them: addresses are numbers, and a bool is 0 or 1. */
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
  // Views of the memory; replaced when it grows.
  #bytes = Buffer.alloc(0);
  #slots = new Uint32Array();
  #doubles = new Float64Array();
  /** The address where the output area starts. */
  outputAt = 0;
  /** The address where newly encoded elements go. */
  encodeAt = 0;
  #encodeEnd = 0;
  /** The address where the areas end. */
  #end = 0;
  /**
   * The operating system has already found the memory up to here: it finds a page when the page is first written to.
   */
  #touchedEnd = 0;
  /** Counts the calls of `place`. Each call overwrites what the one before it left. */
  placement = 0;

  constructor(limits: KernelLimits) {
    this.limits = { ...limits };
    const mostInput = encodeStart(limits.maxBodyBytes) + encodeRoom(limits.maxBodyBytes);
    const maxPages = pagesFor(outputStart(mostInput) + limits.maxDecodedBytes + layout.SLACK_BYTES);
    // One page is kept free, so that no address in the kernel can wrap around.
    if (maxPages >= PAGE_BYTES) {
      throw new RangeError('limits.max_body_bytes, twice, and limits.max_decoded_bytes exceed 4 GiB; lower them');
    }
    this.maxBytes = maxPages * PAGE_BYTES;
    this.#memory = new WebAssembly.Memory({ initial: 1, maximum: maxPages });
    compiled ??= new WebAssembly.Module(readFileSync(new URL('../../build/kernel.wasm', import.meta.url)));
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory: this.#memory } });
    if (!isKernel(exports)) throw new Error('build/kernel.wasm is of a different version; run `npm run prepare`');
    this.kernel = exports;
    this.#view();
  }

  /** The whole memory. Growing the memory replaces this object. */
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

  /** Has the operating system find the memory of the areas, one step at a time; see memory/touch.ts. */
  *touchInSteps(): Steps<void> {
    // Each byte is written back unchanged, since another call's data may be there.
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

  /** Reads one of the results that kernel/layout.ts names. */
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

  /** The space behind `at` for newly encoded elements. */
  encodeRoomFrom(at: number): number {
    return this.#encodeEnd - at;
  }

  /**
   * Encodes the addresses [from, end) to the address `to`. Returns where the elements end, or 0 if there is not enough
   * space.
   */
  encodeElements(from: number, end: number, to: number): number {
    return this.kernel.encodeElements(from, end, to, this.#encodeEnd) >>> 0;
  }

  /** Produces the same elements as encodeElements, one run of whole encoder blocks at a time. */
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
