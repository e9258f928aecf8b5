/** The rules of grafana/dashboard-linter that are on by default, over a dashboard of one Prometheus data source. */
import { panelsOf, selectorsOf, type GrafanaDashboard, type GrafanaPanel, type Variable } from './expressions.ts';

export interface Finding {
  readonly rule: string;
  readonly what: string;
}

/** The allowed units that are useful here. */
const UNITS = new Set(
  'none string short percent percentunit bytes decbytes Bps binBps ns ms s dtdurations cps ops reqps rps wps iops bool bool_yes_no bool_on_off'.split(
    ' ',
  ),
);
const DATA_SOURCES = new Set(['$datasource', '${datasource}', '$prometheus_datasource', '${prometheus_datasource}']);
const COUNTER_CALLS = new Set(['rate', 'irate', 'increase']);

export function findLint(dashboard: GrafanaDashboard): Finding[] {
  const { list } = dashboard.templating;
  const findings: Finding[] = [...ofVariables(list), ...panelsOf(dashboard).flatMap(ofPanel)];
  if (dashboard.editable) findings.push({ rule: 'uneditable-dashboard-rule', what: dashboard.title });
  return findings;
}

function ofVariables(list: readonly Variable[]): Finding[] {
  const findings: Finding[] = [];
  const sources = list.filter(({ type }) => type === 'datasource');
  if (sources.length === 0) findings.push({ rule: 'template-datasource-rule', what: 'there is none' });
  for (const { name, label, query } of sources) {
    const isNamed = name === 'datasource' || name === 'prometheus_datasource';
    const isLabelled = label === 'Data source' || label === 'Prometheus data source';
    if (!isNamed || !isLabelled || query !== 'prometheus')
      findings.push({ rule: 'template-datasource-rule', what: name });
  }
  for (const [name, label] of [
    ['job', 'Job'],
    ['instance', 'Instance'],
  ] as const) {
    const variable = list.find((each) => each.name === name);
    const isRight =
      variable?.type === 'query' &&
      variable.label === label &&
      variable.multi === true &&
      variable.allValue === '.+' &&
      DATA_SOURCES.has(variable.datasource?.uid ?? '');
    if (!isRight) findings.push({ rule: `template-${name}-rule`, what: JSON.stringify(variable) });
  }
  for (const { name, type, query, refresh } of list) {
    if (type !== 'query') continue;
    const text = typeof query === 'string' ? query : query.query;
    if (!/^label_values\((\w+(\{(\w+=~"\$\w+"(, )?)+\})?, )?\w+\)$/.test(text)) {
      findings.push({ rule: 'template-label-promql-rule', what: `${name}: ${text}` });
    }
    if (refresh !== 2) findings.push({ rule: 'template-on-time-change-reload-rule', what: name });
  }
  return findings;
}

function ofPanel(panel: GrafanaPanel): Finding[] {
  const { title, description = '', datasource, fieldConfig, targets = [] } = panel;
  const findings: Finding[] = [];
  const find = (rule: string, what = title): void => void findings.push({ rule, what });
  if (!DATA_SOURCES.has(datasource?.uid ?? '')) find('panel-datasource-rule');
  if (title === '' || description === '') find('panel-title-description-rule');
  if (!UNITS.has(fieldConfig?.defaults.unit ?? '')) find('panel-units-rule');
  if (targets.length === 0) find('panel-no-targets-rule');
  for (const { expr } of targets) {
    const selectors = selectorsOf(expr);
    if (selectors.length === 0) find('target-promql-rule', expr);
    for (const { name, matchers, call, range } of selectors) {
      if (!matchers.includes('job=~"$job"')) find('target-job-rule', expr);
      if (!matchers.includes('instance=~"$instance"')) find('target-instance-rule', expr);
      if ((call === 'rate' || call === 'irate') && range !== '$__rate_interval')
        find('target-rate-interval-rule', expr);
      if (name.endsWith('_total') && !(COUNTER_CALLS.has(call) && range !== '')) find('target-counter-agg-rule', expr);
    }
  }
  return findings;
}
