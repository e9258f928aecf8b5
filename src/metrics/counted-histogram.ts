/**
 * A histogram that is counted in plain numbers, as everything that the data path counts, and that prom-client reads
 * when it is scraped. An observation costs a short search; prom-client's own looks up its labels each time, which took
 * a microsecond for each request.
 */
import {
  Histogram,
  type HistogramConfiguration,
  type MetricObjectWithValues,
  type MetricValueWithName,
} from 'prom-client';

/** The observations of one set of labels. */
export class Observations {
  readonly #upperBounds: readonly number[];
  /** Not cumulative; the last is of what is above every bound. */
  readonly #counts: Float64Array;
  #sum = 0;

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

  get sum(): number {
    return this.#sum;
  }

  /** How many were at most each bound, ascending, and then how many there are. */
  cumulative(): number[] {
    let below = 0;
    return Array.from(this.#counts, (count) => {
      below += count;
      return below;
    });
  }
}

type Labels = Readonly<Record<string, string>>;

export class CountedHistogram extends Histogram {
  readonly #config: { readonly name: string; readonly help: string; readonly buckets: readonly number[] };
  readonly #children: { readonly labels: Labels; readonly observations: Observations }[] = [];

  /** @param config buckets ascending */
  constructor(config: HistogramConfiguration<string> & { buckets: number[] }) {
    super(config);
    this.#config = config;
  }

  /** Asked for once by whoever observes; its series are there from then on. */
  with(labels: Labels): Observations {
    const observations = new Observations(this.#config.buckets);
    this.#children.push({ labels, observations });
    return observations;
  }

  override get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    const { name, help, buckets } = this.#config;
    const values = this.#children.flatMap(({ labels, observations }) => {
      const cumulative = observations.cumulative();
      const count = cumulative.at(-1) ?? 0;
      return [
        ...cumulative.map((value, index) => ({
          labels: { le: buckets[index] ?? '+Inf', ...labels },
          value,
          metricName: `${name}_bucket`,
        })),
        { labels, value: observations.sum, metricName: `${name}_sum` },
        { labels, value: count, metricName: `${name}_count` },
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

  /** What prom-client asks for when it writes text. */
  async getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    return this.get();
  }
}
