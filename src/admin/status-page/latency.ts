/** Delivery latency: quantiles of what was added to a histogram between two readings. */
import { LATENCY_BOUNDS } from '../../metrics/histogram-bounds.ts';
import { cumulative, type Observed } from '../../metrics/observations.ts';

/** Upper bound in seconds, and how many observations were at most that long. Ascending; the last bound is Infinity. */
export type Buckets = readonly (readonly [leSeconds: number, count: number])[];

export function bucketsOf(observed: Observed): Buckets {
  return cumulative(observed).map((count, index) => [LATENCY_BOUNDS[index] ?? Infinity, count]);
}

/** Returns milliseconds, interpolated inside the bucket; null if nothing was added. */
export function quantileMs(share: number, after: Buckets, before: Buckets): number | null {
  const added = (index: number): number => (after[index]?.[1] ?? 0) - (before[index]?.[1] ?? 0);
  const wanted = added(after.length - 1) * share;
  if (!(wanted > 0)) return null;
  let lower = 0;
  for (const [index, [upper]] of after.entries()) {
    const below = index === 0 ? 0 : added(index - 1);
    if (added(index) >= wanted) {
      if (upper === Infinity) return lower * 1000;
      return (lower + ((upper - lower) * (wanted - below)) / (added(index) - below)) * 1000;
    }
    lower = upper;
  }
  return null;
}
