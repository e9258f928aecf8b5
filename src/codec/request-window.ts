/**
 * A window on a compressed request: decodes as much of it as the next piece takes, and encodes the piece.
 *
 * Decoding starts at a DecodePoint and not at the request's start, so the cost of a piece follows its own size and not
 * the request's. The kernel's memory holds the decoded bytes until the memory is placed again: `isOpen` tells. All
 * positions are offsets in the request, compressed or decoded; addresses stay in this file.
 *
 * All work is done in steps of at most 25 ms on a slow machine. Between the steps of one call nothing else may use the
 * memory.
 */
import { encodeRoom, worstCaseBytes } from './areas.ts';
import { STEP_BYTES, type Counts, type KernelMemory } from './kernel-memory.ts';
import { touchInSteps } from '../memory/touch.ts';
import type { Steps } from '../platform/steps.ts';
import * as layout from './kernel/layout.ts';
import type { Allocate } from './snappy/join.ts';
import { varintBytes, writeVarint } from './snappy/varint.ts';

/** A request that Kernel.scan has accepted; nothing is checked here. */
export interface OpenRequest {
  readonly body: Uint8Array;
  readonly rawBytes: number;
}

/** The start of an element, with everything that the elements behind it can copy from. */
export interface DecodePoint {
  /** The offset of the element in the body. */
  readonly elementAt: number;
  /** The offset of its bytes in the decoded request. */
  readonly rawAt: number;
  /** The decoded bytes before that offset, as far as copies reach back. */
  readonly history: Uint8Array;
}

/** The least that is decoded at a time, so that small pieces do not call into the kernel too often. */
const LEAST_DECODED_BYTES = 64 * 1024;

export class RequestWindow {
  readonly #memory: KernelMemory;
  readonly #request: OpenRequest;
  #placement = -1;
  /** The offset in the body of the byte at the start of the input area. */
  #openedAt = 0;
  /** The address that decoded offset 0 would have, and the address of the first decoded byte that is present. */
  #rawAddress = 0;
  #baseAddress = 0;
  /** The addresses of the next element and of its bytes, and where both end. */
  #nextElement = 0;
  #decodedEnd = 0;
  #elementsEnd = 0;
  /** The sizes and addresses of the piece that was encoded last. */
  #pieceBytes = 0;
  #keptAt = 0;
  #keptBytes = 0;
  #keptTo = 0;
  #encodedEnd = 0;

  constructor(memory: KernelMemory, request: OpenRequest) {
    this.#memory = memory;
    this.#request = request;
  }

  /** True while the kernel's memory still holds what this window has decoded. */
  get isOpen(): boolean {
    return this.#memory.placement === this.#placement;
  }

