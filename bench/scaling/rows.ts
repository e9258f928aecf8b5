// The rows of bench/scaling/main.ts: one factor varied at a time around a base row.
import type { QueueSettings } from '../rig/proxy-under-test.ts';
import type { Row } from '../rig/rows.ts';

export const FACTORS = [
  { name: 'samples', title: 'Samples a request', unit: 'samples' },
  { name: 'batch', title: '`max_samples_per_send`', unit: 'samples' },
  { name: 'connections', title: 'Connections', unit: 'connections' },
  { name: 'keys', title: 'Merge keys, on 200 connections', unit: 'keys' },
  { name: 'latency', title: 'Upstream latency, on 200 connections', unit: 'ms' },
  { name: 'latency-16', title: 'Upstream latency, on 16 connections', unit: 'ms' },
  { name: 'series', title: 'Samples of one series in a request', unit: 'samples a label set' },
  { name: 'labels', title: 'Labels on top of those of the exporters', unit: 'labels' },
  { name: 'upstream', title: 'TLS to the upstream', unit: '(1: TLS)' },
  {
    name: 'rate',
    title: 'Requests of 500 samples at a fixed rate, 200 connections, upstream latency 20 ms',
    unit: 'requests/s',
  },
  { name: 'large', title: 'Requests of 2000 samples at a fixed rate, likewise', unit: 'requests/s' },
  { name: 'slow', title: 'Upstream latency at 100 requests/s of 500 samples', unit: 'ms' },
] as const;

export type Factor = (typeof FACTORS)[number]['name'];

export type ScalingRow = Row & {
  /** The row's value for each factor in whose table it stands; a row may be the reference of several. */
  readonly places: Readonly<Partial<Record<Factor, number>>>;
  readonly queue: QueueSettings;
  readonly maxSamplesPerSend: number;
  /** Kept out of the fit, to see how well it predicts. */
  readonly isCheck: boolean;
  /** True if --quick runs the row; those rows are enough to fit the costs. */
  readonly quick: boolean;
};

const DEFAULT_BATCH = 5000;

const BASE: Omit<ScalingRow, 'name' | 'places'> = {
  core: false,
  captured: false,
  samplesPerRequest: 500,
  samplesPerSeries: 1,
  connections: 64,
  senders: 1,
  bodiesPerConnection: 2,
  extraLabels: 0,
  upstreamLatencyMs: 0,
  upstreamTls: true,
  ratePerSecond: undefined,
  queue: {},
  maxSamplesPerSend: DEFAULT_BATCH,
  isCheck: false,
  quick: false,
};

const MANY = { ...BASE, connections: 200, bodiesPerConnection: 1 };

/** `tls` is whether the upstream can be had with TLS, as AMP is. */
export function scalingRows(tls: boolean): readonly ScalingRow[] {
  const rows: ScalingRow[] = [
    {
      ...BASE,
      name: 'base',
      places: {
        samples: 500,
        batch: DEFAULT_BATCH,
        connections: 64,
        series: 1,
        labels: 0,
        ...(tls ? { upstream: 1 } : {}),
      },
      quick: true,
    },
    { ...MANY, name: '200 connections', places: { connections: 200, keys: 1, latency: 0 } },
    ...[50, 100, 200, 1000, 2000, 5000, 10_000].map((samples): ScalingRow => {
      // Opens as many samples as capacity (10,000) x max_shards (50) takes without a refusal, and no more.
      const connections = samples > 2000 ? 16 : BASE.connections;
      const row = { ...BASE, samplesPerRequest: samples, connections, bodiesPerConnection: samples > 2000 ? 1 : 2 };
      return { ...row, name: `${samples} a request`, places: { samples }, quick: samples === 100 || samples === 2000 };
    }),
    ...[500, 1000, 2000, 10_000, 20_000].map((batch): ScalingRow => ({
      ...BASE,
      name: `batches of ${batch}`,
      places: { batch },
      queue: { max_samples_per_send: batch, capacity: Math.max(10_000, 2 * batch) },
      maxSamplesPerSend: batch,
      quick: batch === 500,
    })),
    ...[1, 16, 500].map((connections): ScalingRow => ({
      ...BASE,
      name: `${connections} ${connections === 1 ? 'connection' : 'connections'}`,
      connections,
      bodiesPerConnection: connections > 64 ? 1 : 4,
      places: { connections, ...(connections === 16 ? { 'latency-16': 0 } : {}) },
    })),
    ...[20, 200].map((keys): ScalingRow => ({ ...MANY, name: `${keys} keys`, senders: keys, places: { keys } })),
    ...[5, 20, 50, 100, 200].map((latency): ScalingRow => ({
      ...MANY,
      name: `${latency} ms`,
      upstreamLatencyMs: latency,
      places: { latency },
    })),
    ...[20, 100].map((latency): ScalingRow => ({
      ...BASE,
      name: `${latency} ms, 16 connections`,
      connections: 16,
      upstreamLatencyMs: latency,
      places: { 'latency-16': latency },
    })),
    ...[5, 20].map((series): ScalingRow => ({
      ...BASE,
      name: `${series} samples a label set`,
      samplesPerSeries: series,
      places: { series },
    })),
    ...[5, 15].map((labels): ScalingRow => ({
      ...BASE,
      name: `${labels} more labels`,
      extraLabels: labels,
      places: { labels },
    })),
    { ...BASE, name: 'plain upstream', upstreamTls: false, places: { upstream: 0 } },
    ...[100, 1000, 2000].map((rate): ScalingRow => ({
      ...MANY,
      name: `${rate} requests/s`,
      ratePerSecond: rate,
      upstreamLatencyMs: 20,
      places: { rate, ...(rate === 100 ? { slow: 20 } : {}) },
      quick: rate === 100,
    })),
    ...[200, 300].map((latency): ScalingRow => ({
      ...MANY,
      name: `100 requests/s, ${latency} ms`,
      ratePerSecond: 100,
      upstreamLatencyMs: latency,
      places: { slow: latency },
      isCheck: true,
    })),
    ...[100, 500].map((rate): ScalingRow => ({
      ...MANY,
      name: `${rate} requests/s of 2000`,
      samplesPerRequest: 2000,
      ratePerSecond: rate,
      upstreamLatencyMs: 20,
      places: { large: rate },
      isCheck: true,
      quick: rate === 500,
    })),
  ];
  return tls
    ? rows
    : rows.filter(({ name }) => name !== 'plain upstream').map((row) => ({ ...row, upstreamTls: false }));
}

/** Rows of one factor, of --quick, or all; the base row always comes along. */
export function selectScalingRows(rows: readonly ScalingRow[], quick: boolean, only: Factor | undefined): ScalingRow[] {
  return rows.filter(
    (row) => row.name === 'base' || ((!quick || row.quick) && (only === undefined || row.places[only] !== undefined)),
  );
}
