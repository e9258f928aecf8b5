// amp-write-proxy itself, as `npm start -- --config FILE` starts it, every setting but addresses, region and keys at its
// default, or as a bench that varies one gives it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startProgram } from './children.ts';
import {
  ACCESS_KEY,
  freePort,
  REGION,
  scrape,
  SECRET_KEY,
  sumMetric,
  upstreamUrl,
  waitReady,
  type Tool,
} from './tool.ts';

export const OURS = 'amp-write-proxy';

/** Keys of `queue_config` that are not at their default. */
export type QueueSettings = Readonly<Record<string, number | string>>;

/**
 * `root` is the checkout to measure; its serve command is run by this process's own node. With several workers CPU and
 * memory are those of all its processes (proc-stat.ts).
 */
export function proxyUnderTest(root: string, name: string = OURS, workers = 1, queue: QueueSettings = {}): Tool {
  return {
    name,
    signs: true,
    note: `decodes, joins, signs; answers after the upstream has; defaults${workers === 1 ? '' : `, workers: ${workers}`}`,
    async start(upstream) {
      const port = await freePort();
      const adminPort = await freePort();
      const configFile = path.join(upstream.directory, 'amp-write-proxy.yaml');
      const address = upstreamUrl(upstream);
      const settings = { ...endlessWindow(root), ...queue };
      writeFileSync(configFile, configuration(port, adminPort, address, upstream.caFile, workers, settings));
      const program = startProgram(
        process.execPath,
        [...nodeFlags(root), serveFile(root), '--config', configFile],
        { PATH: process.env['PATH'], NODE_ENV: 'production' },
        root,
      );
      const admin = `http://127.0.0.1:${adminPort}`;
      await waitReady(program, `${admin}/-/ready`);
      return {
        program,
        port,
        path: '/api/v1/write',
        async eventLoopP99Ms() {
          const exposition = await scrape(`${admin}/metrics`).catch(() => '');
          const seconds =
            sumMetric(exposition, 'nodejs_eventloop_lag_p99_seconds') ??
            sumMetric(exposition, 'amp_write_proxy_nodejs_eventloop_lag_p99_seconds');
          return seconds === undefined ? undefined : seconds * 1000;
        },
      };
    },
  };
}

/** Older revisions are measured too (compare/main.ts): they have it as main.ts. */
function serveFile(root: string): string {
  const file = path.join(root, 'src', 'commands', 'serve.ts');
  return existsSync(file) ? file : path.join(root, 'src', 'main.ts');
}

/** The flags that the checkout's own `npm start` gives to node. */
function nodeFlags(directory: string): string[] {
  const [, flags = ''] =
    /"start": "node (.*?)src\/\S+\.ts"/.exec(readFileSync(path.join(directory, 'package.json'), 'utf8')) ?? [];
  return flags.split(' ').filter((flag) => flag !== '');
}

/**
 * The bench sends the same prepared timestamps again and again: after a minute no request would be joined with another
 * without a window. Revisions that do not have the key yet are measured too (compare/main.ts).
 */
function endlessWindow(root: string): QueueSettings {
  const schema = path.join(root, 'src', 'config', 'schema.ts');
  return readFileSync(schema, 'utf8').includes('out_of_order_window') ? { out_of_order_window: '500h' } : {};
}

function configuration(
  port: number,
  adminPort: number,
  url: string,
  caFile: string | undefined,
  workers: number,
  queue: QueueSettings,
): string {
  const queueLines = Object.entries(queue).map(([key, value]) => `      ${key}: ${value}`);
  return [
    'server:',
    `  listen: 127.0.0.1:${port}`,
    `  admin_listen: 127.0.0.1:${adminPort}`,
    // Not told where it is 1: other revisions are measured too (compare/main.ts).
    ...(workers === 1 ? [] : [`  workers: ${workers}`]),
    'remote_write:',
    '  - name: default',
    `    url: ${url}`,
    '    sigv4:',
    `      region: ${REGION}`,
    `      access_key: ${ACCESS_KEY}`,
    `      secret_key: ${SECRET_KEY}`,
    ...(queueLines.length === 0 ? [] : ['    queue_config:', ...queueLines]),
    ...(caFile === undefined ? [] : ['    tls_config:', `      ca_file: ${caFile}`]),
    'log:',
    '  level: warn',
    '',
  ].join('\n');
}
