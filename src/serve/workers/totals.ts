/**
 * Totals: the metrics of several processes as one exposition. Counters and histograms of workers that are gone stay in
 * it, so that no counter ever goes back; their gauges vanish.
 * Destinations are not among them: their snapshots are merged (destinations-view.ts).
 */
import { AggregatorRegistry, type Registry } from 'prom-client';
import type { MetricValues } from './messages.ts';

/**
 * Seconds are counted in steps of 2^-20, about 1 us, whose sums are exact (to 2^33 s) in any order. Otherwise a
 * worker's end would move a sum by its last bit, and Prometheus takes a decreasing counter for one that was reset.
 */
const STEPS = 2 ** 20;

export class Totals {
  #gone: readonly MetricValues[] = [];

  /** Adds the counts of a worker that is gone. */
  retire(metrics: readonly MetricValues[]): void {
    const lasting = metrics.filter((metric) => !isGauge(metric));
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- prom-client's type leaves out the values that are there
    this.#gone = together([this.#gone, lasting]).getMetricsAsArray() as MetricValues[];
  }

  /** @param living the metrics of each living process, its own first */
  sum(living: readonly (readonly MetricValues[])[]): Registry {
    return together([...living, this.#gone]);
  }
}

function together(parts: readonly (readonly MetricValues[])[]): Registry {
  return AggregatorRegistry.aggregate(parts.map((metrics) => metrics.map(inSteps)));
}

function inSteps(metric: MetricValues): MetricValues {
  if (isGauge(metric)) return metric;
  return { ...metric, values: metric.values.map((one) => ({ ...one, value: Math.round(one.value * STEPS) / STEPS })) };
}

function isGauge({ type }: MetricValues): boolean {
  // prom-client's type says numbers, but the values are words.
  return String(type) === 'gauge';
}
