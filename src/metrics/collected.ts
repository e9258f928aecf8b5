/** Metrics that are read when they are scraped, so that counting costs the data path one addition to a plain number. */
import { Counter, Gauge, type Aggregator, type Registry } from 'prom-client';

export type Emit = (labels: Record<string, string | number>, value: number) => void;

export function collectCounter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  read: (emit: Emit) => void,
): void {
  const counter: Counter = new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect: () => {
      counter.reset();
      read((labels, value) => counter.inc(labels, value));
    },
  });
}

/** @param together how the values of several workers are aggregated */
export function collectGauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  read: (emit: Emit) => void,
  together: Aggregator = 'sum',
): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    aggregator: together,
    collect: () => {
      gauge.reset();
      read((labels, value) => gauge.set(labels, value));
    },
  });
}
