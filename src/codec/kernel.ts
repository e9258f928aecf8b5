/**
 * The binding of the kernel (kernel/*.ts, AssemblyScript with SIMD, compiled to build/kernel.wasm by `npm run prepare`).
 *
 * One Kernel has one memory: the head with tables and results, the input area, the output area (kernel/layout.ts). A
 * body is copied into the input area, decoded into the output area and scanned there. The memory grows to what a call
 * needs, never shrinks, and has a maximum that follows from the limits and that the engine enforces. A Kernel is not
 * reentrant and needs not be: every call is synchronous and leaves nothing behind that a later call relies on, but for
 * `openForCutting`, whose decoded request lives until the next scan, open or encode.
 */
import { readFileSync } from 'node:fs';
import { encodeRoom, encodeStart, outputStart, PAGE_BYTES, pagesFor, worstCaseBytes } from './areas.ts';
import * as layout from './kernel/layout.ts';
import { bodyTooLarge, decodedTooLarge, messageFault, notSnappy, snappyFault } from './refusals.ts';
import { allocateUnsafe, type Allocate } from './snappy-join.ts';
import { readVarint, varintBytes, varintEnd, writeVarint } from './varint.ts';

export interface KernelLimits {
  /** limits.max_body_bytes: compressed bytes of one body. */
  maxBodyBytes: number;
  /** limits.max_decoded_bytes: decoded bytes of one body. */
  maxDecodedBytes: number;
}

/** What a run of TimeSeries and metadata holds. */
export interface Counts {
  series: number;
  samples: number;
  histograms: number;
  exemplars: number;
  metadata: number;
}

/** What is known of a checked body. One object for each Kernel, overwritten by every call: copy what you keep. */
export interface Scan extends Counts {
  /** What the body decodes to, in bytes: as declared, and so it is. */
  rawBytes: number;
  /** Offset in the body where the snappy elements start. */
  elementsAt: number;
  /** Fields of the WriteRequest that remote write 1.0 does not define. */
  unknownFields: number;
  /** Over samples and histograms, ms since the epoch; NaN when there are none. Exact to 2^53. */
  minTimestampMs: number;
  maxTimestampMs: number;
  /** Labels `cluster` and `__replica__` of the first series, '' when absent; one character a byte (latin1). */
  cluster: string;
  replica: string;
}

/** A snappy block cannot decode to more than 64/3 of its size: 64 bytes for each 3-byte copy. */
const MAX_EXPANSION = 22;

/** kernel/index.ts, as it is seen from here: addresses are numbers, and a bool is 0 or 1. */
interface Exports {
  decodeElements: (from: number, fromEnd: number, to: number, toEnd: number) => number;
  encodeElements: (from: number, fromEnd: number, to: number, toEnd: number) => number;
  findKept: (elementsEnd: number, from: number, end: number) => void;
  scanRequest: (from: number, end: number) => number;
  takePiece: (from: number, end: number, maxSamples: number, maxBytes: number) => number;
}

let compiled: WebAssembly.Module | undefined;

export class Kernel {
  readonly #limits: KernelLimits;
  readonly #maxPages: number;
  readonly #memory: WebAssembly.Memory;
  readonly #kernel: Exports;
  // Views of the memory; made anew when it grows.
  #bytes: Buffer;
  #slots: Uint32Array;
  #doubles: Float64Array;
  /** Where the output area starts. */
  #outputAt = 0;
  /** Where newly encoded elements go, and the room for them. */
  #encodeAt = 0;
  #encodeRoom = 0;
  /** Decoded bytes of the request that is open for cutting; -1 when none is. */
  #openBytes = -1;
  /** Where its elements end. */
  #elementsEnd = 0;

