/**
 * A real Prometheus scrapes a proxy under load and faults; every expression of the dashboard, of the rules and
 * of Prometheus's own mixin returns data there, and alerts fire.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ALERTS } from '../../src/monitoring/rules/alerts.ts';
import { RULES_FILE } from '../../src/monitoring/rules/generate.ts';
import { RECORDING_RULES } from '../../src/monitoring/rules/recording.ts';
import { interpolate, panelsOf, readDashboard } from '../monitoring/dashboard/expressions.ts';
import { MIXIN_ALERTS, MIXIN_DASHBOARD } from '../monitoring/dashboard/mixin.ts';
import { ROOT, freePort, sleep, startChild, temporaryDirectory, until } from '../support/processes.ts';
import { PROMETHEUS } from '../support/prometheus.ts';
import { entryFor, startProxy, startSandboxProcess, type ProxyProcess, type SandboxProcess } from '../support/proxy.ts';
import { LedgerSender, postBody } from '../support/sending.ts';
import { stretched } from '../support/slowness.ts';

const JOB = 'amp-write-proxy';
/**
 * The alerts that the load and the faults below raise at once; promtool sees every alert fire (test/monitoring/rules).
 */
const FIRING = ['AmpWriteProxyRejecting', 'AmpWriteProxyBadRequests'];
const PENDING = ['AmpWriteProxyRefusing', 'AmpWriteProxyForbidden'];

describe.skipIf(PROMETHEUS === undefined)('a real Prometheus that scrapes a proxy under load and faults', () => {
  test('has data for every expression of dashboard, rules and mixin', { timeout: stretched(120_000) }, async () => {
    const { proxy, sandboxes } = await startTwoDestinations();
    const scraper = await startScraper(proxy);
    await until('the first scrape', async () => (await scraper.query('amp_write_proxy_build_info')).length > 0);
    await sufferFaults(proxy, sandboxes);
    const endedAtMs = Date.now();

    const dashboard = await readDashboard();
    const panels = panelsOf(dashboard).flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => [`panel ${title}`, interpolate(expr, '5s', '1m')] as const),
    );
    const variables = dashboard.templating.list.flatMap(({ name, query }) => {
      const selector = typeof query === 'string' ? undefined : /\((.*), \w+\)/.exec(query.query)?.[1];
      return selector === undefined ? [] : [[`variable ${name}`, interpolate(selector, '5s', '1m')] as const];
    });
    const rules = [
      ...RECORDING_RULES.flatMap(({ record, expr }) => [[record, record] as const, [`of ${record}`, expr] as const]),
      ...ALERTS.flatMap(({ alert, expr }) => measuredBy(expr).map((measured) => [alert, measured] as const)),
    ];
    const mixin = [...MIXIN_DASHBOARD, ...MIXIN_ALERTS].map(
      ([name, expr]) => [name, interpolate(expr, '', '')] as const,
    );
    expect([variables.length, mixin.length]).toEqual([3, 16]);
    expect(panels.length).toBeGreaterThan(50);

    const empty: string[] = [];
    for (const [name, expression] of [...panels, ...variables, ...rules, ...mixin]) {
      if (!(await scraper.hasNumbers(expression, endedAtMs))) empty.push(`${name}: ${expression}`);
    }
    expect(empty).toEqual([]);
    expect(await scraper.hasNumbers('amp_write_proxy_no_such_metric', endedAtMs)).toBe(false);
    // The instances that the mixin's dashboard offers.
    expect(await scraper.query('prometheus_build_info')).toHaveLength(1);

    // Both destinations, in what the mixin matches across labels.
    for (const [name, expression] of mixin) {
      const names = new Set((await scraper.query(expression)).map(({ metric }) => metric['remote_name']));
      expect(names, `remote_name of ${name}`).toEqual(new Set(['default', 'second']));
    }
    // The documents name no metric that does not exist, and docs/operations.md every one of ours.
    const names = [...(await proxy.metrics()).names()];
    const scraped = new Set([...names, ...names.map((name) => name.replace(/_(?:bucket|sum|count)$/, ''))]);
    const runbook = await metricsNamedIn('charts/amp-write-proxy/RUNBOOK.md');
    const operations = await metricsNamedIn('docs/operations.md');
    expect([...runbook, ...operations].filter((name) => !scraped.has(name))).toEqual([]);
    expect(runbook.size).toBeGreaterThan(10);
    const ours = [...scraped].filter((name) => /^amp_write_proxy_(?!.*_(?:bucket|sum|count)$)/.test(name));
    expect(ours.filter((name) => !operations.has(name))).toEqual([]);

    const states = await scraper.alertStates();
    expect([...states.unhealthy]).toEqual([]);
    for (const name of FIRING) expect(states.alerts.get(name), `state of ${name}`).toBe('firing');
    for (const name of PENDING) expect(['pending', 'firing'], `state of ${name}`).toContain(states.alerts.get(name));
  });
});

async function metricsNamedIn(document: string): Promise<ReadonlySet<string>> {
  const text = await readFile(path.join(ROOT, document), 'utf8');
  return new Set(text.match(/\b(?:amp_write_proxy|prometheus_remote_storage)_\w+/g));
}

