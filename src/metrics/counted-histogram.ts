/** A histogram that prom-client reads from plain counts (observations.ts) when it is scraped. */
import {
  Histogram,
  type HistogramConfiguration,
  type MetricObjectWithValues,
  type MetricValueWithName,
} from 'prom-client';
import { cumulative, type Observed } from './observations.ts';

/** The observations of one set of labels. */
export interface Labelled {
  readonly labels: Readonly<Record<string, string>>;
  readonly observed: Observed;
}

export class CountedHistogram extends Histogram {
  readonly #config: { readonly name: string; readonly help: string; readonly buckets: readonly number[] };
  readonly #read: () => readonly Labelled[];

  /** @param config buckets ascending */
  constructor(config: HistogramConfiguration<string> & { buckets: number[] }, read: () => readonly Labelled[]) {
    super(config);
    this.#config = config;
    this.#read = read;
  }

  override get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    const { name, help, buckets } = this.#config;
    const values = this.#read().flatMap(({ labels, observed }) => {
      const below = cumulative(observed);
      return [
        ...below.map((value, index) => ({
          labels: { le: buckets[index] ?? '+Inf', ...labels },
          value,
          metricName: `${name}_bucket`,
        })),
        { labels, value: observed.sum, metricName: `${name}_sum` },
        { labels, value: below.at(-1) ?? 0, metricName: `${name}_count` },
      ];
    });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- prom-client's types know its enum only, whose values these are
    return Promise.resolve({
      name,
      help,
      type: 'histogram',
      aggregator: 'sum',
      values,
    } as unknown as MetricObjectWithValues<MetricValueWithName<string>>);
  }

  /** prom-client calls this when it writes text. */
  async getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    return this.get();
  }
}
