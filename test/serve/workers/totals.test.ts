import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { Totals } from '../../../src/serve/workers/totals.ts';
import { Exposition } from '../../support/exposition.ts';

/** One worker's metrics, as they come through the channel: as JSON. */
async function told(fill: (registry: Registry) => void) {
  const registry = new Registry();
  fill(registry);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it was before
  return JSON.parse(JSON.stringify(await registry.getMetricsAsJSON())) as ReturnType<Registry['getMetricsAsJSON']>;
}

async function worker(requests: number, held: number, durations: readonly number[] = []) {
  return told((registry) => {
    new Counter({ name: 'requests_total', help: '.', labelNames: ['code'], registers: [registry] }).inc(
      { code: '204' },
      requests,
    );
    new Gauge({ name: 'held', help: '.', registers: [registry] }).set(held);
    new Gauge({ name: 'newest_seconds', help: '.', registers: [registry], aggregator: 'max' }).set(held * 10);
    new Gauge({ name: 'valid', help: '.', registers: [registry], aggregator: 'min' }).set(held > 5 ? 1 : 0);
    const seconds = new Histogram({ name: 'seconds', help: '.', buckets: [1, 2], registers: [registry] });
    for (const duration of durations) seconds.observe(duration);
  });
}

async function read(totals: Totals, living: Parameters<Totals['sum']>[0]): Promise<Exposition> {
  return new Exposition(await totals.sum(living).metrics());
}

test('counters, gauges and histograms of all workers are one, each in its way', async () => {
  const metrics = await read(new Totals(), [await worker(3, 7, [0.5, 1.5]), await worker(4, 2, [0.75, 5])]);
  expect(metrics.sum('requests_total', { code: '204' })).toBe(7);
  expect(metrics.sum('held')).toBe(9);
  expect(metrics.sum('newest_seconds')).toBe(70);
  expect(metrics.sum('valid')).toBe(0);
  expect(metrics.sum('seconds_bucket', { le: '1' })).toBe(2);
  expect(metrics.sum('seconds_bucket', { le: '+Inf' })).toBe(4);
  expect(metrics.sum('seconds_sum')).toBe(0.5 + 1.5 + 0.75 + 5);
  expect(metrics.text.match(/# TYPE requests_total counter/g)).toHaveLength(1);
});

test('no count goes back by a rounding when a worker is gone', async () => {
  // Added in another order, 0.6000000000000001 becomes 0.6.
  const seconds = [0.1, 0.2, 0.3];
  const workers = await Promise.all(seconds.map(async (value) => worker(value, 0, [value])));
  const totals = new Totals();
  let last = await read(totals, workers);
  expect(last.sum('requests_total')).toBeCloseTo(0.6, 5);
  for (const [index, gone] of workers.entries()) {
    totals.retire(gone);
    const next = await read(totals, workers.slice(index + 1));
    for (const name of ['requests_total', 'seconds_sum']) expect(next.sum(name)).toBe(last.sum(name));
    last = next;
  }
});

test('counts of workers that are gone stay, and their gauges vanish', async () => {
  const totals = new Totals();
  totals.retire(await worker(3, 7, [0.5]));
  totals.retire(await worker(10, 7, [0.5]));
  const metrics = await read(totals, [await worker(1, 2)]);
  expect(metrics.sum('requests_total')).toBe(14);
  expect(metrics.sum('seconds_count')).toBe(2);
  expect(metrics.sum('held')).toBe(2);
  expect(metrics.sum('newest_seconds')).toBe(20);
  const alone = await read(totals, []);
  expect(alone.sum('requests_total')).toBe(13);
  expect(alone.names()).not.toContain('held');
});
