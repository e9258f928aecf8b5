/**
 * Real readers through the proxy, into the sandbox's verifier with a real Prometheus and a real Alertmanager behind it.
 * Each is told the same, to the byte, as the one that asks directly.
 */
import { writeFile } from 'node:fs/promises';
import { request as httpRequest, type OutgoingHttpHeaders } from 'node:http';
import path from 'node:path';
import { expect, test } from 'vitest';
import { freePort, run, startChild, temporaryDirectory, until } from '../support/processes.ts';
import { findPeer } from '../support/program.ts';
import { PROMETHEUS, PROMTOOL, startPrometheus } from '../support/prometheus.ts';
import { entryFor, startProxy, startSandboxProcess, type ProxyProcess } from '../support/proxy.ts';
import { encodeBody, WRITE_HEADERS } from '../support/sandbox-request.ts';

const VMALERT = findPeer('vmalert');
const ALERTMANAGER = findPeer('prometheus-alertmanager');
const AMTOOL = findPeer('amtool');

interface Readers {
  readonly proxy: ProxyProcess;
  /** The Prometheus behind it. */
  readonly direct: string;
  readonly atSeconds: number;
}

async function startReaders({
  server = {},
  alertmanager,
}: {
  readonly server?: object;
  readonly alertmanager?: string;
} = {}): Promise<Readers> {
  const prometheus = await startPrometheus({
    name: 'backend',
    args: ['--web.enable-remote-write-receiver', '--query.max-samples=5000'],
  });
  const sandbox = await startSandboxProcess([
    '--backend',
    prometheus.url,
    ...(alertmanager === undefined ? [] : ['--alertmanager', alertmanager]),
  ]);
  const proxy = await startProxy({
    remoteWrite: [entryFor(sandbox, { name: 'amp' })],
    server: { query_listen: '127.0.0.1:0', ...server },
    query: { alertmanager: alertmanager !== undefined },
  });
  const nowMs = Date.now();
  const samples = (value: number) =>
    [4, 3, 2, 1, 0].map((age) => [nowMs - age * 15_000, value + age] as [number, number]);
  const body = encodeBody([
    { labels: { __name__: 'plain', job: 'a' }, samples: samples(1) },
    { labels: { __name__: 'plain', job: 'b/c d+e%' }, samples: samples(2) },
    { labels: { __name__: 'plain', job: 'ümlaut 漢字 "quoted" \\ back' }, samples: samples(3) },
    { labels: { __name__: 'dotted.name', 'a.b': 'c', 'a/b c+d': 'e' }, samples: samples(4) },
    ...Array.from({ length: 200 }, (_, index) => ({
      labels: { __name__: 'many', index: String(index) },
      samples: samples(index),
    })),
  ]);
  const written = await fetch(`${prometheus.url}/api/v1/write`, { method: 'POST', headers: WRITE_HEADERS, body });
  expect(written.status).toBe(204);
  return { proxy, direct: prometheus.url, atSeconds: nowMs / 1000 };
}

interface Told {
  readonly status: number;
  readonly type: string | undefined;
  readonly encoding: string | undefined;
  readonly body: Buffer;
}

