// The matrix of the bench: each row is one shape of load, and every tool gets it.
import type { BodyShape } from '../bodies/bodies.ts';

export type Row = BodyShape & {
  readonly name: string;
  /** The size rows that --quick runs and that the plot shows. */
  readonly core: boolean;
  /** Bodies captured from real senders instead of prepared ones. */
  readonly captured: boolean;
  readonly upstreamLatencyMs: number;
  readonly upstreamTls: boolean;
  /** Requests per second over all connections; closed loop where undefined. */
  readonly ratePerSecond: number | undefined;
};

const BASE: Omit<Row, 'name'> = {
  core: false,
  captured: false,
  samplesPerRequest: 500,
  samplesPerSeries: 1,
  connections: 16,
  senders: 1,
  bodiesPerConnection: 4,
  upstreamLatencyMs: 0,
  upstreamTls: false,
  ratePerSecond: undefined,
};

export const ROWS: readonly Row[] = [
  { ...BASE, name: '100', samplesPerRequest: 100, core: true },
  { ...BASE, name: '500', core: true },
  { ...BASE, name: '2000', samplesPerRequest: 2000, core: true },
  { ...BASE, name: '10000', samplesPerRequest: 10_000, bodiesPerConnection: 2 },
  { ...BASE, name: '500 in 50 label sets', samplesPerSeries: 10 },
  { ...BASE, name: 'captured', captured: true },
  { ...BASE, name: '500, 1 connection', connections: 1, bodiesPerConnection: 16 },
  { ...BASE, name: '500, 200 connections', connections: 200, bodiesPerConnection: 1 },
  { ...BASE, name: '500, 200 connections of 20 senders', connections: 200, senders: 20, bodiesPerConnection: 1 },
  { ...BASE, name: '500, 20 ms', upstreamLatencyMs: 20 },
  { ...BASE, name: '500, 100 ms', upstreamLatencyMs: 100 },
  { ...BASE, name: '500, 200 connections, 100 ms', connections: 200, bodiesPerConnection: 1, upstreamLatencyMs: 100 },
  { ...BASE, name: '500, TLS', upstreamTls: true },
  { ...BASE, name: '2000, TLS', samplesPerRequest: 2000, upstreamTls: true },
  { ...BASE, name: '500 at 1000/s', ratePerSecond: 1000, connections: 200, bodiesPerConnection: 1 },
];

/** The core rows where `quick`, and of those the ones whose name holds `filter`. Throws where there is none. */
export function selectRows(quick: boolean, filter: string | undefined): Row[] {
  const rows = ROWS.filter((row) => !quick || row.core);
  const selected = filter === undefined ? rows : rows.filter((row) => row.name.includes(filter));
  if (selected.length > 0) return selected;
  const names = rows.map(({ name }) => JSON.stringify(name)).join(', ');
  throw new Error(`--rows ${JSON.stringify(filter)} is in the name of no row; give a part of one of ${names}`);
}

/** A row in words, for the results. */
export function describeRow(row: Row): string {
  const parts = [
    row.captured ? 'captured Prometheus and vmagent bodies' : `${row.samplesPerRequest} samples a request`,
    ...(row.samplesPerSeries > 1 ? [`${row.samplesPerSeries} samples a label set`] : []),
    `${row.connections} ${row.connections === 1 ? 'connection' : 'connections'}`,
    ...(row.senders > 1 ? [`${row.senders} senders (merge keys)`] : []),
    ...(row.upstreamLatencyMs > 0 ? [`upstream latency ${row.upstreamLatencyMs} ms`] : []),
    row.upstreamTls ? 'TLS upstream' : 'plain upstream',
    row.ratePerSecond === undefined ? 'closed loop' : `${row.ratePerSecond} requests/s`,
  ];
  return parts.join(', ');
}
