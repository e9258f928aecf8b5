/**
 * Dashboards for Grafana: this project's own, and those that people give by file.
 *
 * Both are tied to the data source that bootstrap makes. A file may be a dashboard as Grafana exports it, with
 * `__inputs` for data sources, or as its HTTP API answers it.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { z } from 'zod';

import { UsageError } from './errors.ts';
import type { JsonObject } from './grafana-api.ts';

export type Dashboard = JsonObject & { readonly uid: string };

/** Ties a dashboard to the data source of this uid. */
export type MakeDashboard = (dataSourceUid: string) => Dashboard;

/** On every dashboard that bootstrap writes. */
const DASHBOARD_TAG = 'amp-write-proxy';

interface Panel {
  readonly title: string;
  readonly description: string;
  readonly unit: string;
  readonly queries: readonly (readonly [legend: string, expression: string])[];
}

const PANELS: readonly Panel[] = [
  {
    title: 'Samples received and delivered',
    description: 'What senders gave and what AMP has acknowledged. The two lines lie on each other when all is well.',
    unit: 'cps',
    queries: [
      ['received', 'sum(rate(amp_write_proxy_samples_received_total[$__rate_interval]))'],
      ['delivered', 'sum(rate(amp_write_proxy_samples_delivered_total[$__rate_interval]))'],
    ],
  },
  {
    title: 'Rejected and refused',
    description: 'Rejected: AMP said no for good. Refused: the sender was told 503 and keeps them.',
    unit: 'cps',
    queries: [
      ['rejected {{code}}', 'sum by (code) (rate(amp_write_proxy_samples_rejected_total[$__rate_interval]))'],
      ['refused {{reason}}', 'sum by (reason) (rate(amp_write_proxy_samples_refused_total[$__rate_interval]))'],
    ],
  },
  {
    title: 'Answers of AMP',
    description: 'By status, and failures by kind.',
    unit: 'reqps',
    queries: [['{{code}}', 'sum by (code) (rate(amp_write_proxy_upstream_responses_total[$__rate_interval]))']],
  },
  {
    title: 'Delivery, 99th percentile',
    description: 'From the head of a request to its outcome.',
    unit: 's',
    queries: [
      [
        '{{outcome}}',
        'histogram_quantile(0.99, sum by (le, outcome) (rate(amp_write_proxy_delivery_duration_seconds_bucket[$__rate_interval])))',
      ],
    ],
  },
  {
    title: 'Behind',
    description: 'Newest sample received less newest sample sent.',
    unit: 's',
    queries: [
      [
        '{{instance}}',
        'prometheus_remote_storage_queue_highest_timestamp_seconds - prometheus_remote_storage_queue_highest_sent_timestamp_seconds',
      ],
    ],
  },
  {
    title: 'Credentials left',
    description: 'Time until the credentials expire. They are refreshed well before.',
    unit: 's',
    queries: [['{{instance}}', 'amp_write_proxy_credentials_expiry_timestamp_seconds - time()']],
  },
];

export function projectDashboard(dataSourceUid: string): Dashboard {
  const datasource = { type: 'prometheus', uid: dataSourceUid };
  return {
    uid: 'amp-write-proxy',
    title: 'amp-write-proxy',
    tags: [DASHBOARD_TAG],
    timezone: 'browser',
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    panels: PANELS.map(({ title, description, unit, queries }, index) => ({
      id: index + 1,
      type: 'timeseries',
      title,
      description,
      datasource,
      gridPos: { x: (index % 2) * 12, y: Math.floor(index / 2) * 8, w: 12, h: 8 },
      fieldConfig: { defaults: { unit }, overrides: [] },
      targets: queries.map(([legendFormat, expr], query) => ({
        refId: String.fromCodePoint(65 + query),
        datasource,
        legendFormat,
        expr,
      })),
    })),
  };
}

const inputSchema = z.object({ name: z.string(), type: z.string() });

const fileSchema = z.looseObject({
  title: z.string(),
  uid: z.string().nullish(),
  tags: z.array(z.string()).default([]),
  __inputs: z.array(inputSchema).default([]),
});

/** @throws UsageError when the file cannot be read or is no dashboard */
export async function readDashboardFile(file: string): Promise<MakeDashboard> {
  let text: string;
  let content: unknown;
  try {
    text = await readFile(file, 'utf8');
    content = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`dashboard ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const wrapped = z.object({ dashboard: z.unknown() }).safeParse(content).data;
  const parsed = fileSchema.safeParse(wrapped?.dashboard ?? content);
  if (!parsed.success) {
    throw new UsageError(`dashboard ${file}: it is no Grafana dashboard, which has a title; export it from Grafana`);
  }
  const { __inputs: inputs, id: _id, ...dashboard } = parsed.data;
  const uid = dashboard.uid ?? `awp-${createHash('sha256').update(dashboard.title).digest('hex').slice(0, 12)}`;
  const names = inputs.filter(({ type }) => type === 'datasource').map(({ name }) => name);
  const tags = [...new Set([...dashboard.tags, DASHBOARD_TAG])];
  const source = JSON.stringify({ ...dashboard, uid, tags });
  return (dataSourceUid) => {
    let bound = source;
    for (const name of names) bound = bound.replaceAll(`\${${name}}`, dataSourceUid);
    const result = z.record(z.string(), z.unknown()).parse(JSON.parse(bound));
    return { ...result, uid };
  };
}
