/** The rules as a real promtool sees them, and the runbook beside them. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { RULES_FILE, rulesText } from '../../../src/monitoring/rules/generate.ts';
import { panelsOf, readDashboard } from '../dashboard/expressions.ts';
import { ROOT, run, temporaryDirectory } from '../../support/processes.ts';
import { PROMTOOL } from '../../support/prometheus.ts';
import { ALERT_CASES, type AlertCase } from './alert-cases.ts';
import { stretched } from '../../support/slowness.ts';

interface AlertRule {
  readonly alert?: string;
  readonly record?: string;
  readonly for?: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook_url: string };
}

const text = await readFile(RULES_FILE, 'utf8');
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- promtool checks that it is a rule file
const { groups } = parse(text) as { groups: { rules: AlertRule[] }[] };
const alerts = new Map(groups.flatMap(({ rules }) => rules).map((rule) => [rule.alert ?? '', rule]));
alerts.delete('');
const runbook = await readFile(path.join(ROOT, 'charts/amp-write-proxy/RUNBOOK.md'), 'utf8');

/** Nothing arrives, or it will be lost when the buffers of the senders are full. All others are warnings. */
const CRITICAL = [
  'AmpWriteProxyBehind',
  'AmpWriteProxyUpstreamDown',
  'AmpWriteProxyForbidden',
  'AmpWriteProxyForeignAnswers',
  'AmpWriteProxyCredentialsExpiring',
  'AmpWriteProxyNoCredentials',
  'AmpWriteProxyNoDataReceived',
  'AmpWriteProxyAbsent',
];

const severityOf = (alert: string): string => (CRITICAL.includes(alert) ? 'critical' : 'warning');

const bySeverity = (wanted: string): string[] =>
  [...alerts].filter(([, { labels }]) => labels.severity === wanted).map(([name]) => name);

test('the alerts for which somebody is woken are these', () => {
  expect(bySeverity('critical')).toEqual(CRITICAL);
  expect(bySeverity('warning')).toEqual([
    'AmpWriteProxyRejecting',
    'AmpWriteProxySeriesQuota',
    'AmpWriteProxyBadRequests',
    'AmpWriteProxyRefusing',
    'AmpWriteProxyOverloaded',
    'AmpWriteProxyConnectionsRefused',
    'AmpWriteProxyThrottled',
    'AmpWriteProxyClockSkew',
    'AmpWriteProxyQueueNearCapacity',
    'AmpWriteProxyShardsAtMaximum',
    'AmpWriteProxyRestarting',
    'AmpWriteProxyMemoryNearLimit',
  ]);
});

test('each alert waits before it fires, except for events that are over when they are seen', () => {
  expect(Object.fromEntries([...alerts].map(([name, { for: wait }]) => [name, wait]))).toEqual({
    AmpWriteProxyRejecting: undefined,
    AmpWriteProxySeriesQuota: undefined,
    AmpWriteProxyBadRequests: undefined,
    AmpWriteProxyRefusing: '10m',
    AmpWriteProxyOverloaded: '10m',
    AmpWriteProxyConnectionsRefused: '10m',
    AmpWriteProxyBehind: '5m',
    AmpWriteProxyUpstreamDown: '2m',
    AmpWriteProxyThrottled: '15m',
    AmpWriteProxyForbidden: '5m',
    AmpWriteProxyForeignAnswers: '5m',
    AmpWriteProxyCredentialsExpiring: '30s',
    AmpWriteProxyNoCredentials: '2m',
    AmpWriteProxyClockSkew: '5m',
    AmpWriteProxyQueueNearCapacity: '5m',
    AmpWriteProxyShardsAtMaximum: '10m',
    AmpWriteProxyRestarting: undefined,
    AmpWriteProxyNoDataReceived: '10m',
    AmpWriteProxyAbsent: '10m',
    AmpWriteProxyMemoryNearLimit: '10m',
  });
});

test('these series are recorded', () => {
  expect(groups.flatMap(({ rules }) => rules).flatMap(({ record }) => record ?? [])).toEqual([
    'job_remote_name:amp_write_proxy_samples_received:rate5m',
    'job_remote_name:amp_write_proxy_samples_delivered:rate5m',
    'job_remote_name:amp_write_proxy_samples_rejected:rate5m',
    'job_remote_name:amp_write_proxy_samples_refused:rate5m',
    'job_remote_name:amp_write_proxy_delivered:ratio_rate5m',
    'job_remote_name:amp_write_proxy_throttled:ratio_rate5m',
    'job_remote_name:amp_write_proxy_delivery_duration_seconds:p99_rate5m',
    'instance_remote_name:amp_write_proxy_behind:seconds',
    'instance_remote_name:amp_write_proxy_queue_filled:ratio',
    'instance:amp_write_proxy_memory_used:ratio',
    'instance:amp_write_proxy_heap_used:ratio',
  ]);
});

