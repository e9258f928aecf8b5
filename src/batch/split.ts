/**
 * Cuts one request that is over a limit into pieces, at the borders of its TimeSeries. Around the cuts they are encoded
 * anew; the elements between are the request's own.
 *
 * The pieces' decoded bytes, one after the other, are exactly the request's: order, metadata, unknown fields and every
 * byte of a TimeSeries are kept. The piece that is nothing less than the request is the original body itself.
 */
import type { Counts, Kernel } from '../codec/kernel.ts';
import { allocateUnsafe, asBuffer, type Allocate, type JoinPart } from '../codec/snappy-join.ts';
import { varintBytes } from '../codec/varint.ts';
import { RequestError } from '../errors.ts';

export interface Piece extends JoinPart, Counts {
  body: Buffer;
}

export interface SplitLimits {
  /** Samples and histograms of a piece. */
  maxSamples: number;
  /** Compressed bytes of a piece. */
  maxBytes: number;
}

/** Pieces that are aimed at stay this far below maxBytes, since how well a part is compressed is a guess. */
const AIM = 0.95;

/**
 * At least one piece, each within both limits; but a field (a TimeSeries, a metadata entry) that exceeds one by itself
 * is alone in its piece. Throws RequestError as Kernel.scan does, and BODY_TOO_LARGE for a field whose encoding
 * exceeds limits.max_body_bytes.
 *
 * @param allocate gives the memory of what is encoded anew
 */
export function splitBody(
  kernel: Kernel,
  body: Uint8Array,
  limits: SplitLimits,
  allocate: Allocate = allocateUnsafe,
): Piece[] {
  const whole = kernel.openForCutting(body);
  const { rawBytes } = whole;
  const samples = whole.samples + whole.histograms;
  const original: Piece = { body: asBuffer(body), rawBytes, elementsAt: whole.elementsAt, ...countsOf(whole) };
  if (samples <= limits.maxSamples && body.length <= limits.maxBytes) return [original];

  // As few as are needed, of about the same size: a full piece and a crumb would be two requests all the same.
  const pieces: Piece[] = [];
  let samplesLeft = samples;
  for (let from = 0; from < rawBytes;) {
    const bytesLeft = (body.length * (rawBytes - from)) / rawBytes;
    const target = {
      maxSamples: Math.min(limits.maxSamples, evenShare(samplesLeft, samplesLeft / limits.maxSamples)),
      maxRawBytes: evenShare(rawBytes - from, bytesLeft / (limits.maxBytes * AIM)),
    };
    const piece = takeEncoded(kernel, from, target, limits.maxBytes, allocate);
    if (piece.rawBytes === rawBytes) return [original];
    pieces.push(piece);
    from += piece.rawBytes;
    samplesLeft -= piece.samples + piece.histograms;
  }
  return pieces.length === 0 ? [original] : pieces;
}

/** The next piece from the decoded offset `from`, made smaller until it is within maxBytes or one field. */
function takeEncoded(
  kernel: Kernel,
  from: number,
  target: { maxSamples: number; maxRawBytes: number },
  maxBytes: number,
  allocate: Allocate,
): Piece {
  const counts: Counts = { series: 0, samples: 0, histograms: 0, exemplars: 0, metadata: 0 };
  let end = kernel.takePiece(from, target, counts);
  for (;;) {
    const rawBytes = end - from;
    const body = kernel.encodePiece(from, end, allocate);
    if (body !== undefined && body.length <= maxBytes) return pieceOf(body, rawBytes, counts);
    // Always less than it was: of one field only, takePiece returns the same end again.
    const share = body === undefined ? 0.5 : (maxBytes * AIM) / body.length;
    const smaller = kernel.takePiece(from, { ...target, maxRawBytes: Math.floor(rawBytes * share) }, counts);
    if (smaller === end) {
      if (body !== undefined) return pieceOf(body, rawBytes, counts);
      throw new RequestError(
        'BODY_TOO_LARGE',
        `one TimeSeries or metadata entry of ${rawBytes} bytes, encoded, exceeds limits.max_body_bytes ` +
          `and cannot be cut; send fewer samples of a series at once, or raise it`,
      );
    }
    end = smaller;
  }
}

function pieceOf(body: Buffer, rawBytes: number, counts: Counts): Piece {
  return { body, rawBytes, elementsAt: varintBytes(rawBytes), ...counts };
}

function countsOf({ series, samples, histograms, exemplars, metadata }: Counts): Counts {
  return { series, samples, histograms, exemplars, metadata };
}

/** What each piece gets of `total` when it takes so many (a fraction counts as one more). */
function evenShare(total: number, pieces: number): number {
  return pieces > 1 ? Math.ceil(total / Math.ceil(pieces)) : total;
}

/** Takes pieces of one request, in order. */
export class BodyCutter {
  readonly #kernel: Kernel;
  readonly #body: Uint8Array;
  #pieces: Piece[] | undefined;
  #last: Piece | undefined;

  constructor(kernel: Kernel, body: Uint8Array) {
    this.#kernel = kernel;
    this.#body = body;
  }

  get done(): boolean {
    return this.#pieces?.length === 0;
  }

  take(limits: SplitLimits): Piece {
    const pieces = (this.#pieces ??= splitBody(this.#kernel, this.#body, limits));
    const [first] = pieces;
    if (
      first !== undefined &&
      (first.samples + first.histograms > limits.maxSamples || first.body.length > limits.maxBytes)
    ) {
      pieces.splice(0, 1, ...splitBody(this.#kernel, first.body, limits));
    }
    const piece = pieces.shift();
    if (piece === undefined) throw new Error('nothing is left of the request');
    this.#last = piece;
    return piece;
  }

  putBack(): void {
    if (this.#last !== undefined) this.#pieces?.unshift(this.#last);
  }
}
