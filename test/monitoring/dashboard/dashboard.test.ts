/**
 * The dashboard by the rules of grafana/dashboard-linter, each written anew from what its documentation says
 * (https://github.com/grafana/dashboard-linter/blob/main/docs/index.md), and by what a Grafana needs beside them.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeDashboard } from '../../../src/monitoring/dashboard/dashboard.ts';
import { DASHBOARD_FILE, dashboardText } from '../../../src/monitoring/dashboard/generate.ts';
import { run, temporaryDirectory } from '../../support/processes.ts';
import { PROMTOOL } from '../../support/prometheus.ts';
import { findLint, type Finding } from './lint.ts';
import { interpolate, panelsOf, readDashboard, type GrafanaDashboard } from './expressions.ts';

const dashboard = await readDashboard();

test('the file of the chart is what src/monitoring/dashboard makes; npm run dashboard writes it', async () => {
  expect(await readFile(DASHBOARD_FILE, 'utf8')).toBe(dashboardText());
});

test('has nothing that dashboard-linter finds', () => {
  expect(findLint(dashboard)).toEqual([]);
});

describe('each rule of dashboard-linter finds its fault', () => {
  test.each<[rule: string, harm: (text: string) => string]>([
    ['template-datasource-rule', (text) => text.replace('"name":"datasource"', '"name":"source"')],
    ['template-job-rule', (text) => text.replace('"name":"job"', '"name":"jobs"')],
    ['template-job-rule', (text) => text.replace('"label":"Job"', '"label":"Jobs"')],
    ['template-instance-rule', (text) => text.replaceAll('"allValue":".+"', '"allValue":".*"')],
    [
      'template-label-promql-rule',
      (text) => text.replaceAll('label_values(amp_write_proxy_build_info, job)', 'build('),
    ],
    ['template-on-time-change-reload-rule', (text) => text.replace('"refresh":2', '"refresh":1')],
    ['panel-datasource-rule', (text) => text.replaceAll('"uid":"${datasource}"', '"uid":"P1809"')],
    [
      'panel-title-description-rule',
      (text) => text.replace(/"description":"Samples a second[^"]*"/, '"description":""'),
    ],
    ['panel-units-rule', (text) => text.replace('"unit":"percentunit"', '"unit":"share"')],
    ['panel-no-targets-rule', (text) => text.replace(/"targets":\[\{.*?\}\]/, '"targets":[]')],
    ['target-rate-interval-rule', (text) => text.replace('[$__rate_interval]', '[5m]')],
    ['target-job-rule', (text) => text.replace(/("expr":"[^{]*)\{job=~\\"\$job\\", /, '$1{')],
    ['target-instance-rule', (text) => text.replace(/("expr":"[^{]*\{[^}]*)instance=~/, '$1instance=')],
    ['target-counter-agg-rule', (text) => text.replace(/rate\((\w+_total\{[^}]*\})\[\$__rate_interval\]\)/, '$1')],
    ['uneditable-dashboard-rule', (text) => text.replace('"editable":false', '"editable":true')],
  ])('%s', (rule, harm) => {
    const text = JSON.stringify(dashboard);
    const harmed = harm(text);
    expect(harmed).not.toBe(text);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same but for one slip
    const findings = findLint(JSON.parse(harmed) as GrafanaDashboard);
    expect(findings.map((finding: Finding) => finding.rule)).toContain(rule);
  });
});

test.skipIf(PROMTOOL === undefined)('target-promql-rule: every expression is PromQL, by promtool', async () => {
  const rules = panelsOf(dashboard)
    .flatMap(({ targets = [] }) => targets)
    .map(({ expr }, index) => ({ record: `expression_${index}`, expr: interpolate(expr, '1m', '1h') }));
  const file = path.join(await temporaryDirectory(), 'expressions.json');
  const check = async (content: typeof rules): Promise<number | null> => {
    await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: content }] }));
    return (await run(PROMTOOL ?? '', ['check', 'rules', file])).status;
  };
  expect(rules.length).toBeGreaterThan(50);
  expect(await check(rules)).toBe(0);
  expect(await check([...rules, { record: 'wrong', expr: 'sum(rate(up[1m])' }])).not.toBe(0);
});

test('has one uid for ever, ids of its own for panels, and panels that neither overlap nor leave the grid', () => {
  expect(dashboard.uid).toBe('amp-write-proxy');
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  const taken = new Set<string>();
  for (const { title, gridPos } of dashboard.panels) {
    expect(gridPos.x + gridPos.w, `panel ${title}`).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        expect(taken, `panel ${title}`).not.toContain(`${x} ${y}`);
        taken.add(`${x} ${y}`);
      }
    }
  }
});

test('begins with the golden view, and has a row for each stage', () => {
  expect(dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title)).toEqual([
    'Is data arriving, is any of it lost, how far behind, and why?',
    'Senders',
    'Batches and shards',
    "AMP's answers",
    'Credentials and clock',
    'Process',
  ]);
});

test('is tied to a data source where one is given', () => {
  const { templating } = makeDashboard('amp-source');
  expect(templating).toMatchObject({
    list: [{ name: 'datasource', current: { value: 'amp-source' } }, {}, {}, {}],
  });
});
