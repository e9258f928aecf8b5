/**
 * Cuts one request that is over a limit into pieces, at the borders of its TimeSeries. The TimeSeries around the cuts
 * are encoded again; the elements between them are the request's own.
 *
 * The pieces' decoded bytes, one after the other, are exactly the request's: order, metadata, unknown fields and every
 * byte of a TimeSeries are kept. A piece that holds the whole request is the original body itself.
 *
 * A piece is made on request, and its cost follows its size: decoding resumes where the last piece started. If the
 * kernel served another request in the meantime, the last piece is decoded once more; the bytes that it copies from are
 * kept for that (`heldBytes`).
 */
import type { Counts, Kernel } from '../codec/kernel.ts';
import type { DecodePoint, RequestWindow } from '../codec/request-window.ts';
import { asBuffer, type Allocate, type JoinPart } from '../codec/snappy/join.ts';
import { varintBytes } from '../codec/snappy/varint.ts';
import { RequestError } from '../outcome/errors.ts';
import { finish, type Steps } from '../platform/steps.ts';

export interface Piece extends JoinPart, Counts {
  body: Buffer;
}

export interface SplitLimits {
  /** The most samples and histograms in a piece. */
  maxSamples: number;
  /** The most compressed bytes in a piece. */
  maxBytes: number;
}

/** The results of Kernel.scan; with them, a request is not scanned again to be cut. */
export interface ScannedRequest extends Readonly<Counts> {
  readonly rawBytes: number;
  readonly elementsAt: number;
  /** The most decoded bytes that a copy in the body reaches back. */
  readonly reachBytes: number;
}

/** A piece aims this far below maxBytes, since its compression ratio is a guess. */
const AIM = 0.95;
/** Decoding goes somewhat farther than the piece is expected to reach, since decoding more later costs more. */
const GUESS = 1.1;
/**
 * The most history that is kept for copies to reach back to. Snappy's own encoders start afresh every 64 KiB and need
 * no more than that; where copies reach farther than this, a piece is decoded from the request's start instead.
 */
export const MAX_HISTORY_BYTES = 4 * 1024 * 1024;

/**
 * The most pieces of one request: at 50 ms each they take 25 s, the default of delivery_timeout. A request of
 * limits.max_samples_per_request (500,000) has 100 pieces of max_samples_per_send (5000).
 */
export const MAX_PIECES = 500;

export class BodyCutter {
  readonly #window: RequestWindow;
  readonly #whole: Piece;
  readonly #samples: number;
  readonly #historyBytes: number;
  #history: Buffer | undefined;
  /** The point at which a window is opened for the piece that was taken last. */
  #point: DecodePoint;
  #pointFor = 0;
  /** The decoded offsets where the last piece starts and where the next one does, and the samples behind both. */
  #lastAt = 0;
  #nextAt = 0;
  #lastSamplesLeft: number;
  #samplesLeft: number;
  #taken = false;
  #pieces = 0;

  /**
   * @param body the compressed request, as Kernel.scan has accepted it; it must stay readable while the cutter is used
   * @param scanned the results of its scan; the body is scanned again if they are not given
   */
  constructor(kernel: Kernel, body: Uint8Array, scanned: ScannedRequest = kernel.scan(body)) {
    const { rawBytes, elementsAt, series, samples, histograms, exemplars, metadata } = scanned;
    this.#whole = { body: asBuffer(body), rawBytes, elementsAt, series, samples, histograms, exemplars, metadata };
    this.#samples = samples + histograms;
    this.#lastSamplesLeft = this.#samples;
    this.#samplesLeft = this.#samples;
    const reachBytes = Math.min(scanned.reachBytes, rawBytes);
    this.#historyBytes = reachBytes <= MAX_HISTORY_BYTES ? reachBytes : 0;
    this.#window = kernel.windowOn(this.#whole);
    this.#point = { elementAt: elementsAt, rawAt: 0, history: Buffer.alloc(0) };
  }

  /** True when every byte of the request was taken. */
  get done(): boolean {
    return this.#taken && this.#nextAt === this.#whole.rawBytes;
  }

  /** The most bytes that the cutter holds beside the body and the pieces: MAX_HISTORY_BYTES or less. */
  get heldBytes(): number {
    return this.#historyBytes;
  }

  /**
   * Returns the next piece, within both limits; a field (a TimeSeries, a metadata entry) that exceeds one by itself is
   * alone in its piece. Throws RequestError BODY_TOO_LARGE for a field whose encoding exceeds limits.max_body_bytes
   * (the next take starts behind it), and TOO_MANY_PIECES over MAX_PIECES, with the first piece where that can be told.
   *
   * @param allocate gives the memory of the piece, once its size is known. It is called at most once, and not for a
   * piece that is the whole request, which is the body itself. The caller gives the memory back when it was sent.
   */
  take(limits: SplitLimits, allocate: Allocate): Piece {
    return finish(this.takeInSteps(limits, allocate));
  }