test('the file of the chart is what src/monitoring/rules makes; npm run rules writes it', () => {
  expect(text).toBe(rulesText());
});

test('every alert has a severity, a summary, a description with its value, and a link into the runbook', () => {
  for (const [name, { labels, annotations }] of alerts) {
    expect(['critical', 'warning']).toContain(labels.severity);
    expect(annotations.summary).toMatch(/^[A-Z].*\.$/);
    expect(annotations.description).toContain('$value');
    expect(annotations.runbook_url).toMatch(new RegExp(`^https://.*/RUNBOOK\\.md#${name.toLowerCase()}$`));
  }
});

test('the runbook has a chapter for every alert and no other, and each says the four things', () => {
  const chapters = runbook.split(/^## /m).slice(1);
  expect(chapters.map((chapter) => chapter.split('\n', 1)[0])).toEqual([...alerts.keys()]);
  for (const chapter of chapters) {
    for (const part of ['What it means', 'What the senders see', 'How to find out', 'What to do']) {
      expect(chapter, `chapter ${chapter.slice(0, 60)}`).toMatch(new RegExp(`^\\*\\*${part}\\.\\*\\* \\S`, 'm'));
    }
  }
});

test('every panel that the runbook names is in the dashboard', async () => {
  const titles = new Set(panelsOf(await readDashboard()).map(({ title }) => title));
  const lists = runbook.replaceAll(/\s+/g, ' ').matchAll(/\bpanels? ("[^"]+"(?:(?:,| and|, then) "[^"]+")*)/gi);
  const named = [...lists].flatMap(([, list = '']) => [...list.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title));
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((title) => !titles.has(title))).toEqual([]);
});

test('there is a case that fires and one that does not for every alert', () => {
  expect(new Set(ALERT_CASES.map(({ alert }) => alert))).toEqual(new Set(alerts.keys()));
});

describe.skipIf(PROMTOOL === undefined)('promtool', () => {
  test('finds nothing wrong in the rules, lint included', async () => {
    const { status, stdout } = await run(PROMTOOL ?? '', ['check', 'rules', '--lint=all', '--lint-fatal', RULES_FILE]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining('SUCCESS') });
  });

  test('sees every alert fire and say what is expected, and keep silent', { timeout: stretched(60_000) }, async () => {
    const answer = await testRules(ALERT_CASES.flatMap((each) => [firing(each), silent(each)]));
    expect(answer).toMatchObject({ status: 0 });
  });

  test('would tell of every alert that fired when it should not, or did not when it should', async () => {
    const swapped = ALERT_CASES.map((each) => ({ ...each, fires: each.silent, silent: each.fires }));
    const answers = await Promise.all([testRules(swapped.map(firing)), testRules(swapped.map(silent))]);
    for (const { status, stdout, stderr } of answers) {
      expect(status).toBe(1);
      for (const { alert } of ALERT_CASES) expect(stdout + stderr).toContain(`alertname: ${alert}, time:`);
    }
  });
});

async function testRules(tests: readonly object[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const file = path.join(await temporaryDirectory(), 'tests.json');
  // Alerts look at what was recorded before them. JSON is YAML.
  const order = ['amp-write-proxy.rules', 'amp-write-proxy.alerts'];
  const content = { rule_files: [RULES_FILE], evaluation_interval: '30s', group_eval_order: order, tests };
  await writeFile(file, JSON.stringify(content));
  return run(PROMTOOL ?? '', ['test', 'rules', file]);
}

function firing(each: AlertCase): object {
  const rule = alerts.get(each.alert);
  return {
    ...testOf(each, each.fires),
    alert_rule_test: [
      {
        ...asked(each),
        exp_alerts: [
          {
            exp_labels: { severity: severityOf(each.alert), ...each.labels },
            exp_annotations: { ...rule?.annotations, description: each.says },
          },
        ],
      },
    ],
  };
}

function silent(each: AlertCase): object {
  return { ...testOf(each, each.silent), alert_rule_test: [{ ...asked(each), exp_alerts: [] }] };
}

function asked({ alert, atMinutes }: AlertCase): { alertname: string; eval_time: string } {
  return { alertname: alert, eval_time: `${atMinutes}m` };
}

function testOf({ alert }: AlertCase, series: Readonly<Record<string, string>>): object {
  const inputs = Object.entries(series).map(([name, values]) => ({ series: name, values }));
  return { name: alert, interval: '1m', input_series: inputs };
}
