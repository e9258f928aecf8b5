// The programs that users run today for the same purpose, each with the settings that its own documentation gives for
// AMP, found in PEERS_DIR or on PATH; and nginx, which does not sign, as the floor of what forwarding alone costs.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startProgram } from '../rig/children.ts';
import {
  ACCESS_KEY,
  findProgram,
  freePort,
  REGION,
  scrape,
  SECRET_KEY,
  sumMetric,
  UPSTREAM_PATH,
  upstreamUrl,
  waitReady,
  type Tool,
  type Upstream,
} from '../rig/tool.ts';

const PEERS: readonly { program: string; tool: (file: string) => Tool }[] = [
  { program: 'vmagent', tool: vmagent },
  { program: 'aws-sigv4-proxy', tool: awsSigv4Proxy },
  { program: 'prometheus', tool: prometheusAgent },
  { program: 'nginx', tool: nginx },
];

export function findPeers(): { found: Tool[]; missing: string[] } {
  const found: Tool[] = [];
  const missing: string[] = [];
  for (const { program, tool } of PEERS) {
    const file = findProgram(program);
    if (file === undefined) missing.push(program);
    else found.push(tool(file));
  }
  return { found, missing };
}

/** https://docs.victoriametrics.com/victoriametrics/vmagent/: its own protocol off, since AMP does not speak it. */
function vmagent(file: string): Tool {
  return {
    name: 'vmagent',
    signs: true,
    note: 'decodes, joins, signs; acknowledges from memory, charged until its queue is empty; -remoteWrite.aws.useSigv4 -remoteWrite.forcePromProto, else defaults',
    async start(upstream) {
      const port = await freePort();
      const args = [
        `-httpListenAddr=127.0.0.1:${port}`,
        `-remoteWrite.url=${upstreamUrl(upstream)}`,
        '-remoteWrite.forcePromProto',
        '-remoteWrite.aws.useSigv4',
        `-remoteWrite.aws.region=${REGION}`,
        `-remoteWrite.aws.accessKey=${ACCESS_KEY}`,
        `-remoteWrite.aws.secretKey=${SECRET_KEY}`,
        `-remoteWrite.tmpDataPath=${path.join(upstream.directory, 'vmagent-queue')}`,
        '-loggerLevel=WARN',
        ...(upstream.caFile === undefined ? [] : [`-remoteWrite.tlsCAFile=${upstream.caFile}`]),
      ];
      const program = startProgram(file, args, { PATH: process.env['PATH'] }, upstream.directory);
      const address = `http://127.0.0.1:${port}`;
      await waitReady(program, `${address}/health`);
      return {
        program,
        port,
        path: '/api/v1/write',
        // Every series is in a block (its `rows` are series), and every block has been sent.
        async hasDelivered(_samples, series) {
          const exposition = await scrape(`${address}/metrics`);
          const rows = sumMetric(exposition, 'vmagent_remotewrite_block_size_rows_sum') ?? 0;
          const blocks = sumMetric(exposition, 'vmagent_remotewrite_block_size_rows_count') ?? 0;
          const sent = sumMetric(exposition, 'vmagent_remotewrite_blocks_sent_total') ?? 0;
          return rows >= series && sent >= blocks;
        },
      };
    },
  };
}

/** https://github.com/awslabs/aws-sigv4-proxy: flags of its README. */
function awsSigv4Proxy(file: string): Tool {
  return {
    name: 'aws-sigv4-proxy',
    signs: true,
    note: 'signs, neither decodes nor joins; answers after the upstream has; --name aps --region --host',
    async start(upstream) {
      const port = await freePort();
      const args = [
        '--name=aps',
        `--region=${REGION}`,
        `--host=127.0.0.1:${upstream.port}`,
        `--port=:${port}`,
        `--upstream-url-scheme=${upstream.caFile === undefined ? 'http' : 'https'}`,
        ...(upstream.caFile === undefined ? [] : ['--no-verify-ssl']),
      ];
      const env = { PATH: process.env['PATH'], AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY };
      const program = startProgram(file, args, env, upstream.directory);
      await waitReady(program, `http://127.0.0.1:${port}/health`, true);
      return { program, port, path: UPSTREAM_PATH };
    },
  };
}

