/**
 * The definition of a panel: a question, the expressions that answer it, and how they are drawn. Only this file makes
 * Grafana's own form of it.
 *
 * In an expression, `%p` stands for the matchers that choose proxies, `%d` for those that choose destinations too.
 */
export type Query = readonly [legend: string, expression: string];

export interface Step {
  readonly color: 'green' | 'yellow' | 'orange' | 'red' | 'blue';
  /** The lower bound; null for the lowest. */
  readonly value: number | null;
}

export interface Panel {
  readonly kind: 'stat' | 'timeseries' | 'table';
  readonly title: string;
  readonly description: string;
  /**
   * The unit by Grafana's name:
   * https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats/categories.ts
   */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** The width in columns of 24. */
  readonly width: number;
  readonly steps?: readonly Step[];
  /** Shown instead of a value. */
  readonly words?: Readonly<Record<string, string>>;
  readonly stacked?: boolean;
  readonly min?: number;
  readonly max?: number;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Place {
  readonly id: number;
  readonly x: number;
  readonly y: number;
}

const PROXIES = 'job=~"$job", instance=~"$instance"';
const DESTINATIONS = `${PROXIES}, remote_name=~"$remote_name"`;
const DATA_SOURCE = { type: 'prometheus', uid: '${datasource}' };
const GREEN: readonly Step[] = [{ color: 'green', value: null }];

export function heightOf({ kind }: Panel): number {
  return kind === 'stat' ? 4 : 8;
}

export function grafanaPanel(panel: Panel, { id, x, y }: Place): Record<string, unknown> {
  const { kind, title, description, unit, queries, width, steps = GREEN, words, min, max } = panel;
  return {
    id,
    type: kind,
    title,
    description,
    datasource: DATA_SOURCE,
    gridPos: { x, y, w: width, h: heightOf(panel) },
    fieldConfig: {
      defaults: {
        unit,
        ...(min === undefined ? {} : { min }),
        ...(max === undefined ? {} : { max }),
        ...(kind === 'timeseries' ? {} : { color: { mode: 'thresholds' } }),
        thresholds: { mode: 'absolute', steps },
        mappings: words === undefined ? [] : [{ type: 'value', options: mappingsOf(words) }],
        custom: kind === 'timeseries' ? drawing(panel) : {},
      },
      overrides: [],
    },
    options: OPTIONS[kind],
    targets: queries.map(([legendFormat, expression], index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource: DATA_SOURCE,
      expr: expression.replaceAll('%p', PROXIES).replaceAll('%d', DESTINATIONS),
      legendFormat,
      ...(kind === 'table' ? { format: 'table', instant: true } : { range: true }),
    })),
  };
}

const OPTIONS: Readonly<Record<Panel['kind'], Record<string, unknown>>> = {
  stat: {
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    colorMode: 'background',
    graphMode: 'area',
    textMode: 'auto',
  },
  timeseries: {
    legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'], showLegend: true },
    tooltip: { mode: 'multi', sort: 'desc' },
  },
  table: { showHeader: true, footer: { show: false } },
};

function drawing({ stacked = false }: Panel): Record<string, unknown> {
  return {
    drawStyle: 'line',
    lineWidth: 1,
    fillOpacity: stacked ? 30 : 5,
    showPoints: 'never',
    spanNulls: false,
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
  };
}

function mappingsOf(words: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(words).map(([value, text], index) => [value, { text, index }]));
}