  /** Does the same as `take`, in steps of 25 ms at most. Nothing else may use the kernel until they have ended. */
  *takeInSteps(limits: SplitLimits, allocate: Allocate): Steps<Piece> {
    if (this.done) throw new Error('every byte of the request was taken');
    const whole = this.#whole;
    const from = this.#nextAt;
    if (from === 0 && this.#samples <= limits.maxSamples && whole.body.length <= limits.maxBytes) {
      return this.#took(whole);
    }
    const expected = this.#pieces + Math.min(whole.series, Math.ceil(this.#samplesLeft / limits.maxSamples));
    if (expected > MAX_PIECES || this.#pieces >= MAX_PIECES) throw tooManyPieces(this.#samples, expected);
    yield* this.#open(from);
    // Makes as few pieces as needed, of about the same size: a full piece and a tiny one would be two requests all the
    // same.
    const bytesLeft = (whole.body.length * (whole.rawBytes - from)) / whole.rawBytes;
    const target = {
      maxSamples: Math.min(limits.maxSamples, evenShare(this.#samplesLeft, this.#samplesLeft / limits.maxSamples)),
      maxRawBytes: evenShare(whole.rawBytes - from, bytesLeft / (limits.maxBytes * AIM)),
    };
    return this.#took(yield* this.#encode(from, target, limits.maxBytes, allocate));
  }

  /** Puts the last piece back because it is not sent: the next take starts where it started. */
  putBack(): void {
    this.#nextAt = this.#lastAt;
    this.#samplesLeft = this.#lastSamplesLeft;
    this.#taken = false;
    this.#pieces -= 1;
  }

  #took(piece: Piece): Piece {
    this.#passed(piece);
    return piece;
  }

  /** The next piece starts behind these bytes. */
  #passed(piece: Pick<Piece, 'rawBytes' | 'samples' | 'histograms'>): void {
    this.#lastAt = this.#nextAt;
    this.#lastSamplesLeft = this.#samplesLeft;
    this.#nextAt += piece.rawBytes;
    this.#samplesLeft -= piece.samples + piece.histograms;
    this.#taken = true;
    this.#pieces += 1;
  }

  /** Opens the window for a piece from `from`, and remembers how to open it there again. */
  *#open(from: number): Steps<void> {
    if (!this.#window.isOpen) yield* this.#window.openAt(this.#point);
    if (from === this.#pointFor || this.#historyBytes === 0) return;
    this.#pointFor = from;
    this.#history ??= Buffer.allocUnsafeSlow(this.#historyBytes);
    this.#point = yield* this.#window.pointBefore(from, this.#history);
  }

  /** Encodes the next piece from the decoded offset `from`, made smaller until it fits maxBytes or is one field. */
  *#encode(
    from: number,
    target: { maxSamples: number; maxRawBytes: number },
    maxBytes: number,
    allocate: Allocate,
  ): Steps<Piece> {
    const window = this.#window;
    const counts: Counts = { series: 0, samples: 0, histograms: 0, exemplars: 0, metadata: 0 };
    const rest = this.#whole.rawBytes - from;
    const bySamples = this.#samplesLeft > 0 ? (rest * target.maxSamples) / this.#samplesLeft : rest;
    const guess = Math.ceil(Math.min(target.maxRawBytes, bySamples) * GUESS);
    let end = yield* window.takePiece(from, target, guess, counts);
    // The target is less than the request, so this is one field.
    if (end - from === this.#whole.rawBytes) return this.#whole;
    for (;;) {
      const rawBytes = end - from;
      const bytes = yield* window.encodePiece(from, end);
      if (bytes === undefined || bytes > maxBytes) {
        // The new target is always smaller; for a piece of one field, takePiece returns the same end again.
        const share = bytes === undefined ? 0.5 : (maxBytes * AIM) / bytes;
        const smaller = { ...target, maxRawBytes: Math.floor(rawBytes * share) };
        const smallerEnd = yield* window.takePiece(from, smaller, smaller.maxRawBytes, counts);
        if (smallerEnd < end) {
          end = smallerEnd;
          continue;
        }
      }
      if (bytes !== undefined) return pieceOf(yield* window.copyPiece(allocate), rawBytes, counts);
      this.#passed({ rawBytes, ...counts });
      throw new RequestError(
        'BODY_TOO_LARGE',
        `one TimeSeries or metadata entry of ${rawBytes} bytes, encoded, exceeds limits.max_body_bytes ` +
          `and cannot be cut; send fewer samples of a series at once, or raise it`,
      );
    }
  }
}

function tooManyPieces(samples: number, pieces: number): RequestError {
  return new RequestError(
    'TOO_MANY_PIECES',
    `body of ${samples} samples would take ${pieces} requests upstream or more, which exceeds ${MAX_PIECES}; ` +
      'raise max_samples_per_send of the proxy, or lower that of the sender',
  );
}

function pieceOf(body: Buffer, rawBytes: number, counts: Counts): Piece {
  return { body, rawBytes, elementsAt: varintBytes(rawBytes), ...counts };
}

/** Divides `total` evenly among so many pieces (a fraction counts as one more piece). */
function evenShare(total: number, pieces: number): number {
  return pieces > 1 ? Math.ceil(total / Math.ceil(pieces)) : total;
}
