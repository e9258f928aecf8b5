/** Plays one row: an upstream, a proxy at its defaults, good senders, and culprits that join them after a while. */
import { setTimeout as sleep } from 'node:timers/promises';
import { readLedger, type LedgerReading } from '../support/proxy.ts';
import { until } from '../support/processes.ts';
import { RowProxy } from './row-proxy.ts';
import { RowSender } from './row-sender.ts';
import type { Row } from './rows.ts';
import { POISON_LABEL, PoisonUpstream } from './upstream.ts';

/** Good senders that are alone have as many shards, so that a culprit finds something to be joined with. */
const SHARDS_OF_ONE = 3;
const SPARSE_MS = 5_000;
/** The culprit's part of a tick: while the first good request is with the upstream, so that the others wait. */
const BEHIND_TICK_MS = 5;
/** When the culprit's first request comes. */
const CULPRIT_AFTER_MS = { sparse: 5_000, dense: 2_000 } as const;
/** A culprit is told within `delivery_timeout` (25 s), which has to be seen. */
const WITH_CULPRIT_MS = 28_000;
const WITHOUT_CULPRIT_MS = { sparse: 15_000, dense: 8_000 } as const;
export const STOPS_AFTER_MS = 6_000;
const SAMPLE_EVERY_MS = 250;
/** delivery_timeout and the answer's way. */
const LAST_ANSWERS_MS = 28_000;

export interface RowRun {
  readonly row: Row;
  readonly good: readonly RowSender[];
  readonly culprits: readonly RowSender[];
  readonly upstream: PoisonUpstream;
  /** A time of performance.now(): the good senders' requests count again from then on. */
  readonly incidentEndMs: number;
  /** Readings of `amp_write_proxy_upstream_down` that were not 0. */
  readonly downReadings: number;
  readonly peakResidentBytes: number;
  readonly ledger: LedgerReading;
  readonly log: string;
  /** The proxy was alive at the end. */
  readonly survived: boolean;
  /** The longest that this process was late by itself, or that /metrics took, in ms: what the machine is to blame for. */
  readonly stalledMs: number;
}

export class RowStage {
  readonly #row: Row;
  readonly #upstream: PoisonUpstream;
  readonly #proxy: RowProxy;

  constructor(row: Row, upstream: PoisonUpstream, proxy: RowProxy) {
    this.#row = row;
    this.#upstream = upstream;
    this.#proxy = proxy;
  }

  static async open(row: Row): Promise<RowStage> {
    const latencyMs = row.density === 'dense' && row.good === 30 ? 120 : 40;
    const upstream = new PoisonUpstream(row.poison?.answer, latencyMs);
    return new RowStage(row, upstream, await RowProxy.start(await upstream.listen()));
  }

