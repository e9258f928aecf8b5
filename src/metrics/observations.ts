/**
 * Observations of a histogram, counted in plain numbers as everything that the data path counts. One costs a short
 * search; prom-client's own histogram looks up its labels each time, which took a microsecond for each request.
 */

/** Observations as plain data. */
export interface Observed {
  /** How many there were in each bucket, ascending and not cumulative; the last is of what is above every bound. */
  readonly counts: readonly number[];
  readonly sum: number;
}

/** A bucket holds what is at most its bound. */
export class Observations {
  readonly #upperBounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  /** @param upperBounds ascending */
  constructor(upperBounds: readonly number[]) {
    this.#upperBounds = upperBounds;
    this.#counts = new Float64Array(upperBounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.#upperBounds;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] ?? Infinity)) index += 1;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  /** Copies. */
  get observed(): Observed {
    return { counts: [...this.#counts], sum: this.#sum };
  }
}

/** How many were at most each bound, ascending, and then how many there are. */
export function cumulative({ counts }: Observed): number[] {
  let below = 0;
  return counts.map((count) => {
    below += count;
    return below;
  });
}

/**
 * Sums are added in steps of 2^-20, about 1 us where they are seconds. Sums of those are exact (to 2^33) in whatever
 * order they are made; else the end of a worker would move a sum by its last bit, and Prometheus takes a counter that is
 * less than it was for one that began anew.
 */
const STEPS = 2 ** 20;

/** Both together; either may be of nothing. */
export function addObserved(a: Observed, b: Observed): Observed {
  const [longer, shorter] = a.counts.length >= b.counts.length ? [a, b] : [b, a];
  return {
    counts: longer.counts.map((count, index) => count + (shorter.counts[index] ?? 0)),
    sum: inSteps(a.sum) + inSteps(b.sum),
  };
}

function inSteps(value: number): number {
  return Math.round(value * STEPS) / STEPS;
}