/** One with the credentials of a web identity, which expire, and one with keys. */
async function startTwoDestinations(): Promise<{ proxy: ProxyProcess; sandboxes: SandboxProcess[] }> {
  const tokenFile = path.join(await temporaryDirectory(), 'token');
  const first = await startSandboxProcess(['--token-file', tokenFile]);
  const second = await startSandboxProcess(['--workspace', 'ws-second']);
  const entry = { url: first.remoteWriteUrl, sigv4: { region: first.region } };
  const proxy = await startProxy({
    remoteWrite: [
      { name: 'default', ...entry, queue_config: { delivery_timeout: '2s' } },
      { name: 'second', ...entryFor(second) },
    ],
    env: {
      AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
      AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/amp-write-proxy',
      AWS_REGION: first.region,
      AWS_ENDPOINT_URL_STS: first.stsUrl,
    },
  });
  return { proxy, sandboxes: [first, second] };
}

/** Fifteen seconds of load, with one fault after the other; ends while AMP is down. */
async function sufferFaults(proxy: ProxyProcess, [first, second]: readonly SandboxProcess[]): Promise<void> {
  if (first === undefined || second === undefined) throw new Error('there are two sandboxes');
  const end = new AbortController();
  const urls = [proxy.writeUrl, proxy.writeUrl, proxy.writeUrl, `${proxy.writeUrl}/second`];
  const loads = urls.map(async (url, index) => {
    const sender = new LedgerSender(url, { name: `sender-${index}` });
    while (!end.signal.aborted) {
      await sender.send(sender.makeSeries(50));
      await sleep(20);
    }
    sender.close();
  });
  const suffer = async (action: object, ms: number): Promise<void> => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the sandbox says so if it is none
    await first.client.replaceFaults({ action: action as { kind: 'hang' }, probability: 0.6 });
    await sleep(ms);
  };
  await postBody(proxy.writeUrl, Buffer.from('no snappy'));
  await sleep(1500);
  await suffer(status(429, 'ingestion rate limit exceeded'), 2000);
  await suffer(status(400, 'user=1: err: out of order sample. timestamp=1, series={}'), 1500);
  await suffer(status(403, '{"message":"not authorized"}'), 1500);
  await suffer({ kind: 'reset', at: 'after-body' }, 1000);
  await suffer({ kind: 'delay', ms: 300 }, 1000);
  await first.client.replaceFaults({ action: { kind: 'status', status: 500, body: 'no' } });
  await sleep(6000);
  end.abort();
  await Promise.all(loads);
  await sleep(1000);
}

function status(code: number, body: string): object {
  return { kind: 'status', status: code, body };
}

interface Scraper {
  query(expression: string): Promise<readonly { readonly metric: Readonly<Record<string, string>> }[]>;
  /** Returns true if a series has a finite number in the last half minute before `atMs`. */
  hasNumbers(expression: string, atMs: number): Promise<boolean>;
  alertStates(): Promise<{ alerts: Map<string, string>; unhealthy: string[] }>;
}

async function startScraper(proxy: ProxyProcess): Promise<Scraper> {
  const directory = await temporaryDirectory();
  const file = path.join(directory, 'prometheus.yml');
  const address = `127.0.0.1:${await freePort()}`;
  const labels = { namespace: 'monitoring', cluster: 'eks-test' };
  const targets = [{ targets: [new URL(proxy.adminUrl).host], labels }];
  const config = {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '1s' },
    rule_files: [RULES_FILE],
    scrape_configs: [{ job_name: JOB, static_configs: targets }],
  };
  await writeFile(file, JSON.stringify(config));
  const child = startChild('scraper', PROMETHEUS ?? '', [
    `--config.file=${file}`,
    `--storage.tsdb.path=${path.join(directory, 'data')}`,
    `--web.listen-address=${address}`,
    '--scrape.discovery-reload-interval=100ms',
  ]);
  const ask = async <T>(route: string, form?: Record<string, string>): Promise<T> => {
    const body = form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) };
    const response = await fetch(`http://${address}/api/v1/${route}`, body);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- https://prometheus.io/docs/prometheus/latest/querying/api/
    const answer = (await response.json()) as { status: string; error?: string; data: T };
    if (answer.status !== 'success') throw new Error(`${answer.error}: ${form?.['query'] ?? route}`);
    return answer.data;
  };
  await child.ready(async () =>
    fetch(`http://${address}/-/ready`).then(
      ({ ok }) => ok || undefined,
      () => undefined,
    ),
  );
  return {
    query: async (query) => (await ask<{ result: { metric: Record<string, string> }[] }>('query', { query })).result,
    hasNumbers: async (query, atMs) => {
      const times = { start: String(atMs / 1000 - 30), end: String(atMs / 1000 + 1), step: '1' };
      type Matrix = { result: { values?: [number, string][] }[] };
      const { result } = await ask<Matrix>('query_range', { query, ...times });
      return result.some(({ values = [] }) => values.some(([, value]) => Number.isFinite(Number(value))));
    },
    alertStates: async () => {
      type Rule = { name: string; type: string; state?: string; health: string; lastError?: string };
      const { groups } = await ask<{ groups: { rules: Rule[] }[] }>('rules');
      const rules = groups.flatMap((group) => group.rules);
      return {
        alerts: new Map(rules.map(({ name, state = '' }) => [name, state])),
        unhealthy: rules.filter(({ health }) => health !== 'ok').map(({ name, lastError }) => `${name}: ${lastError}`),
      };
    },
  };
}

/** Returns the expressions that an alert compares: each side of an `or`, and the argument of absent. */
function measuredBy(expression: string): string[] {
  return expression
    .split(' or ')
    .map((part) => part.replace(/^absent\((.*)\)$/, '$1').replaceAll(/ (>=|<=|==|>|<) /g, ' - '));
}