  /** Once only: the stage is gone after it. */
  async play(): Promise<RowRun> {
    const watch = new Watch(this.#proxy);
    try {
      return await this.#play(watch);
    } finally {
      await watch.stop();
      await this.#proxy.kill();
      await this.#upstream.close();
    }
  }

  async #play(watch: Watch): Promise<RowRun> {
    const row = this.#row;
    const { poison, density } = row;
    const startedAtMs = performance.now();
    const culpritAtMs = startedAtMs + CULPRIT_AFTER_MS[density];
    const endsAtMs = culpritAtMs + (poison === undefined ? WITHOUT_CULPRIT_MS[density] : WITH_CULPRIT_MS);
    const culpritEndsAtMs = poison?.shape === 'stops' ? culpritAtMs + STOPS_AFTER_MS : endsAtMs;
    const good = makeGood(row, this.#proxy.writeUrl, startedAtMs);
    const culprits = makeCulprits(row, this.#proxy.writeUrl, startedAtMs);
    const running = good.map(async (sender) => sender.run(() => performance.now() >= endsAtMs));
    await sleepUntil(culpritAtMs);
    const poisoning = culprits.map(async (sender) => sender.run(() => performance.now() >= culpritEndsAtMs));
    await sleepUntil(endsAtMs);
    for (const culprit of culprits) culprit.close();
    await Promise.race([Promise.all([...running, ...poisoning]), sleep(LAST_ANSWERS_MS)]);
    for (const sender of good) sender.close();
    await watch.stop();
    return {
      row,
      good,
      culprits,
      upstream: this.#upstream,
      incidentEndMs: culpritAtMs + (poison?.answer.incidentMs ?? 0),
      downReadings: watch.downReadings,
      peakResidentBytes: watch.peakResidentBytes,
      ledger: await settledLedger(this.#proxy),
      log: this.#proxy.log,
      survived: this.#proxy.running,
      stalledMs: watch.stalledMs,
    };
  }
}

function makeGood(row: Row, url: string, startedAtMs: number): RowSender[] {
  const sharesAddress = row.poison?.shape === 'same-address';
  const shards = row.good === 1 ? SHARDS_OF_ONE : 1;
  return Array.from({ length: row.good * shards }, (_, index) => {
    const machine = Math.floor(index / shards) + 1;
    const localAddress = sharesAddress ? '127.0.3.1' : `127.0.1.${machine}`;
    const pace = paceOf(row, startedAtMs, Math.random() * 2);
    return new RowSender(url, { name: `good-${index}`, localAddress, pace });
  });
}

function makeCulprits(row: Row, url: string, startedAtMs: number): RowSender[] {
  if (row.poison === undefined) return [];
  const { shape } = row.poison;
  const count = shape === '50-connections' ? 50 : shape === 'two-culprits' ? 2 : 1;
  const mark = { [POISON_LABEL]: 'yes' };
  const labels = shape === 'alone' ? { ...mark, cluster: 'of-the-culprit', __replica__: 'r0' } : mark;
  return Array.from({ length: count }, (_, index) => {
    const localAddress =
      shape === 'same-address' ? '127.0.3.1' : shape === 'two-culprits' ? `127.0.2.${index + 1}` : '127.0.2.1';
    const pace = paceOf(row, startedAtMs, BEHIND_TICK_MS);
    return new RowSender(url, { name: `culprit-${index}`, localAddress, labels, pace });
  });
}

/** Sparse: the next tick of the row's own clock, and a little behind it. Dense: at once. */
function paceOf({ density }: Row, startedAtMs: number, behindMs: number): () => Promise<void> {
  if (density === 'dense') return async () => Promise.resolve();
  let tick = -1;
  return async () => {
    tick = Math.max(tick + 1, Math.floor((performance.now() - startedAtMs - behindMs) / SPARSE_MS));
    await sleepUntil(startedAtMs + tick * SPARSE_MS + behindMs);
  };
}

async function sleepUntil(atMs: number): Promise<void> {
  await sleep(Math.max(0, atMs - performance.now()));
}

async function settledLedger(proxy: RowProxy): Promise<LedgerReading> {
  const read = async (): Promise<LedgerReading> => readLedger(await proxy.metrics());
  // Requests that are still pending then are a finding of their own.
  return until('nothing is pending', async () => {
    const reading = await read();
    return reading.pending === 0 ? reading : undefined;
  }).catch(read);
}

/** Reads the proxy's own word on the upstream, its memory, and how late this process and the proxy are. */
class Watch {
  downReadings = 0;
  peakResidentBytes = 0;
  stalledMs = 0;
  readonly #proxy: RowProxy;
  #over = false;
  readonly #done: Promise<void>;

  constructor(proxy: RowProxy) {
    this.#proxy = proxy;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      const askedAtMs = performance.now();
      const metrics = await this.#proxy.metrics().catch(() => undefined);
      this.stalledMs = Math.max(this.stalledMs, performance.now() - askedAtMs);
      if ((metrics?.sum('amp_write_proxy_upstream_down') ?? 0) > 0) this.downReadings += 1;
      this.peakResidentBytes = Math.max(this.peakResidentBytes, this.#proxy.residentBytes());
      const sleptFromMs = performance.now();
      await sleep(SAMPLE_EVERY_MS);
      this.stalledMs = Math.max(this.stalledMs, performance.now() - sleptFromMs - SAMPLE_EVERY_MS);
    }
  }
}