  *openAt({ elementAt, rawAt, history }: DecodePoint): Steps<void> {
    const memory = this.#memory;
    const { body, rawBytes } = this.#request;
    const bodyBytes = body.length - elementAt;
    const mostEncoded = Math.max(Math.min(memory.limits.maxBodyBytes, worstCaseBytes(rawBytes - rawAt)), bodyBytes);
    memory.place(bodyBytes, encodeRoom(mostEncoded), history.length + rawBytes - rawAt);
    this.#placement = memory.placement;
    yield* memory.touchInSteps();
    this.#openedAt = elementAt;
    memory.bytes.set(elementAt === 0 ? body : body.subarray(elementAt), layout.INPUT_AT); // copies
    memory.bytes.set(history, memory.outputAt); // copies
    this.#baseAddress = memory.outputAt;
    this.#decodedEnd = memory.outputAt + history.length;
    this.#rawAddress = this.#decodedEnd - rawAt;
    this.#nextElement = layout.INPUT_AT;
    this.#elementsEnd = layout.INPUT_AT + bodyBytes;
    memory.kernel.startRun(this.#nextElement, this.#elementsEnd);
  }

  /**
   * Takes fields from the decoded offset `from` on, at least one, as long as they have together at most `maxSamples`
   * samples and histograms and `maxRawBytes` decoded bytes. Writes their counts to `counts` and returns the offset
   * where they end. `from` must be 0 or a value that an earlier call returned, and not lie before the point at which
   * the window was opened.
   *
   * @param guessBytes how many decoded bytes it will probably take
   */
  *takePiece(
    from: number,
    limits: { maxSamples: number; maxRawBytes: number },
    guessBytes: number,
    counts: Counts,
  ): Steps<number> {
    this.#assertOpen(from, this.#request.rawBytes);
    const { kernel } = this.#memory;
    const start = this.#rawAddress + from;
    const maxSamples = Math.min(limits.maxSamples, 0x7fffffff);
    const maxRawBytes = Math.min(limits.maxRawBytes, 0x7fffffff);
    let guess = Math.max(LEAST_DECODED_BYTES, guessBytes);
    let end = start;
    do {
      yield* this.#decodeTo(start + guess);
      const isWhole = this.#nextElement === this.#elementsEnd ? 1 : 0;
      end = kernel.takePiece(start, end, this.#decodedEnd, isWhole, maxSamples, maxRawBytes) >>> 0;
      guess *= 2;
    } while (this.#memory.slot(layout.SLOT_MORE) !== 0);
    this.#memory.readCounts(counts);
    return end - this.#rawAddress;
  }

  /**
   * Encodes the decoded bytes [from, end) of a piece from takePiece as a snappy block in the kernel's memory, where
   * copyPiece finds it. Returns its size, or undefined if the space does not suffice. Elements of the request that the
   * piece can keep are not encoded again.
   */
  *encodePiece(from: number, end: number): Steps<number | undefined> {
    this.#assertOpen(from, end);
    const memory = this.#memory;
    const fromAddress = this.#rawAddress + from;
    const endAddress = this.#rawAddress + end;
    memory.kernel.findKept(this.#nextElement, fromAddress, endAddress);
    const keptAt = memory.slot(layout.SLOT_KEPT_AT);
    const keptBytes = memory.slot(layout.SLOT_KEPT_END_AT) - keptAt;
    const headEnd = keptBytes === 0 ? endAddress : memory.slot(layout.SLOT_KEPT_OUT);
    const tail = keptBytes === 0 ? endAddress : memory.slot(layout.SLOT_KEPT_END_OUT);
    const keptTo = yield* memory.encodeInSteps(fromAddress, headEnd, memory.encodeAt);
    const encodedEnd = keptTo === 0 ? 0 : yield* memory.encodeInSteps(tail, endAddress, keptTo);
    if (encodedEnd === 0 || keptBytes > memory.encodeRoomFrom(encodedEnd)) return undefined;
    this.#keptAt = keptAt;
    this.#keptBytes = keptBytes;
    this.#keptTo = keptTo;
    this.#encodedEnd = encodedEnd;
    this.#pieceBytes = end - from;
    return varintBytes(end - from) + encodedEnd - memory.encodeAt + keptBytes;
  }

  /** Copies the block that encodePiece has made into memory from `allocate`. */
  *copyPiece(allocate: Allocate): Steps<Buffer> {
    const { encodeAt, bytes } = this.#memory;
    const block = allocate(varintBytes(this.#pieceBytes) + this.#encodedEnd - encodeAt + this.#keptBytes);
    yield* touchInSteps(block, 0, block.length);
    let at = writeVarint(block, 0, this.#pieceBytes);
    at += bytes.copy(block, at, encodeAt, this.#keptTo); // copies
    at += bytes.copy(block, at, this.#keptAt, this.#keptAt + this.#keptBytes); // copies
    bytes.copy(block, at, this.#keptTo, this.#encodedEnd); // copies
    return block;
  }

  /**
   * Finds where to open a window whose first piece starts at `from`.
   * @param history receives the bytes that copies reach back to
   */
  *pointBefore(from: number, history: Buffer): Steps<DecodePoint> {
    this.#assertOpen(from, from);
    const memory = this.#memory;
    yield* touchInSteps(history, 0, history.length);
    yield* this.#decodeTo(this.#rawAddress + from);
    memory.kernel.findElement(this.#nextElement, this.#rawAddress + from);
    const elementAt = memory.slot(layout.SLOT_KEPT_AT) - layout.INPUT_AT + this.#openedAt;
    const rawAddress = memory.slot(layout.SLOT_KEPT_OUT);
    const historyBytes = Math.min(history.length, rawAddress - this.#baseAddress);
    memory.bytes.copy(history, 0, rawAddress - historyBytes, rawAddress); // copies
    return { elementAt, rawAt: rawAddress - this.#rawAddress, history: history.subarray(0, historyBytes) };
  }

  /** Decodes up to the address `end`, and on to the end of the element there. */
  *#decodeTo(end: number): Steps<void> {
    const memory = this.#memory;
    const toEnd = this.#rawAddress + this.#request.rawBytes;
    while (this.#decodedEnd < end && this.#nextElement !== this.#elementsEnd) {
      const ok = memory.kernel.decodeRun(
        this.#baseAddress,
        this.#nextElement,
        this.#elementsEnd,
        this.#decodedEnd,
        toEnd,
        Math.min(end, this.#decodedEnd + STEP_BYTES),
      );
      if (ok === 0) {
        throw new Error(`a request that was accepted cannot be decoded (${memory.slot(layout.SLOT_FAULT)})`);
      }
      this.#nextElement = memory.slot(layout.SLOT_NEXT_AT);
      this.#decodedEnd = memory.slot(layout.SLOT_NEXT_OUT);
      if (this.#decodedEnd < end) yield;
    }
  }

  #assertOpen(from: number, end: number): void {
    if (!this.isOpen) throw new Error('the window is not open: the memory of the kernel was placed anew');
    if (from > end || end > this.#request.rawBytes || this.#rawAddress + from < this.#baseAddress) {
      throw new Error(`bytes ${from} to ${end} are not in the window`);
    }
  }
}