/** Agent mode with the queue settings of AMP's user guide (ingestion from a new Prometheus server). */
function prometheusAgent(file: string): Tool {
  return {
    name: 'prometheus agent',
    signs: true,
    note: 'decodes, writes a WAL, joins, signs; acknowledges from its WAL, charged until that is sent; queue_config of the AMP user guide; core rows only',
    // It does not forward samples older than its own start, as the captured ones are.
    runs: (row) => row.core,
    async start(upstream) {
      const port = await freePort();
      const configFile = path.join(upstream.directory, 'prometheus.yml');
      writeFileSync(configFile, prometheusConfiguration(upstream));
      const args = [
        '--agent',
        `--config.file=${configFile}`,
        `--storage.agent.path=${path.join(upstream.directory, 'prometheus-agent')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--web.enable-remote-write-receiver',
        '--log.level=warn',
      ];
      const program = startProgram(file, args, { PATH: process.env['PATH'] }, upstream.directory);
      const address = `http://127.0.0.1:${port}`;
      await waitReady(program, `${address}/-/ready`);
      return {
        program,
        port,
        path: '/api/v1/write',
        async hasDelivered(samples) {
          const exposition = await scrape(`${address}/metrics`);
          const taken = sumMetric(exposition, 'prometheus_remote_storage_samples_total') ?? 0;
          const pending = sumMetric(exposition, 'prometheus_remote_storage_samples_pending') ?? 0;
          return taken >= samples && pending === 0;
        },
      };
    },
  };
}

function prometheusConfiguration(upstream: Upstream): string {
  return [
    'global: {scrape_interval: 1h}',
    // The bench sends the same prepared timestamps again and again; without a window the agent would refuse them.
    'storage: {tsdb: {out_of_order_time_window: 1h}}',
    'remote_write:',
    `  - url: ${upstreamUrl(upstream)}`,
    `    sigv4: {region: ${REGION}, access_key: ${ACCESS_KEY}, secret_key: ${SECRET_KEY}}`,
    '    queue_config: {max_samples_per_send: 1000, max_shards: 200, capacity: 2500}',
    ...(upstream.caFile === undefined ? [] : [`    tls_config: {ca_file: ${upstream.caFile}}`]),
    '',
  ].join('\n');
}

function nginx(file: string): Tool {
  return {
    name: 'nginx',
    signs: false,
    note: 'forwards and does not sign, decode or join: a floor, not a rival; one worker, keep-alive, bodies in memory; core rows only',
    runs: (row) => row.core,
    async start(upstream) {
      const port = await freePort();
      const configFile = path.join(upstream.directory, 'nginx.conf');
      mkdirSync(path.join(upstream.directory, 'nginx'), { recursive: true });
      writeFileSync(configFile, nginxConfiguration(port, upstream));
      const args = ['-c', configFile, '-p', upstream.directory, '-e', 'stderr'];
      const program = startProgram(file, args, { PATH: process.env['PATH'] }, upstream.directory);
      await waitReady(program, `http://127.0.0.1:${port}/ready`);
      return { program, port, path: UPSTREAM_PATH };
    },
  };
}

function nginxConfiguration(port: number, upstream: Upstream): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `  ${kind}_temp_path ${path.join(upstream.directory, 'nginx', kind)};`,
  );
  return [
    'daemon off;',
    'worker_processes 1;',
    `pid ${path.join(upstream.directory, 'nginx', 'pid')};`,
    'events { worker_connections 2048; }',
    'http {',
    '  access_log off;',
    ...temporary,
    '  client_max_body_size 0;',
    '  client_body_buffer_size 2m;',
    '  keepalive_requests 1000000000;',
    `  upstream sink { server 127.0.0.1:${upstream.port}; keepalive 256; keepalive_requests 1000000000; }`,
    '  server {',
    `    listen 127.0.0.1:${port};`,
    '    location = /ready { return 200; }',
    '    location / {',
    `      proxy_pass ${upstream.caFile === undefined ? 'http' : 'https'}://sink;`,
    '      proxy_http_version 1.1;',
    '      proxy_set_header Connection "";',
    ...(upstream.caFile === undefined ? [] : ['      proxy_ssl_verify off;', '      proxy_ssl_session_reuse on;']),
    '    }',
    '  }',
    '}',
    '',
  ].join('\n');
}
