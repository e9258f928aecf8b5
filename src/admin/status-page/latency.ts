/** Delivery latency from the histogram that /metrics has anyway: quantiles of what was added between two readings. */
import type { Registry } from 'prom-client';

/** Upper bound in seconds, and how many observations were at most that long. Ascending; the last bound is Infinity. */
export type Buckets = readonly (readonly [leSeconds: number, count: number])[];

/** What it is read from. */
export type LatencyRegistry = Pick<Registry, 'getSingleMetric'>;

export const DELIVERY_HISTOGRAM = 'amp_write_proxy_delivery_duration_seconds';

/** Of deliveries, by destination. */
export async function readLatency(registry: LatencyRegistry): Promise<ReadonlyMap<string, Buckets>> {
  const buckets = new Map<string, [number, number][]>();
  const metric = await registry.getSingleMetric(DELIVERY_HISTOGRAM)?.get();
  for (const { labels, value } of metric?.values ?? []) {
    const { le, remote_name: name, outcome } = labels;
    if (le === undefined || outcome !== 'delivered') continue;
    const of = buckets.get(String(name)) ?? [];
    of.push([le === '+Inf' ? Infinity : Number(le), value]);
    buckets.set(String(name), of);
  }
  return buckets;
}

/** In milliseconds, interpolated inside its bucket; null when nothing was added. */
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
