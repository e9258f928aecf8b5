/** The proxy and the sandbox as processes of their own, as a user starts them. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'vitest';
import { SandboxClient } from '../../src/dev/sandbox/client.ts';
import { Exposition } from './exposition.ts';
import { ROOT, startChild, temporaryDirectory, type Child } from './processes.ts';

type Section = Readonly<Record<string, unknown>>;

export interface SandboxProcess {
  readonly child: Child;
  readonly client: SandboxClient;
  readonly remoteWriteUrl: string;
  readonly stsUrl: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export async function startSandboxProcess(args: readonly string[] = []): Promise<SandboxProcess> {
  const child = startChild('sandbox', process.execPath, ['src/dev/sandbox/main.ts', '--quiet', ...args]);
  const line = await child.ready(() => /^\{.*\}$/m.exec(child.stdout)?.[0]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what `--quiet` prints; a missing key fails at its first use
  const told = JSON.parse(line) as Record<'remoteWriteUrl' | 'stsUrl' | 'controlUrl' | 'region', string> &
    Record<'accessKeyId' | 'secretAccessKey', string>;
  return { ...told, child, client: new SandboxClient(told.controlUrl) };
}

export type SandboxAddress = Pick<SandboxProcess, 'remoteWriteUrl' | 'region' | 'accessKeyId' | 'secretAccessKey'>;

/** A `remote_write` entry; `sections` are merged over what the sandbox needs. */
export function entryFor(sandbox: SandboxAddress, sections: Section = {}): Section {
  const { remoteWriteUrl: url, region, accessKeyId, secretAccessKey } = sandbox;
  return { url, sigv4: { region, access_key: accessKeyId, secret_key: secretAccessKey }, ...sections };
}

export interface ProxyOptions {
  readonly remoteWrite: readonly Section[];
  readonly server?: Section;
  readonly limits?: Section;
  readonly log?: Section;
  readonly query?: Section;
  readonly env?: Readonly<Record<string, string>>;
  /** Not ready is an answer too: for a proxy that has no credentials. Default: wait until ready. */
  readonly awaitReady?: boolean;
}

export class ProxyProcess {
  readonly child: Child;
  readonly url: string;
  readonly writeUrl: string;
  readonly adminUrl: string;
  /** The URL that readers query; empty without server.query_listen. */
  readonly queryUrl: string;

  constructor(child: Child, listen: string, adminListen: string, queryListen = '') {
    this.queryUrl = queryListen;
    this.child = child;
    this.url = listen;
    this.writeUrl = `${listen}/api/v1/write`;
    this.adminUrl = adminListen;
  }

  async metrics(): Promise<Exposition> {
    const response = await fetch(`${this.adminUrl}/metrics`);
    return new Exposition(await response.text());
  }

  /** The status of /-/ready; 0 when nobody listens. */
  async readiness(): Promise<{ status: number; text: string }> {
    try {
      const response = await fetch(`${this.adminUrl}/-/ready`);
      return { status: response.status, text: await response.text() };
    } catch {
      return { status: 0, text: '' };
    }
  }
}

export async function startProxy(options: ProxyOptions): Promise<ProxyProcess> {
  const { remoteWrite, server = {}, limits = {}, log = {}, query = {}, env, awaitReady = true } = options;
  const file = await writeConfig({
    server: { listen: '127.0.0.1:0', admin_listen: '127.0.0.1:0', ...server },
    limits,
    log,
    query,
    remote_write: remoteWrite,
  });
  const args = ['src/commands/serve.ts', '--config', file];
  const child = startChild('proxy', process.execPath, args, env === undefined ? {} : { env });
  const [, listen, adminListen, queryListen] = await child.ready(
    () => /"listen":"([^"]+)","adminListen":"([^"]+)"(?:,"queryListen":"([^"]+)")?/.exec(child.stdout) ?? undefined,
  );
  if (listen === undefined || adminListen === undefined) throw new Error('the proxy does not say where it listens');
  const proxy = new ProxyProcess(child, listen, adminListen, queryListen);
  if (awaitReady) await child.ready(async () => (await proxy.readiness()).status === 200 || undefined);
  return proxy;
}

/** The proxy in front of a sandbox, with one entry. */
export async function startPair(
  sections: Section = {},
  options: Omit<ProxyOptions, 'remoteWrite'> = {},
): Promise<{ sandbox: SandboxProcess; proxy: ProxyProcess }> {
  const sandbox = await startSandboxProcess();
  const proxy = await startProxy({ ...options, remoteWrite: [entryFor(sandbox, sections)] });
  return { sandbox, proxy };
}

/** JSON is YAML. @returns the path */
export async function writeConfig(config: Section): Promise<string> {
  const file = path.join(await temporaryDirectory(), 'amp-write-proxy.yml');
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}

/** Runs the proxy's command line to its end. */
export function startCommand(args: readonly string[]): Child {
  return startChild('proxy', process.execPath, [path.join(ROOT, 'src/commands/serve.ts'), ...args]);
}

/** A reading in samples, histograms included. */
export interface LedgerReading {
  readonly received: number;
  readonly delivered: number;
  readonly rejected: number;
  readonly refused: number;
  readonly pending: number;
}

export function readLedger(metrics: Exposition): LedgerReading {
  const of = (name: string): number => metrics.sum(`amp_write_proxy_samples_${name}`);
  return {
    received: of('received_total'),
    delivered: of('delivered_total'),
    rejected: of('rejected_total'),
    refused: of('refused_total'),
    pending: of('pending'),
  };
}

export function expectBalanced(reading: LedgerReading): void {
  const { received, delivered, rejected, refused, pending } = reading;
  expect(delivered + rejected + refused + pending, `ledger ${JSON.stringify(reading)}`).toBe(received);
  for (const count of Object.values(reading)) expect(count).toBeGreaterThanOrEqual(0);
}

/**
 * received = delivered + rejected + refused + pending, as /metrics tells it now. With `told`, what senders were told
 * for what they sent, also that nothing is pending and that both sides agree.
 */
export async function expectLedgerBalanced(
  proxy: ProxyProcess,
  told?: { readonly acknowledged: number; readonly rejected?: number },
): Promise<LedgerReading> {
  const reading = readLedger(await proxy.metrics());
  expectBalanced(reading);
  if (told !== undefined) {
    const { delivered, rejected, pending } = reading;
    expect({ delivered, rejected, pending }).toEqual({
      delivered: told.acknowledged,
      rejected: told.rejected ?? 0,
      pending: 0,
    });
  }
  return reading;
}
