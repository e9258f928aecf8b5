/** The proxy as the demo runs it: a process of its own with a configuration file, as a user starts it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sandbox } from '../sandbox/sandbox.ts';

export interface DemoProxy {
  /** The URL that senders write to. */
  readonly writeUrl: URL;
  readonly adminUrl: string;
  /** The sums of the proxy's metrics by name. */
  readMetrics(): Promise<ReadonlyMap<string, number>>;
  /** Ends it with SIGTERM. @returns its exit status */
  stop(): Promise<number | null>;
}

const START_TIMEOUT_MS = 20_000;

export async function startProxy(sandbox: Sandbox): Promise<DemoProxy> {
  const directory = await mkdtemp(path.join(tmpdir(), 'amp-write-proxy-demo-'));
  const [port, adminPort] = [await freePort(), await freePort()];
  const file = path.join(directory, 'amp-write-proxy.yml');
  await writeFile(
    file,
    `server:
  listen: 127.0.0.1:${port}
  admin_listen: 127.0.0.1:${adminPort}
remote_write:
  - url: ${sandbox.remoteWriteUrl}
    sigv4:
      region: ${sandbox.region}
      access_key: ${sandbox.accessKeyId}
      secret_key: ${sandbox.secretAccessKey}
log: { level: error, format: text }
`,
    { mode: 0o600 },
  );
  const main = fileURLToPath(new URL('../../commands/serve.ts', import.meta.url));
  // The process has its own group: Ctrl-C reaches only the demo, which ends the proxy when all answers are in.
  const child = spawn(process.execPath, [main, '--config', file], {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  const adminUrl = `http://127.0.0.1:${adminPort}`;
  process.once('exit', () => child.kill('SIGKILL'));
  await untilReady(child, `${adminUrl}/-/ready`);
  return {
    writeUrl: new URL(`http://127.0.0.1:${port}/api/v1/write`),
    adminUrl,
    readMetrics: async () => sumByName(await (await fetch(`${adminUrl}/metrics`)).text()),
    async stop() {
      const exited = once(child, 'exit');
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        await exited;
      }
      await rm(directory, { recursive: true });
      return child.exitCode;
    },
  };
}

async function untilReady(child: ChildProcess, url: string): Promise<void> {
  const giveUpAtMs = Date.now() + START_TIMEOUT_MS;
  while (child.exitCode === null && Date.now() < giveUpAtMs) {
    const ready = await fetch(url).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.kill('SIGKILL');
  throw new Error(`the proxy did not become ready within ${START_TIMEOUT_MS} ms (exit status ${child.exitCode})`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** Sums the text exposition format by name; histograms by their `_count` and `_sum`. */
function sumByName(exposition: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const line of exposition.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)$/.exec(line);
    if (match === null) continue;
    const [, name = '', value = ''] = match;
    sums.set(name, (sums.get(name) ?? 0) + Number(value));
  }
  return sums;
}
