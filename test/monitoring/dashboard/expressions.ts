/** Reads the generated dashboard, and what its expressions select. */
import { readFile } from 'node:fs/promises';
import { DASHBOARD_FILE } from '../../../src/monitoring/dashboard/generate.ts';

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly datasource: { readonly type: string; readonly uid: string };
}

export interface GrafanaPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly Target[];
}

export interface Variable {
  readonly name: string;
  readonly label: string;
  readonly type: string;
  readonly query: string | { readonly query: string };
  readonly datasource?: { readonly uid: string };
  readonly refresh: number;
  readonly multi?: boolean;
  readonly includeAll?: boolean;
  readonly allValue?: string;
}

export interface GrafanaDashboard {
  readonly uid: string;
  readonly title: string;
  readonly editable: boolean;
  readonly templating: { readonly list: readonly Variable[] };
  readonly panels: readonly GrafanaPanel[];
}

export async function readDashboard(): Promise<GrafanaDashboard> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the tests look at every field that they use
  return JSON.parse(await readFile(DASHBOARD_FILE, 'utf8')) as GrafanaDashboard;
}

/** All but rows. */
export function panelsOf(dashboard: GrafanaDashboard): readonly GrafanaPanel[] {
  return dashboard.panels.filter(({ type }) => type !== 'row');
}

/** Replaces variables as Grafana does before it queries, with "All" chosen everywhere. */
export function interpolate(expression: string, rateInterval: string, range: string): string {
  return expression
    .replaceAll('$__rate_interval', rateInterval)
    .replaceAll('$__range', range)
    .replaceAll(/\$(job|instance|remote_name|cluster)\b/g, '.+');
}

export interface Selector {
  readonly name: string;
  /** Each as it stands: `job=~"$job"`. */
  readonly matchers: readonly string[];
  /** The call around it: `rate`, and the range without brackets; empty for an instant vector. */
  readonly call: string;
  readonly range: string;
}

const SELECTOR =
  /(?:(\w+)\s*\(\s*)?\b((?:amp_write_proxy|prometheus|process|nodejs)_\w+)(?:\{([^}]*)\})?(?:\[([^\]]+)\])?/g;

export function selectorsOf(expression: string): Selector[] {
  return [...expression.matchAll(SELECTOR)].map(([, call = '', name = '', matchers = '', range = '']) => ({
    name,
    matchers: matchers === '' ? [] : matchers.split(/,\s*/),
    call: call.trim(),
    range,
  }));
}
