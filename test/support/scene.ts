/**
 * A scene of the fault suite: a proxy in front of a sandbox, with senders that send as Prometheus does, each its next
 * samples only after the last were accepted. What a row asks of every fault is in `expectPromisesKept`, which runs after its end.
 */
import { readFile } from 'node:fs/promises';
import { expect, onTestFinished } from 'vitest';
import type { SandboxClient } from '../../src/dev/sandbox/client.ts';
import type { FaultSpec } from '../../src/dev/sandbox/faults.ts';
import { expectNothingLost, type Judgement } from './judge.ts';
import { until, type Child } from './processes.ts';
import {
  entryFor,
  expectLedgerBalanced,
  startProxy,
  startSandboxProcess,
  type ProxyOptions,
  type ProxyProcess,
  type SandboxProcess,
} from './proxy.ts';
import { QUICK, QUICK_DELIVERY_TIMEOUT_MS } from './quick.ts';
import { expectNoSecrets } from './secrets.ts';
import { LedgerSender, type SenderOptions } from './sending.ts';

type Section = Readonly<Record<string, unknown>>;

/** Allows for the answer's way and a busy machine, on top of `delivery_timeout`. */
const ANSWER_SLACK_MS = 1_500;
/** Full flow is to be there again within this after a fault. It takes a second; the rest is for a busy machine. */
const FLOW_AGAIN_MS = 6_000;
/** Node itself has some 100 MB here. What is held in these rows is a few MB. */
const MAX_RSS_BYTES = 400 * 1024 * 1024;

/** The upstream of the proxy: the sandbox as a process, or in this one (for TLS). */
export type SandboxFacts = Pick<
  SandboxProcess,
  'client' | 'remoteWriteUrl' | 'region' | 'accessKeyId' | 'secretAccessKey'
>;

export interface SceneOptions {
  /** Over QUICK and the sandbox's keys. */
  readonly entry?: Section;
  readonly queue?: Section;
  /** Default 2.5 s. */
  readonly deliveryTimeoutMs?: number;
  readonly proxy?: Omit<ProxyOptions, 'remoteWrite'>;
  readonly senders?: readonly SenderOptions[];
  readonly sandbox?: SandboxFacts;
}

/** Three machines, so that one can be held apart from the others. */
export const THREE_SENDERS: readonly SenderOptions[] = [
  { name: 'one', localAddress: '127.0.0.11' },
  { name: 'two', localAddress: '127.0.0.12' },
  { name: 'three', localAddress: '127.0.0.13' },
];

export class Scene {
  readonly sandbox: SandboxFacts;
  readonly senders: readonly LedgerSender[];
  readonly deliveryTimeoutMs: number;
  proxy: ProxyProcess;
  readonly #makeProxy: (server: Section) => Promise<ProxyProcess>;
  /** The proxies that were killed. */
  readonly earlier: Child[] = [];
  #over = false;
  #sending: Promise<unknown> = Promise.resolve();

  constructor(
    sandbox: SandboxFacts,
    proxy: ProxyProcess,
    senders: readonly LedgerSender[],
    deliveryTimeoutMs: number,
    makeProxy: (server: Section) => Promise<ProxyProcess>,
  ) {
    this.sandbox = sandbox;
    this.proxy = proxy;
    this.senders = senders;
    this.deliveryTimeoutMs = deliveryTimeoutMs;
    this.#makeProxy = makeProxy;
  }

  get client(): SandboxClient {
    return this.sandbox.client;
  }

  /** Every sender sends, and sends again what was not accepted, until `endLoad`. */
  load(): void {
    this.#sending = Promise.all(
      this.senders.map(async (sender) => {
        while (!this.#over) await sender.deliver(nextOf(sender), () => this.#over);
      }),
    );
  }

  /** Resolves when each of these has had so many answers from now on that satisfy the test. */
  async answers(
    count: number,
    test: (status: number) => boolean = () => true,
    senders: readonly LedgerSender[] = this.senders,
  ): Promise<void> {
    const from = new Map(senders.map((sender) => [sender, sender.requests.length]));
    await until(`${count} answers to each sender`, () =>
      [...from].every(([sender, start]) => {
        const { statuses } = sender;
        return statuses.slice(start).filter((status) => status >= 0 && test(status)).length >= count;
      }),
    );
  }

  /** Load, the fault under load until every sender has had `count` answers, and its end. */
  async under(faults: readonly FaultSpec[], count: number, test?: (status: number) => boolean): Promise<void> {
    this.load();
    await this.answers(2, isAccepted);
    await this.client.addFaults(...faults);
    await this.answers(count, test);
    await this.client.clearFaults();
  }

  async endLoad(): Promise<void> {
    this.#over = true;
    await this.#sending;
  }

  /** `kill -9`, and a new process on the same port. */
  async killAndRestart(): Promise<void> {
    const { host: listen } = new URL(this.proxy.url);
    const { host: admin } = new URL(this.proxy.adminUrl);
    this.proxy.child.trySignal('SIGKILL');
    await this.proxy.child.ended();
    this.earlier.push(this.proxy.child);
    this.proxy = await this.#makeProxy({ listen, admin_listen: admin });
  }

  /** Answers of the upstream by status, and failures by kind. */
  async upstreamResponses(code: string): Promise<number> {
    return (await this.proxy.metrics()).sum('amp_write_proxy_upstream_responses_total', { code });
  }
}

