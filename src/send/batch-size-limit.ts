/**
 * Limits the samples of a batch. The limit falls when AMP throttles a batch for its ingestion rate, since AMP would
 * never take a batch that is larger than its burst. It rises again, step by step, as batches of that size are
 * delivered.
 */

/** Answers to batches that were in flight when the limit was halved say nothing new, ms. */
const HOLD_MS = 1_000;
/** In samples. Smaller requests cost more than they gain. */
const LEAST_SAMPLES = 100;
/** The number of deliveries from the least to the most. */
const STEPS = 20;

export class BatchSizeLimit {
  readonly #max: number;
  #limit: number;
  #halvedAtMs = -Infinity;

  /** @param maxSamples the most samples and histograms in a batch */
  constructor(maxSamples: number) {
    this.#max = maxSamples;
    this.#limit = maxSamples;
  }

  /** The limit in whole samples and histograms. */
  get maxSamples(): number {
    return Math.floor(this.#limit);
  }

  /** Called when a batch of so many samples was throttled for its rate. `nowMs` is of the monotonic clock. */
  throttled(samples: number, nowMs: number): void {
    if (nowMs - this.#halvedAtMs < HOLD_MS) return;
    // A batch far below the limit was not throttled for its size.
    if (samples * 2 < this.#limit) return;
    this.#halvedAtMs = nowMs;
    const least = Math.min(LEAST_SAMPLES, this.#max);
    this.#limit = Math.max(least, Math.min(this.#limit, samples) / 2);
  }

  /** Called when a batch of so many samples was delivered. */
  delivered(samples: number): void {
    if (this.#limit < this.#max && samples * 2 >= this.#limit) {
      this.#limit = Math.min(this.#max, this.#limit + this.#max / STEPS);
    }
  }
}