async function ask(url: string, method: string, headers: OutgoingHttpHeaders, body?: string): Promise<Told> {
  const { hostname, port } = new URL(url);
  const target = url.slice(url.indexOf('/', 'http://'.length));
  return new Promise((resolve, reject) => {
    httpRequest({ hostname, port, path: target, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject).once('end', () => {
        const { 'content-type': type, 'content-encoding': encoding } = response.headers;
        resolve({ status: response.statusCode ?? 0, type, encoding, body: Buffer.concat(chunks) });
      });
    })
      .once('error', reject)
      .end(body);
  });
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** Of one API, at a moment. */
function questions(at: number): readonly {
  name: string;
  target: string;
  status: number;
  method?: string;
  headers?: OutgoingHttpHeaders;
  body?: string;
}[] {
  const range = `start=${at - 60}&end=${at}&step=15`;
  return [
    { name: 'instant', target: `query?query=plain&time=${at}`, status: 200 },
    { name: 'range', target: `query_range?query=rate(plain%5B1m%5D)&${range}`, status: 200 },
    { name: 'gzip', target: `query?query=many&time=${at}`, headers: { 'accept-encoding': 'gzip' }, status: 200 },
    {
      name: 'a form with an expression of 100 KiB',
      target: 'query',
      method: 'POST',
      headers: FORM,
      body: new URLSearchParams({ query: `plain{job!="${'x'.repeat(100 * 1024)}"}`, time: String(at) }).toString(),
      status: 200,
    },
    {
      name: 'UTF-8 values',
      target: `query?query=${encodeURIComponent('plain{job=~".*漢字.*"}')}&time=${at}`,
      status: 200,
    },
    { name: 'a quoted name', target: `query?query=${encodeURIComponent('{"a.b"="c"}')}&time=${at}`, status: 200 },
    { name: 'a space as plus', target: `query?query=plain%7Bjob%3D%22b/c+d%2Be%25%22%7D&time=${at}`, status: 200 },
    { name: 'match[] repeated', target: 'series?match[]=plain&match[]=%7B%22dotted.name%22%7D', status: 200 },
    { name: 'labels', target: 'labels?match[]=plain', status: 200 },
    {
      name: 'a form of labels',
      target: 'labels',
      method: 'POST',
      headers: FORM,
      body: 'match%5B%5D=plain',
      status: 200,
    },
    { name: 'values of a label', target: 'label/job/values', status: 200 },
    { name: 'a dotted label', target: 'label/a.b/values', status: 200 },
    { name: 'an escaped label', target: 'label/U__a_2e_b/values', status: 200 },
    { name: 'a label with a slash, a space and a plus', target: 'label/a%2Fb%20c+d/values', status: 404 },
    { name: 'the same, as Prometheus escapes it', target: 'label/U__a_2f_b_20_c_2b_d/values', status: 200 },
    { name: 'a label that does not exist', target: 'label/no-such/values', status: 200 },
    { name: 'nothing', target: `query?query=absent_series&time=${at}`, status: 200 },
    { name: 'metadata', target: 'metadata', status: 200 },
    { name: 'rules', target: 'rules', status: 200 },
    { name: 'alerts', target: 'alerts', status: 200 },
    { name: 'a parse error', target: 'query?query=%7B', status: 400 },
    { name: 'no query', target: 'query', status: 400 },
    {
      name: 'too many samples',
      target: `query_range?query=many&start=${at - 3000}&end=${at}&step=1`,
      status: 422,
    },
  ];
}

test.skipIf(PROMETHEUS === undefined)(
  'a reader is told the same as by the Prometheus itself, to the byte, under each of the three URLs',
  async () => {
    const { proxy, direct, atSeconds } = await startReaders();
    for (const { name, target, status, method = 'GET', headers = {}, body } of questions(atSeconds)) {
      const expected = await ask(`${direct}/api/v1/${target}`, method, headers, body);
      expect(expected.status, `${name}: ${expected.body.toString('utf8', 0, 300)}`).toBe(status);
      for (const prefix of ['', '/amp', '/workspaces/ws-sandbox']) {
        const told = await ask(`${proxy.queryUrl}${prefix}/api/v1/${target}`, method, headers, body);
        expect(told, `${name} at ${prefix}: ${told.body.toString('utf8', 0, 300)}`).toEqual(expected);
      }
    }
    const metrics = await proxy.metrics();
    expect(metrics.sum('amp_write_proxy_queries_in_flight')).toBe(0);
    expect(metrics.sum('amp_write_proxy_query_requests_total', { route: '/api/v1/query', code: '400' })).toBe(6);
  },
  60_000,
);

test.skipIf(PROMETHEUS === undefined || PROMTOOL === undefined)(
  'promtool prints the same through the proxy',
  async () => {
    const { proxy, direct, atSeconds } = await startReaders();
    const at = String(atSeconds);
    const from = String(atSeconds - 60);
    for (const [kind, ...args] of [
      ['instant', `--time=${at}`, 'URL', 'plain'],
      ['instant', `--time=${at}`, 'URL', '{"a.b"="c"}'],
      ['instant', `--time=${at}`, 'URL', '{'],
      ['range', `--start=${from}`, `--end=${at}`, '--step=15s', 'URL', 'plain'],
      ['series', '--match=plain', '--match={"dotted.name"}', 'URL'],
      ['labels', 'URL', 'job'],
    ]) {
      const outputs = await Promise.all(
        [direct, proxy.queryUrl].map(async (url) => {
          const given = args.map((arg) => (arg === 'URL' ? url : arg));
          return run(PROMTOOL ?? '', ['query', String(kind), ...given]);
        }),
      );
      expect(outputs[1], `${kind} ${args.join(' ')}`).toEqual(outputs[0]);
      expect(`${outputs[0]?.stdout}${outputs[0]?.stderr}`.length).toBeGreaterThan(10);
    }
  },
  60_000,
);