/** The senders beside those of the scene. */
export interface Crowd {
  readonly others?: readonly LedgerSender[];
  /** Samples of a sender that keeps no ledger. */
  readonly alsoAcknowledged?: number;
  /** Nobody knows how much. */
  readonly withoutLedger?: boolean;
  /** There are series of somebody who keeps no ledger. */
  readonly withStrangers?: boolean;
}

/**
 * The fault has ended: fresh samples of every sender flow without a restart; nothing acknowledged is missing, order
 * is kept, the ledger is balanced, memory is bounded, no secret is in the log, and every sender was told 2xx, 503 or
 * one of `alsoTold`, in time.
 */
export async function expectPromisesKept(
  scene: Scene,
  alsoTold: readonly number[] = [],
  crowd: Crowd = {},
): Promise<Judgement> {
  const { sandbox, proxy, earlier } = scene;
  const endedAtMs = performance.now();
  const isLate = (): boolean => performance.now() - endedAtMs > FLOW_AGAIN_MS;
  await scene.endLoad();
  expect(
    scene.senders.some(({ requests }) => requests.length > 0),
    'somebody sent',
  ).toBe(true);
  await Promise.all(
    scene.senders.map(async (sender) => {
      const fresh = await sender.deliver(nextOf(sender), isLate);
      expect(fresh, `a fresh sample of ${sender.name}, after the fault`).toMatchObject({ status: 204, text: '' });
    }),
  );
  expect(proxy.child.running).toBe(true);
  expectAnswers(scene, new Set([204, 503, ...alsoTold]));
  const senders = [...scene.senders, ...(crowd.others ?? [])];
  const judgement = await expectNothingLost(scene.client, senders, crowd);
  await expectLedger(scene, senders, crowd);
  expect(await residentBytes(proxy), 'memory of the proxy').toBeLessThan(MAX_RSS_BYTES);
  for (const child of [...earlier, proxy.child]) expectNoSecrets(child, sandbox);
  return judgement;
}

function expectAnswers({ senders, deliveryTimeoutMs }: Scene, allowed: ReadonlySet<number>): void {
  for (const { name, requests } of senders) {
    for (const { answer, tookMs } of requests) {
      const { status, text, headers } = answer ?? { status: -1, text: '', headers: {} };
      expect([...allowed], `${name} was told ${status} ${text}`).toContain(status);
      if (status === 503) expect(Number(headers['retry-after']), `Retry-After to ${name}`).toBeGreaterThan(0);
      const latestMs = deliveryTimeoutMs + ANSWER_SLACK_MS;
      expect(tookMs, `${name} had ${status} inside delivery_timeout`).toBeLessThan(latestMs);
    }
  }
}

/** After a restart the counts begin anew; a sender without an answer does not know what the proxy knows. */
async function expectLedger(
  { proxy, earlier }: Scene,
  senders: readonly LedgerSender[],
  { withoutLedger = false, alsoAcknowledged = 0 }: Crowd,
): Promise<void> {
  await until('nothing is pending', async () => (await expectLedgerBalanced(proxy)).pending === 0);
  if (withoutLedger || earlier.length > 0 || senders.some(({ statuses }) => statuses.includes(0))) return;
  const sum = (key: 'acknowledged' | 'rejected'): number => senders.reduce((total, sender) => total + sender[key], 0);
  await expectLedgerBalanced(proxy, {
    acknowledged: sum('acknowledged') + alsoAcknowledged,
    rejected: sum('rejected'),
  });
}

export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const { entry = {}, queue = {}, proxy: proxyOptions = {}, senders = THREE_SENDERS } = options;
  const sandbox = options.sandbox ?? (await startSandboxProcess());
  const { deliveryTimeoutMs = QUICK_DELIVERY_TIMEOUT_MS } = options;
  const queueConfig = { ...QUICK.queue_config, delivery_timeout: `${deliveryTimeoutMs}ms`, ...queue };
  const sections = { ...QUICK, queue_config: queueConfig, ...entry };
  const makeProxy = async (server: Section): Promise<ProxyProcess> =>
    startProxy({
      log: { level: 'debug' },
      ...proxyOptions,
      server: { shutdown_timeout: '4s', ...proxyOptions.server, ...server },
      remoteWrite: [{ ...entryFor(sandbox, sections) }],
    });
  const proxy = await makeProxy({});
  const made = senders.map((sender) => new LedgerSender(proxy.writeUrl, sender));
  const scene = new Scene(sandbox, proxy, made, deliveryTimeoutMs, makeProxy);
  onTestFinished(async () => {
    await scene.endLoad();
    for (const sender of made) sender.close();
  });
  return scene;
}

export function isAccepted(status: number): boolean {
  return status === 204;
}

export function isRefused(status: number): boolean {
  return status === 503;
}

/** VmRSS; 0 where there is no /proc. */
export async function residentBytes({ child }: ProxyProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Series of this request alone, and the next samples of the same series as ever. */
function nextOf(sender: LedgerSender): ReturnType<LedgerSender['makeSeries']> {
  const nowMs = Date.now();
  return [...sender.makeSeries(5, 1, nowMs), ...sender.makeSample(5, nowMs)];
}
