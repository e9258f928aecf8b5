/**
 * The binding of the kernel (kernel/*.ts, AssemblyScript with SIMD, compiled to build/kernel.wasm by `npm run prepare`).
 *
 * One Kernel has one memory (kernel-memory.ts): the head with tables and results, the input area, the output area. A
 * body is copied into the input area, decoded into the output area and scanned there. A Kernel is not reentrant and
 * need not be: every call is synchronous and leaves nothing behind that a later call relies on. The exception is a
 * window (request-window.ts), which knows when another call has taken the memory.
 */
import { encodeRoom, worstCaseBytes } from './areas.ts';
import { KernelMemory, NO_LIMIT, STEP_BYTES, type Counts, type KernelLimits } from './kernel-memory.ts';
import type { RequestError } from '../outcome/errors.ts';
import type { Steps } from '../platform/steps.ts';
import * as layout from './kernel/layout.ts';
import { bodyTooLarge, decodedTooLarge, messageFault, notSnappy, snappyFault, type CountLimits } from './refusals.ts';
import { RequestWindow, type OpenRequest } from './request-window.ts';
import { allocateUnsafe } from './snappy/join.ts';
import { readVarint, varintBytes, varintEnd, writeVarint } from './snappy/varint.ts';

export type { Counts, KernelLimits };

/** The results of checking a body. Each Kernel has one such object, which every call overwrites: copy what you keep. */
export interface Scan extends Counts {
  /** The decoded size of the body in bytes, which equals its declared size. */
  rawBytes: number;
  /** The offset in the body where the snappy elements start. */
  elementsAt: number;
  /** The most decoded bytes that a copy in the body reaches back; never less than 65535. */
  reachBytes: number;
  /** The number of fields of the WriteRequest that remote write 1.0 does not define. */
  unknownFields: number;
  /**
   * The lowest and highest timestamp of samples and histograms, ms since the epoch; NaN when there are none. Exact to
   * 2^53.
   */
  minTimestampMs: number;
  maxTimestampMs: number;
  /** The labels `cluster` and `__replica__` of the first series, '' when absent; one character per byte (latin1). */
  cluster: string;
  replica: string;
}

/** A snappy block decodes to at most 64/3 of its size: 64 bytes for each 3-byte copy. */
const MAX_EXPANSION = 22;
/** The `stop` that lets decodeRun run to the end. */
const NO_STOP = 0xffffffff;

export class Kernel {
  readonly #memory: KernelMemory;
  readonly #counts: CountLimits;

