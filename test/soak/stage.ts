/** The proxy and the sandbox as child processes, outside of a test. The proxy gets its keys as a pod does (IRSA). */
import { readFileSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SandboxClient } from '../../src/dev/sandbox/client.ts';
import { Child, freePort } from '../support/processes.ts';
import { QUICK } from '../support/quick.ts';
import { findSecret } from '../support/secrets.ts';
import { NO_OTHER_SOURCE, ROLE_ARN } from '../support/web-identity.ts';
import type { Victim } from './mischief.ts';

interface SandboxAddress {
  readonly remoteWriteUrl: string;
  readonly stsUrl: string;
  readonly controlUrl: string;
  readonly region: string;
}

export class Stage implements Victim {
  readonly client: SandboxClient;
  readonly writeUrl: string;
  readonly metricsUrl: string;
  readonly badSender = 'plain-2';
  /** The problems of the processes, in words. */
  readonly problems: string[] = [];
  restarts = 0;
  readonly #directory: string;
  readonly #sandbox: Child;
  readonly #environment: Readonly<Record<string, string>>;
  #proxy: Child | undefined;

  constructor(directory: string, sandbox: Child, address: SandboxAddress, ports: readonly [number, number]) {
    this.#directory = directory;
    this.#sandbox = sandbox;
    this.client = new SandboxClient(address.controlUrl);
    this.writeUrl = `http://127.0.0.1:${ports[0]}/api/v1/write`;
    this.metricsUrl = `http://127.0.0.1:${ports[1]}`;
    this.#environment = {
      ...NO_OTHER_SOURCE,
      AWS_REGION: address.region,
      AWS_ENDPOINT_URL_STS: address.stsUrl,
      AWS_ROLE_ARN: ROLE_ARN,
      AWS_WEB_IDENTITY_TOKEN_FILE: path.join(directory, 'token'),
    };
  }

  static async open(): Promise<Stage> {
    const directory = await mkdtemp(path.join(tmpdir(), 'amp-write-proxy-soak-'));
    const sandbox = new Child('sandbox', process.execPath, ['src/dev/sandbox/main.ts', '--quiet']);
    const line = await sandbox.ready(() => /^\{.*\}$/m.exec(sandbox.stdout)?.[0]);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what `--quiet` prints
    const address = JSON.parse(line) as SandboxAddress;
    const ports = [await freePort(), await freePort()] as const;
    const config = {
      server: { listen: `127.0.0.1:${ports[0]}`, admin_listen: `127.0.0.1:${ports[1]}`, shutdown_timeout: '4s' },
      remote_write: [{ url: address.remoteWriteUrl, sigv4: { region: address.region }, ...QUICK }],
      log: { level: 'debug' },
    };
    await writeFile(path.join(directory, 'config.yml'), JSON.stringify(config));
    const stage = new Stage(directory, sandbox, address, ports);
    // The elected replica stays elected, so that the judge knows which one it is.
    await stage.client.changeRules({ haFailoverTimeoutMs: 1e12 });
    await stage.rotateToken();
    await stage.#start();
    return stage;
  }

  async rotateToken(): Promise<void> {
    const file = path.join(this.#directory, 'token');
    await writeFile(`${file}.new`, await this.client.issueWebIdentityToken(), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  async moveClock(offsetMs: number): Promise<void> {
    await this.client.setClockOffset(offsetMs);
    // One from before the clock went back would not be valid yet, for as long as the soak lasts.
    await this.rotateToken();
  }

  async restart(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const old = this.#proxy;
    this.restarts += 1;
    if (signal === 'SIGTERM') await this.#endGracefully(old);
    else old?.trySignal('SIGKILL');
    await old?.ended();
    this.#inspect(old);
    await this.#start();
  }

  /** VmRSS in bytes; 0 while it is between two lives, and where there is no /proc. */
  residentBytes(): number {
    try {
      const status = readFileSync(`/proc/${this.#proxy?.pid}/status`, 'utf8');
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }

  async metrics(): Promise<string> {
    return (await fetch(`${this.metricsUrl}/metrics`)).text();
  }

  async close(): Promise<void> {
    await this.#endGracefully(this.#proxy);
    this.#inspect(this.#proxy);
    await this.#sandbox.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const args = ['src/commands/serve.ts', '--config', path.join(this.#directory, 'config.yml')];
    const proxy = new Child('proxy', process.execPath, args, { env: this.#environment });
    this.#proxy = proxy;
    await proxy.ready(() => /"listening"/.test(proxy.stdout) || undefined);
  }

  async #endGracefully(proxy: Child | undefined): Promise<void> {
    const { status } = (await proxy?.stop()) ?? { status: 0 };
    if (status !== 0) this.problems.push(`SIGTERM ended the proxy with status ${status}`);
  }

  #inspect(proxy: Child | undefined): void {
    if (proxy === undefined) return;
    const secret = findSecret(proxy);
    if (secret !== undefined) this.problems.push(secret);
    if (/internal error (?:of|while)|for a fault of the proxy/.test(proxy.stdout) || proxy.stderr.includes('    at ')) {
      this.problems.push(`a fault of the proxy: ${proxy.output().slice(-2_000)}`);
    }
  }
}
