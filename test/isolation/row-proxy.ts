/** The proxy of a row: a process of its own with the configuration as it is by default. It needs no running test. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Exposition } from '../support/exposition.ts';
import { Child, until } from '../support/processes.ts';

/** A machine that starts many of them takes its time. */
const READY_TIMEOUT_MS = 120_000;

const running = new Set<Child>();

process.once('exit', () => {
  for (const child of running) child.trySignal('SIGKILL');
});

export class RowProxy {
  readonly writeUrl: string;
  readonly #child: Child;
  readonly #adminUrl: string;
  readonly #directory: string;

  constructor(child: Child, directory: string, listen: string, adminListen: string) {
    this.#child = child;
    this.#directory = directory;
    this.writeUrl = `${listen}/api/v1/write`;
    this.#adminUrl = adminListen;
  }

  static async start(upstreamUrl: string, entry: Readonly<Record<string, unknown>> = {}): Promise<RowProxy> {
    const directory = await mkdtemp(path.join(tmpdir(), 'amp-write-proxy-isolation-'));
    const file = path.join(directory, 'amp-write-proxy.yml');
    const sigv4 = { region: 'us-west-2', access_key: 'AKIANOACCOUNT', secret_key: 'of-no-account' };
    const config = {
      server: { listen: '127.0.0.1:0', admin_listen: '127.0.0.1:0' },
      remote_write: [{ url: upstreamUrl, sigv4, ...entry }],
    };
    await writeFile(file, JSON.stringify(config));
    const child = new Child('proxy', process.execPath, ['src/commands/serve.ts', '--config', file]);
    running.add(child);
    void child.ended().then(() => running.delete(child));
    const [, listen = '', adminListen = ''] = await until(
      'the proxy listens',
      () => {
        if (!child.running) throw new Error(`the proxy ended before it listened:\n${child.output()}`);
        return /"listen":"([^"]+)","adminListen":"([^"]+)"/.exec(child.stdout) ?? undefined;
      },
      READY_TIMEOUT_MS,
    );
    return new RowProxy(child, directory, listen, adminListen);
  }

  get log(): string {
    return this.#child.stdout;
  }

  get running(): boolean {
    return this.#child.running;
  }

  async metrics(): Promise<Exposition> {
    const response = await fetch(`${this.#adminUrl}/metrics`);
    return new Exposition(await response.text());
  }

  /** VmRSS in bytes; 0 where there is no /proc. */
  residentBytes(): number {
    try {
      const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }

  /** `kill -9`, since a proxy whose culprits wait for their answers ends late. */
  async kill(): Promise<void> {
    this.#child.trySignal('SIGKILL');
    await this.#child.ended();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