  readonly #scan: Scan = {
    rawBytes: 0,
    elementsAt: 0,
    reachBytes: 0,
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
    this.#memory = new KernelMemory(limits);
    const { maxSeries = NO_LIMIT, maxSamples = NO_LIMIT, maxMetadata = NO_LIMIT, maxFields = NO_LIMIT } = limits;
    this.#counts = { maxSeries, maxSamples, maxMetadata, maxFields };
  }

  /** The bytes that the memory takes now. */
  get memoryBytes(): number {
    return this.#memory.bytes.length;
  }

  /** The most bytes that the memory can ever take. */
  get maxMemoryBytes(): number {
    return this.#memory.maxBytes;
  }

  /**
   * Decodes and checks one whole body and counts what is in it.
   * Throws RequestError: BODY_TOO_LARGE, BODY_NOT_SNAPPY, DECODED_TOO_LARGE, BODY_NOT_WRITE_REQUEST or
   * SERIES_WITHOUT_LABELS, and TOO_MANY_... where it stops at a limit. Nothing is allocated, and the memory does not grow, before the declared size is plausible.
   */
  scan(body: Uint8Array): Scan {
    const memory = this.#memory;
    const rawBytes = this.#place(body);
    const elementsAt = varintEnd(body);
    memory.bytes.set(body, layout.INPUT_AT); // copies
    const { outputAt, kernel } = memory;
    const inputAt = layout.INPUT_AT;
    if (kernel.decodeElements(inputAt + elementsAt, inputAt + body.length, outputAt, outputAt + rawBytes) === 0) {
      throw this.#snappyFault();
    }
    return this.#scanDecoded(rawBytes, elementsAt);
  }

  /** Does the same as `scan`, in steps of 25 ms at most. Nothing else may use this Kernel until it has ended. */
  *scanInSteps(body: Uint8Array): Steps<Scan> {
    const memory = this.#memory;
    const rawBytes = this.#place(body);
    const { placement, outputAt, kernel } = memory;
    yield* memory.touchInSteps();
    memory.bytes.set(body, layout.INPUT_AT); // copies
    const elementsAt = varintEnd(body);
    const inputEnd = layout.INPUT_AT + body.length;
    const outputEnd = outputAt + rawBytes;
    let from = layout.INPUT_AT + elementsAt;
    let to = outputAt;
    kernel.startRun(from, inputEnd);
    for (let isFirst = true; isFirst || from < inputEnd; isFirst = false) {
      // Bytes behind the last declared byte are a fault that only a run without a stop finds.
      const stop = to + STEP_BYTES < outputEnd ? to + STEP_BYTES : NO_STOP;
      if (kernel.decodeRun(outputAt, from, inputEnd, to, outputEnd, stop) === 0) throw this.#snappyFault();
      from = memory.slot(layout.SLOT_NEXT_AT);
      to = memory.slot(layout.SLOT_NEXT_OUT);
      yield;
      if (memory.placement !== placement) throw new Error('the kernel was used by two callers at once');
    }
    return this.#scanDecoded(rawBytes, elementsAt);
  }

  /** Checks the sizes that a body declares and makes space for it. Returns its decoded bytes. */
  #place(body: Uint8Array): number {
    const { maxBodyBytes, maxDecodedBytes } = this.#memory.limits;
    if (body.length > maxBodyBytes) throw bodyTooLarge(`body of ${body.length} bytes`, maxBodyBytes);
    const rawBytes = declaredBytes(body);
    if (rawBytes > maxDecodedBytes) throw decodedTooLarge(rawBytes, maxDecodedBytes);
    this.#memory.place(body.length, 0, rawBytes);
    return rawBytes;
  }

  #snappyFault(): RequestError {
    const memory = this.#memory;
    return snappyFault(memory.slot(layout.SLOT_FAULT), memory.slot(layout.SLOT_FAULT_AT) - layout.INPUT_AT);
  }

  #scanDecoded(rawBytes: number, elementsAt: number): Scan {
    const memory = this.#memory;
    const { outputAt, kernel } = memory;
    const { maxSeries, maxSamples, maxMetadata, maxFields } = this.#counts;
    if (kernel.scanRequest(outputAt, outputAt + rawBytes, maxSeries, maxSamples, maxMetadata, maxFields) === 0) {
      throw messageFault(memory.slot(layout.SLOT_FAULT), memory.slot(layout.SLOT_FAULT_AT) - outputAt, this.#counts);
    }
    this.#readScan(rawBytes, elementsAt);
    return this.#scan;
  }

  /**
   * Opens a window on an accepted request, to cut it. The windows of one Kernel share its memory, so only one is open
   * at a time.
   */
  windowOn(request: OpenRequest): RequestWindow {
    return new RequestWindow(this.#memory, request);
  }

  /**
   * Encodes any bytes as a snappy block. Throws RequestError: DECODED_TOO_LARGE over limits.max_decoded_bytes,
   * BODY_TOO_LARGE if the block exceeds limits.max_body_bytes (by more than the worst case of one 64 KiB snappy block).
   */
  encode(raw: Uint8Array): Buffer {
    const memory = this.#memory;
    const { maxBodyBytes, maxDecodedBytes } = memory.limits;
    if (raw.length > maxDecodedBytes) throw decodedTooLarge(raw.length, maxDecodedBytes);
    memory.place(0, encodeRoom(Math.min(maxBodyBytes, worstCaseBytes(raw.length))), raw.length);
    const { outputAt, encodeAt, bytes } = memory;
    bytes.set(raw, outputAt); // copies
    const elementsEnd = memory.encodeElements(outputAt, outputAt + raw.length, encodeAt);
    if (elementsEnd === 0) throw bodyTooLarge(`${raw.length} bytes, encoded,`, maxBodyBytes);
    const block = allocateUnsafe(varintBytes(raw.length) + elementsEnd - encodeAt);
    bytes.copy(block, writeVarint(block, 0, raw.length), encodeAt, elementsEnd); // copies
    return block;
  }

  #readScan(rawBytes: number, elementsAt: number): void {
    const scan = this.#scan;
    const memory = this.#memory;
    memory.readCounts(scan);
    scan.rawBytes = rawBytes;
    scan.elementsAt = elementsAt;
    scan.reachBytes = memory.slot(layout.SLOT_FARTHEST);
    scan.unknownFields = memory.slot(layout.SLOT_UNKNOWN);
    scan.minTimestampMs = memory.double(layout.SLOT_MIN_TIMESTAMP);
    scan.maxTimestampMs = memory.double(layout.SLOT_MAX_TIMESTAMP);
    scan.cluster = this.#text(scan.cluster, layout.SLOT_CLUSTER_AT, layout.SLOT_CLUSTER_BYTES);
    scan.replica = this.#text(scan.replica, layout.SLOT_REPLICA_AT, layout.SLOT_REPLICA_BYTES);
  }

  /**
   * Reads the bytes that two slots point to, as latin1. Returns `last` itself if the text has not changed, so that
   * nothing is allocated.
   */
  #text(last: string, atSlot: number, bytesSlot: number): string {
    const { bytes } = this.#memory;
    const at = this.#memory.slot(atSlot);
    const length = this.#memory.slot(bytesSlot);
    let same = length === last.length;
    for (let i = 0; same && i < length; i += 1) same = last.charCodeAt(i) === bytes[at + i];
    return same ? last : bytes.toString('latin1', at, at + length);
  }
}

/**
 * Reads the size that the body declares. Throws BODY_NOT_SNAPPY if the size is impossible, before anything is
 * allocated.
 */
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
