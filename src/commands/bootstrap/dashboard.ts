/**
 * Dashboards for Grafana: this project's own, and those that people give by file.
 *
 * Both are tied to the data source that bootstrap makes. A file may be a dashboard as Grafana exports it, with
 * `__inputs` for data sources, or as its HTTP API answers it.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { z } from 'zod';

import { makeDashboard } from '../../monitoring/dashboard/dashboard.ts';
import { UsageError } from './errors.ts';
import type { JsonObject } from './grafana-api.ts';

export type Dashboard = JsonObject & { readonly uid: string };

/** Ties a dashboard to the data source of this uid. */
export type MakeDashboard = (dataSourceUid: string) => Dashboard;

/** The tag of every dashboard that bootstrap writes. */
const DASHBOARD_TAG = 'amp-write-proxy';

export function projectDashboard(dataSourceUid: string): Dashboard {
  return makeDashboard(dataSourceUid);
}

const inputSchema = z.object({ name: z.string(), type: z.string() });

const fileSchema = z.looseObject({
  title: z.string(),
  uid: z.string().nullish(),
  tags: z.array(z.string()).default([]),
  __inputs: z.array(inputSchema).default([]),
});

/** @throws UsageError if the file cannot be read or is not a dashboard */
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
