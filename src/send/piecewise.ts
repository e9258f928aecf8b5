/**
 * Sends one request in pieces, one at a time and in order: later samples of a series may be in a later piece. Its outcome
 * is the worst of the pieces': refused, then rejected, then delivered. A piece has memory only while it is sent.
 */
import type { BatchLimits } from './batch-limits.ts';
import type { BufferPool, Lease } from '../memory/buffer-pool.ts';
import type { KernelCost, KernelTurns } from '../codec/kernel-turns.ts';
import type { Allocate } from '../codec/snappy/join.ts';
import type { Steps } from '../platform/steps.ts';
import { RequestError } from '../outcome/errors.ts';
import { DEDUPLICATED, DELIVERED, type Outcome, type Verdict } from '../outcome/outcome.ts';
import type { HeldMemory, Payload } from './payload.ts';

/** Cuts a request at the borders of its TimeSeries (batch/split.ts). */
export interface Cutter {
  readonly done: boolean;
  /** The bytes that it keeps between two pieces. */
  readonly heldBytes: number;
  /**
   * Throws RequestError BODY_TOO_LARGE when a single TimeSeries is too large to be sent at all, and passes it: the next
   * piece starts behind it.
   */
  takeInSteps(limits: BatchLimits, allocate: Allocate): Steps<Payload>;
  /** Puts the last piece back because it is not sent: the next one starts where it started. */
  putBack(): void;
}

export interface PiecewiseDeps {
  readonly pool: BufferPool;
  /** Counts the memory that the request holds beside its body. */
  readonly memory: HeldMemory;
  readonly turns: Pick<KernelTurns, 'runInSteps'>;
}

const INTERNAL: Outcome = {
  kind: 'refused',
  reason: 'internal',
  message: 'internal error of the proxy while it cut a request; send it again',
};
/** A little over one half, so that a piece whose compression is guessed becomes two and not three. */
const HALF = 0.55;
/** In samples; a throttled piece is not made smaller than this. */
const LEAST_SAMPLES = 100;

export class Piecewise {
  readonly #cutter: Cutter;
  readonly #deps: PiecewiseDeps;
  readonly #sender: KernelCost;
  /** The next result of `tryNext`, once it is made. */
  #next: Payload | Outcome | 'making' | undefined;
  #disposed = false;
  #heldBytes = 0;
  #limits: BatchLimits;
  #piece: Payload | undefined;
  #lease: Lease | undefined;
  /** The size of the piece that was too large; a piece that is no smaller cannot be cut. */
  #tooLargeBytes: number | undefined;
  #rejected: Outcome | undefined;
  #deduplicated = true;

  /** @param sender the sender of the request, to which the cost is charged */
  constructor(cutter: Cutter, limits: BatchLimits, deps: PiecewiseDeps, sender: KernelCost) {
    this.#cutter = cutter;
    this.#limits = limits;
    this.#deps = deps;
    this.#sender = sender;
  }

  /**
   * Returns the next piece to send, in memory that `sent` releases; or the outcome if there is none. Returns undefined
   * if the piece has to be made first, in turns with other work: `onMade` is called later, and the caller then calls
   * again.
   */
  tryNext(onMade: () => void): Payload | Outcome | undefined {
    if (this.#next === undefined) {
      this.#next = 'making';
      this.#make(onMade);
    }
    const next = this.#next;
    if (next === 'making') return undefined;
    this.#next = undefined;
    return next;
  }

  #make(onMade: () => void): void {
    let isLater = false;
    const made = (next: Payload | Outcome): void => {
      this.#next = next;
      if (isLater) onMade();
    };
    this.#deps.turns.runInSteps(this.#sender, {
      steps: this.#nextInSteps(),
      isWanted: () => !this.#disposed,
      done: made,
      failed: () => made(INTERNAL),
    });
    isLater = true;
  }

  *#nextInSteps(): Steps<Payload | Outcome> {
    for (;;) {
      if (this.#cutter.done) return this.#rejected ?? (this.#deduplicated ? DEDUPLICATED : DELIVERED);
      let piece;
      try {
        piece = yield* this.#take();
      } catch (error) {
        const outcome = tooLarge(error instanceof Error ? error.message : String(error), 0);
        if (!(error instanceof RequestError && error.code === 'BODY_TOO_LARGE')) {
          this.dispose();
          return outcome;
        }
        // The cutter has passed the series, and those behind it are sent all the same.
        this.#rejected ??= outcome;
        this.#giveBack();
      }
      if (piece !== undefined) return piece;
    }
  }

  /** Called with the verdict on a piece after it was sent. */
  sent(verdict: Verdict): void {
    const bytes = this.#piece?.body.length ?? 0;
    const samples = (this.#piece?.samples ?? 0) + (this.#piece?.histograms ?? 0);
    this.#giveBack();
    switch (verdict.kind) {
      case 'delivered':
        this.#deduplicated &&= verdict.deduplicated;
        break;
      case 'rejected':
        this.#rejected ??= verdict;
        break;
      case 'too_large':
        this.#cutter.putBack();
        this.#tooLargeBytes = bytes;
        this.#limits = { ...this.#limits, maxBytes: Math.ceil(bytes * HALF) };
        break;
      case 'retry':
        this.#cutter.putBack();
        if (verdict.throttle === 'samples' || verdict.throttle === 'unknown') this.#shrink(samples);
        break;
      case 'unauthorized':
        this.#cutter.putBack();
        break;
    }
  }

  /** Releases all memory; nothing more is sent. */
  dispose(): void {
    this.#disposed = true;
    this.#giveBack();
    this.#hold(0);
  }

  #hold(bytes: number): void {
    this.#deps.memory.hold(bytes - this.#heldBytes);
    this.#heldBytes = bytes;
  }

  #shrink(samples: number): void {
    const maxSamples = Math.max(LEAST_SAMPLES, Math.ceil(samples * HALF));
    if (maxSamples < this.#limits.maxSamples) this.#limits = { ...this.#limits, maxSamples };
  }

  /** Returns undefined for a piece that the upstream has called too large and that cannot be cut. */
  *#take(): Steps<Payload | undefined> {
    const piece = yield* this.#cutter.takeInSteps(this.#limits, (bytes) => {
      this.#lease?.release();
      this.#lease = this.#deps.pool.take(bytes);
      return this.#lease.buffer;
    });
    this.#piece = piece;
    this.#hold(this.#cutter.heldBytes + (this.#lease?.buffer.length ?? 0));
    const tooLargeBytes = this.#tooLargeBytes;
    this.#tooLargeBytes = undefined;
    if (tooLargeBytes === undefined || piece.body.length < tooLargeBytes) return piece;
    this.#rejected ??= tooLarge('the upstream answered 413', piece.body.length);
    this.#giveBack();
    return undefined;
  }

  #giveBack(): void {
    this.#lease?.release();
    this.#lease = undefined;
    this.#piece = undefined;
    this.#hold(this.#cutter.heldBytes);
  }
}

function tooLarge(cause: string, bytes: number): Outcome {
  const size = bytes > 0 ? ` of ${bytes} compressed bytes` : '';
  const message = `a single series${size} is too large for the upstream and cannot be cut: ${cause}`;
  return { kind: 'rejected', status: 413, reason: 'too_large', message };
}
