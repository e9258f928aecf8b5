/**
 * The dashboard, as Grafana imports it. `generate.ts` writes it for the chart; bootstrap puts it into a Grafana of its
 * own. The running proxy does not use it.
 */
import { grafanaPanel, heightOf, type Row } from './panel.ts';
import { GOLDEN } from './golden.ts';
import { SECTIONS } from './sections.ts';

export type Dashboard = Readonly<Record<string, unknown>> & { readonly uid: string };

/** The same in every installation, so that an update replaces it and links to it keep working. */
export const DASHBOARD_UID = 'amp-write-proxy';

const COLUMNS = 24;

/** @param dataSourceUid chosen on first use; Grafana's default data source if not given */
export function makeDashboard(dataSourceUid?: string): Dashboard {
  return {
    uid: DASHBOARD_UID,
    title: 'amp-write-proxy',
    description:
      'Prometheus remote_write into Amazon Managed Service for Prometheus: is it arriving, is any of it lost?',
    tags: ['amp-write-proxy', 'prometheus', 'remote-write'],
    timezone: 'browser',
    schemaVersion: 39,
    version: 1,
    editable: false,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    annotations: { list: [] },
    links: [],
    templating: { list: variables(dataSourceUid) },
    panels: placed([GOLDEN, ...SECTIONS]),
  };
}

function variables(dataSourceUid: string | undefined): Record<string, unknown>[] {
  return [
    {
      name: 'datasource',
      label: 'Data source',
      type: 'datasource',
      query: 'prometheus',
      refresh: 1,
      hide: 0,
      current: dataSourceUid === undefined ? {} : { selected: true, text: dataSourceUid, value: dataSourceUid },
    },
    labelVariable('job', 'Job', 'amp_write_proxy_build_info'),
    labelVariable('instance', 'Instance', 'amp_write_proxy_build_info{job=~"$job"}'),
    labelVariable('remote_name', 'Destination', 'amp_write_proxy_upstream_down{job=~"$job", instance=~"$instance"}'),
  ];
}

function labelVariable(name: string, label: string, selector: string): Record<string, unknown> {
  const query = `label_values(${selector}, ${name})`;
  return {
    name,
    label,
    type: 'query',
    datasource: { type: 'prometheus', uid: '${datasource}' },
    definition: query,
    query: { query, refId: 'StandardVariableQuery' },
    // Refreshes when the time range changes, so that proxies of that time are offered.
    refresh: 2,
    sort: 1,
    hide: 0,
    multi: true,
    includeAll: true,
    allValue: '.+',
    current: { selected: true, text: ['All'], value: ['$__all'] },
  };
}

/** Row by row, left to right; a panel that does not fit begins a new line. */
function placed(rows: readonly Row[]): Record<string, unknown>[] {
  const panels: Record<string, unknown>[] = [];
  let y = 0;
  for (const { title, panels: inRow } of rows) {
    const id = panels.length + 1;
    panels.push({ id, type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: COLUMNS, h: 1 }, panels: [] });
    y += 1;
    let x = 0;
    let lineHeight = 0;
    for (const panel of inRow) {
      if (x + panel.width > COLUMNS) {
        x = 0;
        y += lineHeight;
        lineHeight = 0;
      }
      panels.push(grafanaPanel(panel, { id: panels.length + 1, x, y }));
      x += panel.width;
      lineHeight = Math.max(lineHeight, heightOf(panel));
    }
    y += lineHeight;
  }
  return panels;
}