  readonly #scan: Scan = {
    rawBytes: 0,
    elementsAt: 0,
    series: 0,
    samples: 0,
    histograms: 0,
    exemplars: 0,
    metadata: 0,
    unknownFields: 0,
    minTimestampMs: Number.NaN,
    maxTimestampMs: Number.NaN,
    cluster: '',
    replica: '',
  };

  constructor(limits: KernelLimits) {
    this.#limits = { ...limits };
    const mostInput = encodeStart(limits.maxBodyBytes) + encodeRoom(limits.maxBodyBytes);
    this.#maxPages = pagesFor(outputStart(mostInput) + limits.maxDecodedBytes + layout.SLACK_BYTES);
    // One page is left over, so that no address in the kernel can wrap around.
    if (this.#maxPages >= PAGE_BYTES) {
      throw new RangeError('limits.max_body_bytes, twice, and limits.max_decoded_bytes exceed 4 GiB; lower them');
    }
    this.#memory = new WebAssembly.Memory({ initial: 1, maximum: this.#maxPages });
    compiled ??= new WebAssembly.Module(readFileSync(new URL('../../build/kernel.wasm', import.meta.url)));
    const { exports } = new WebAssembly.Instance(compiled, { env: { memory: this.#memory } });
    if (!isKernel(exports)) throw new Error('build/kernel.wasm is of another version; run `npm run prepare`');
    this.#kernel = exports;
    this.#bytes = Buffer.alloc(0);
    this.#slots = new Uint32Array();
    this.#doubles = new Float64Array();
    this.#view();
  }

  /** What the memory takes now. */
  get memoryBytes(): number {
    return this.#bytes.length;
  }

  /** What the memory can never exceed. */
  get maxMemoryBytes(): number {
    return this.#maxPages * PAGE_BYTES;
  }

  /**
   * Decodes and checks one whole body and counts what is in it.
   * Throws RequestError: BODY_TOO_LARGE, BODY_NOT_SNAPPY, DECODED_TOO_LARGE, BODY_NOT_WRITE_REQUEST or
   * SERIES_WITHOUT_LABELS. Nothing is allocated, and the memory does not grow, before the declared size is plausible.
   */
  scan(body: Uint8Array): Scan {
    return this.#decode(body, 0);
  }

  /**
   * As `scan`, and keeps the decoded request for takePiece and encodePiece, until the next scan, open or encode.
   */
  openForCutting(body: Uint8Array): Scan {
    const most = Math.min(this.#limits.maxBodyBytes, worstCaseBytes(readVarint(body) ?? 0));
    const scan = this.#decode(body, encodeRoom(Math.max(most, body.length)));
    this.#openBytes = scan.rawBytes;
    this.#elementsEnd = layout.INPUT_AT + body.length;
    return scan;
  }

  /**
   * Of the open request, takes fields from the decoded offset `from` on, one at least, for as long as they have
   * together at most `maxSamples` samples and histograms and `maxRawBytes` decoded bytes. Writes their counts to
   * `counts` and returns the offset where they end. `from` must be 0 or what an earlier call has returned.
   */
  takePiece(from: number, limits: { maxSamples: number; maxRawBytes: number }, counts: Counts): number {
    this.#assertOpen(from, this.#openBytes);
    const start = this.#outputAt;
    const maxSamples = Math.min(limits.maxSamples, 0x7fffffff);
    const maxRawBytes = Math.min(limits.maxRawBytes, 0x7fffffff);
    const end = this.#kernel.takePiece(start + from, start + this.#openBytes, maxSamples, maxRawBytes) >>> 0;
    this.#readCounts(counts);
    return end - start;
  }

  /**
   * Decoded bytes [from, end) of the open request as a snappy block, in what `allocate` gives; undefined where the room
   * does not suffice. What it can keep of the request's own elements is not encoded anew.
   */
  encodePiece(from: number, end: number, allocate: Allocate = allocateUnsafe): Buffer | undefined {
    this.#assertOpen(from, end);
    const start = this.#outputAt;
    this.#kernel.findKept(this.#elementsEnd, start + from, start + end);
    const keptAt = this.#slot(layout.SLOT_KEPT_AT);
    const keptBytes = this.#slot(layout.SLOT_KEPT_END_AT) - keptAt;
    const headEnd = keptBytes === 0 ? end : this.#slot(layout.SLOT_KEPT_OUT) - start;
    const tail = keptBytes === 0 ? end : this.#slot(layout.SLOT_KEPT_END_OUT) - start;
    const at = this.#encodeAt;
    const keptTo = this.#encodeElements(from, headEnd, at);
    const elementsEnd = keptTo === 0 ? 0 : this.#encodeElements(tail, end, keptTo);
    const elementBytes = elementsEnd - at + keptBytes;
    if (elementsEnd === 0 || elementBytes > this.#encodeRoom) return undefined;
    const block = allocate(varintBytes(end - from) + elementBytes);
    let blockAt = writeVarint(block, 0, end - from);
    blockAt += this.#bytes.copy(block, blockAt, at, keptTo); // copies
    blockAt += this.#bytes.copy(block, blockAt, keptAt, keptAt + keptBytes); // copies
    this.#bytes.copy(block, blockAt, keptTo, elementsEnd); // copies
    return block;
  }

  /**
   * Any bytes as a snappy block. Throws RequestError: DECODED_TOO_LARGE over limits.max_decoded_bytes, BODY_TOO_LARGE
   * where the block exceeds limits.max_body_bytes (by more than the room that one of snappy's 64 KiB takes).
   */
  encode(raw: Uint8Array): Buffer {
    this.#openBytes = -1;
    const { maxBodyBytes, maxDecodedBytes } = this.#limits;
    if (raw.length > maxDecodedBytes) throw decodedTooLarge(raw.length, maxDecodedBytes);
    this.#place(0, encodeRoom(Math.min(maxBodyBytes, worstCaseBytes(raw.length))), raw.length);
    this.#bytes.set(raw, this.#outputAt); // copies
    const elementsEnd = this.#encodeElements(0, raw.length, this.#encodeAt);
    if (elementsEnd === 0) throw bodyTooLarge(`${raw.length} bytes, encoded,`, maxBodyBytes);
    const block = allocateUnsafe(varintBytes(raw.length) + elementsEnd - this.#encodeAt);
    this.#bytes.copy(block, writeVarint(block, 0, raw.length), this.#encodeAt, elementsEnd); // copies
    return block;
  }

  /** Encodes [from, end) of the output area to the address `to`, and returns where its elements end, or 0 for no room. */
  #encodeElements(from: number, end: number, to: number): number {
    const start = this.#outputAt;
    const roomEnd = this.#encodeAt + this.#encodeRoom;
    return this.#kernel.encodeElements(start + from, start + end, to, roomEnd) >>> 0;
  }

  #decode(body: Uint8Array, encodeBytes: number): Scan {
    this.#openBytes = -1;
    const { maxBodyBytes, maxDecodedBytes } = this.#limits;
    if (body.length > maxBodyBytes) throw bodyTooLarge(`body of ${body.length} bytes`, maxBodyBytes);
    const rawBytes = declaredBytes(body);
    if (rawBytes > maxDecodedBytes) throw decodedTooLarge(rawBytes, maxDecodedBytes);
    const elementsAt = varintEnd(body);
    this.#place(body.length, encodeBytes, rawBytes);
    this.#bytes.set(body, layout.INPUT_AT); // copies
    const outputAt = this.#outputAt;
    const inputAt = layout.INPUT_AT;
    const kernel = this.#kernel;
    if (kernel.decodeElements(inputAt + elementsAt, inputAt + body.length, outputAt, outputAt + rawBytes) === 0) {
      throw snappyFault(this.#slot(layout.SLOT_FAULT), this.#slot(layout.SLOT_FAULT_AT) - inputAt);
    }
    if (kernel.scanRequest(outputAt, outputAt + rawBytes) === 0) {
      throw messageFault(this.#slot(layout.SLOT_FAULT), this.#slot(layout.SLOT_FAULT_AT) - outputAt);
    }
    this.#readScan(rawBytes, elementsAt);
    return this.#scan;
  }

  /** Lays out the areas for a call, growing the memory to what it needs. */
  #place(bodyBytes: number, encodeBytes: number, outputBytes: number): void {
    this.#encodeAt = encodeStart(bodyBytes);
    this.#encodeRoom = encodeBytes;
    this.#outputAt = outputStart(this.#encodeAt + encodeBytes);
    const pages = pagesFor(this.#outputAt + outputBytes + layout.SLACK_BYTES);
    const missing = pages - this.memoryBytes / PAGE_BYTES;
    if (missing <= 0) return;
    this.#memory.grow(missing);
    this.#view();
  }

  #view(): void {
    const { buffer } = this.#memory;
    this.#bytes = Buffer.from(buffer);
    this.#slots = new Uint32Array(buffer, layout.RESULTS_AT, layout.SLOTS);
    this.#doubles = new Float64Array(buffer, layout.RESULTS_AT, layout.SLOTS / 2);
  }

  #slot(index: number): number {
    return this.#slots[index] ?? 0;
  }

  #readCounts(counts: Counts): void {
    counts.series = this.#slot(layout.SLOT_SERIES);
    counts.samples = this.#slot(layout.SLOT_SAMPLES);
    counts.histograms = this.#slot(layout.SLOT_HISTOGRAMS);
    counts.exemplars = this.#slot(layout.SLOT_EXEMPLARS);
    counts.metadata = this.#slot(layout.SLOT_METADATA);
  }

  #readScan(rawBytes: number, elementsAt: number): void {
    const scan = this.#scan;
    this.#readCounts(scan);
    scan.rawBytes = rawBytes;
    scan.elementsAt = elementsAt;
    scan.unknownFields = this.#slot(layout.SLOT_UNKNOWN);
    scan.minTimestampMs = this.#doubles[layout.SLOT_MIN_TIMESTAMP] ?? Number.NaN;
    scan.maxTimestampMs = this.#doubles[layout.SLOT_MAX_TIMESTAMP] ?? Number.NaN;
    scan.cluster = this.#text(scan.cluster, layout.SLOT_CLUSTER_AT, layout.SLOT_CLUSTER_BYTES);
    scan.replica = this.#text(scan.replica, layout.SLOT_REPLICA_AT, layout.SLOT_REPLICA_BYTES);
  }

  /** The bytes that two slots point to, as latin1; `last` itself when it is the same, so that nothing is allocated. */
  #text(last: string, atSlot: number, bytesSlot: number): string {
    const at = this.#slot(atSlot);
    const length = this.#slot(bytesSlot);
    let same = length === last.length;
    for (let i = 0; same && i < length; i += 1) same = last.charCodeAt(i) === this.#bytes[at + i];
    return same ? last : this.#bytes.toString('latin1', at, at + length);
  }

  #assertOpen(from: number, end: number): void {
    if (from < 0 || from > end || end > this.#openBytes) {
      throw new Error(`bytes ${from} to ${end} are not of a request that is open for cutting (${this.#openBytes})`);
    }
  }
}

function isKernel(exports: Readonly<Record<string, unknown>>): exports is Readonly<Record<string, unknown>> & Exports {
  return ['decodeElements', 'encodeElements', 'findKept', 'scanRequest', 'takePiece'].every(
    (name) => typeof exports[name] === 'function',
  );
}

/** The size that the body declares. Throws BODY_NOT_SNAPPY where it cannot be that, before anything is allocated. */
function declaredBytes(body: Uint8Array): number {
  const declared = readVarint(body);
  if (declared === undefined) throw notSnappy('no valid decoded length at byte 0 of the compressed body');
  if (declared > body.length * MAX_EXPANSION) {
    throw notSnappy(
      `${declared} decoded bytes are declared at byte 0 of the compressed body; ` +
        `its ${body.length} bytes cannot hold more than ${body.length * MAX_EXPANSION}`,
    );
  }
  return declared;
}