test.skipIf(PROMETHEUS === undefined || VMALERT === undefined)(
  'vmalert evaluates rules through the proxy, writes what they record, and that is read back; with workers too',
  async () => {
    const { proxy } = await startReaders({ server: { workers: 2 } });
    const rules = path.join(await temporaryDirectory(), 'rules.yml');
    const group = {
      name: 'g',
      interval: '1s',
      rules: [
        { record: 'plain:count', expr: 'count(plain)' },
        { alert: 'Many', expr: 'count(many) > 100' },
      ],
    };
    await writeFile(rules, JSON.stringify({ groups: [group] }));
    const address = `127.0.0.1:${await freePort()}`;
    startChild('vmalert', VMALERT ?? '', [
      `-rule=${rules}`,
      `-datasource.url=${proxy.queryUrl}`,
      `-remoteWrite.url=${proxy.url}`,
      '-remoteWrite.flushInterval=500ms',
      '-notifier.blackhole',
      `-httpListenAddr=${address}`,
    ]);
    await until('vmalert has the alert', async () => {
      const text = await fetch(`http://${address}/api/v1/alerts`).then(
        async (response) => response.text(),
        () => '',
      );
      return text.includes('"name":"Many"');
    });
    const recorded = await until('what was recorded is read back through the proxy', async () => {
      const response = await fetch(`${proxy.queryUrl}/api/v1/query?query=plain:count`);
      const text = await response.text();
      return text.includes('"value"') ? text : undefined;
    });
    expect(recorded).toContain('"3"]');
  },
  90_000,
);

test.skipIf(PROMETHEUS === undefined || ALERTMANAGER === undefined || AMTOOL === undefined)(
  'amtool lists alerts, sets a silence and expires it through the proxy',
  async ({ skip }) => {
    const directory = await temporaryDirectory();
    const config = path.join(directory, 'alertmanager.yml');
    await writeFile(config, JSON.stringify({ route: { receiver: 'none' }, receivers: [{ name: 'none' }] }));
    const direct = `http://127.0.0.1:${await freePort()}`;
    const child = startChild('alertmanager', ALERTMANAGER ?? '', [
      `--config.file=${config}`,
      `--storage.path=${path.join(directory, 'data')}`,
      `--web.listen-address=${new URL(direct).host}`,
      '--cluster.listen-address=',
    ]);
    const isReady = await until('Alertmanager is ready, or has ended', async () =>
      fetch(`${direct}/-/ready`).then(
        ({ ok }) => (ok ? 'yes' : undefined),
        () => (child.running ? undefined : 'no'),
      ),
    );
    // Debian's wants templates of its package in /usr/share.
    skip(isReady === 'no' && child.stderr.includes('default.tmpl'), 'Alertmanager finds none of its templates');
    expect(isReady).toBe('yes');
    const { proxy } = await startReaders({ alertmanager: direct });
    const alerts = [{ labels: { alertname: 'Fire', where: 'cellar ü' } }];
    const posted = await fetch(`${direct}/api/v2/alerts`, {
      method: 'POST',
      body: JSON.stringify(alerts),
      headers: { 'content-type': 'application/json' },
    });
    expect(posted.status).toBe(200);
    const url = `--alertmanager.url=${proxy.queryUrl}/alertmanager`;
    const amtool = async (...args: string[]) => run(AMTOOL ?? '', [url, ...args]);

    await until('the alert is listed', async () => (await amtool('alert', 'query')).stdout.includes('Fire'));
    const added = await amtool('silence', 'add', '--author=me', '--comment=drill', 'alertname=Fire');
    expect(added).toMatchObject({ status: 0, stderr: '' });
    expect((await amtool('silence', 'query')).stdout).toContain(added.stdout.trim());
    expect(await amtool('silence', 'expire', added.stdout.trim())).toMatchObject({ status: 0 });
    expect((await amtool('silence', 'query')).stdout).not.toContain(added.stdout.trim());
    for (const route of ['status', 'receivers', 'alerts/groups']) {
      const told = await ask(`${proxy.queryUrl}/alertmanager/api/v2/${route}`, 'GET', {});
      expect(told).toEqual(await ask(`${direct}/api/v2/${route}`, 'GET', {}));
    }
  },
  60_000,
);
