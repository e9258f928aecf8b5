/**
 * How many samples a batch may have: less when AMP refuses a batch for its ingestion rate, since a batch that is larger
 * than the burst that AMP allows would never get in; more again, step by step, as batches of that size are delivered.
 */

/** Answers to what was in flight when the limit was halved say nothing new, ms. */
const HOLD_MS = 1_000;
/** Samples. Smaller requests cost more than they bring. */
const LEAST_SAMPLES = 100;
/** Deliveries from the least to the most. */
const STEPS = 20;

export class BatchSizeLimit {
  readonly #max: number;
  #limit: number;
  #halvedAtMs = -Infinity;

  /** @param maxSamples samples and histograms of a batch at most */
  constructor(maxSamples: number) {
    this.#max = maxSamples;
    this.#limit = maxSamples;
  }

  /** A whole number of samples and histograms. */
  get maxSamples(): number {
    return Math.floor(this.#limit);
  }

  /** A batch of so many samples was refused for its rate. `nowMs` is of the monotonic clock. */
  throttled(samples: number, nowMs: number): void {
    if (nowMs - this.#halvedAtMs < HOLD_MS) return;
    // A batch far below the limit was not refused for its size.
    if (samples * 2 < this.#limit) return;
    this.#halvedAtMs = nowMs;
    const least = Math.min(LEAST_SAMPLES, this.#max);
    this.#limit = Math.max(least, Math.min(this.#limit, samples) / 2);
  }

  /** A batch of so many samples was delivered. */
  delivered(samples: number): void {
    if (this.#limit < this.#max && samples * 2 >= this.#limit) {
      this.#limit = Math.min(this.#max, this.#limit + this.#max / STEPS);
    }
  }
}
