/**
 * Keeps what the answers of one upstream tell about it: how many requests may be in flight, how large they may be, how
 * long it asked the proxy to back off, whether it is down, and whose data makes it fail.
 *
 * Failures of a sender that is isolated, or that has yet to deliver a request, say nothing about the upstream.
 */
import type { Lane } from './lane.ts';
import { IsolatedSenders } from './isolated-senders.ts';
import { failureSummary } from '../outcome/explain.ts';
import type { Outcome, Verdict } from '../outcome/outcome.ts';
import type { Parcel } from '../parcel/parcel.ts';
import { BatchSizeLimit } from './batch-size-limit.ts';
import type { BatchDelivery } from './batch-delivery.ts';
import { Askers } from './askers.ts';
import { Breaker } from './breaker.ts';
import { Probes } from './probes.ts';
import { Rest } from './rest.ts';
import { retryWaitMs, type BackoffLimits } from './retry.ts';
import { ShardLimit } from './shard-limit.ts';

export interface UpstreamHealthSettings {
  readonly minShards: number;
  readonly maxShards: number;
  readonly maxSamples: number;
  readonly backoff: BackoffLimits;
  readonly deliveryTimeoutMs: number;
}

export interface UpstreamHealthDeps {
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Called when the upstream goes down: all parcels but the probes must be refused. */
  readonly wentDown: () => void;
  /** Returns true if a batch waits for a shard. */
  readonly hasWork: () => boolean;
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
  readonly random: () => number;
}

/** Without any delivery, one batch per this interval may be split, to find out whether only a part of it fails. */
const TAKE_APART_EVERY_MS = 1_000;

export class UpstreamHealth {
  readonly isolated = new IsolatedSenders();
  readonly probes = new Probes();
  readonly rest = new Rest();
  readonly #settings: UpstreamHealthSettings;
  readonly #deps: UpstreamHealthDeps;
  readonly #breaker: Breaker;
  readonly #shards: ShardLimit;
  readonly #batchSize: BatchSizeLimit;
  /** The senders that it asked for less, and those that it asked to rest since it last took data. */
  readonly #askedForLess = new Askers();
  readonly #askedForRest = new Askers();
  #deliveredAtMs = -Infinity;
  #tookApartAtMs = -Infinity;
  /** The number of throttled answers since the last delivery. */
  #throttled = 0;
  #lastFailure = 'the upstream has not answered';

  constructor(settings: UpstreamHealthSettings, deps: UpstreamHealthDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#breaker = new Breaker(deps.wentDown);
    this.#shards = new ShardLimit(settings.minShards, settings.maxShards);
    this.#batchSize = new BatchSizeLimit(settings.maxSamples);
  }

  get isDown(): boolean {
    return this.#breaker.isOpen;
  }

  /** The number of requests of the shared lane that may be in flight now. */
  get shards(): number {
    return this.#shards.shards;
  }

  /** The number of samples and histograms that a batch may have now. */
  get maxSamples(): number {
    return this.#batchSize.maxSamples;
  }

  /** The time when the upstream last took a batch, ms of the monotonic clock; -Infinity before. */
  get deliveredAtMs(): number {
    return this.#deliveredAtMs;
  }

  /** The reason why the latest attempt failed, without quoting the upstream; every sender may read it. */
  get lastFailure(): string {
    return this.#lastFailure;
  }

  /** A parcel is taken from its sender. */
  arrived({ connection, mergeKey }: Parcel, nowMs: number): void {
    if (mergeKey.kind === 'shared' || mergeKey.kind === 'unmergeable') this.#breaker.arrived(connection, nowMs);
  }

  /** An attempt of this batch brought this verdict. */
  learn(delivery: BatchDelivery, verdict: Verdict): void {
    const nowMs = this.#deps.nowMs();
    if (verdict.kind === 'delivered') this.#delivered(delivery, nowMs);
    if (verdict.kind !== 'retry' && verdict.kind !== 'unauthorized') {
      this.#answered();
      return;
    }
    this.#lastFailure = failureSummary(verdict);
    const isEvidence = delivery.lane !== 'isolated' && delivery.parcels.some(isOfGoodSender);
    for (const parcel of delivery.parcels) this.probes.failed(parcel);
    if (verdict.kind === 'retry' && !verdict.down) {
      this.#answered();
    } else if (isEvidence || this.isDown) {
      // Only one request of a joined batch may be at fault, which shows once the batch is split.
      const connections = delivery.parcels.length === 1 ? delivery.parcels.map(({ connection }) => connection) : [];
      this.#breaker.failed(connections, verdict.kind === 'retry' && verdict.mayLieInData, nowMs);
    }
    if (verdict.kind === 'retry' && isEvidence) this.#asked(delivery, verdict, nowMs);
  }

  /** Called when the requests of this parcel's sender keep failing: from now on they are batched separately. */
  isolate({ connection, dedupKey }: Parcel): void {
    const nowMs = this.#deps.nowMs();
    const isNew = this.isolated.isolationOf(connection, dedupKey, nowMs) !== 'isolated';
    this.isolated.isolate(connection, dedupKey, nowMs);
    if (!isNew) return;
    const { address } = connection.sender;
    const message =
      'the requests of a sender keep failing while others are delivered; they are batched separately for 5 minutes';
    this.#deps.log.warn({ sender: address, lastFailure: this.#lastFailure }, message);
  }

  /** Returns true if a failing batch may be split although the upstream has delivered nothing in the meantime. */
  tryTakeApart(nowMs: number): boolean {
    if (nowMs - this.#tookApartAtMs < TAKE_APART_EVERY_MS) return false;
    this.#tookApartAtMs = nowMs;
    return true;
  }

  /** Begins to probe with some of these parcels. */
  beginProbing(candidates: readonly Parcel[]): void {
    this.rest.end();
    this.probes.begin(candidates, this.#deps.nowMs());
  }

  #delivered(delivery: BatchDelivery, nowMs: number): void {
    this.#deliveredAtMs = nowMs;
    this.#throttled = 0;
    this.#lastFailure = 'the upstream answers';
    this.#askedForRest.forget();
    this.rest.end();
    if (delivery.lane !== 'shared') return;
    this.#shards.delivered(this.#deps.hasWork());
    this.#batchSize.delivered(delivery.parcels.reduce((sum, { sampleCount }) => sum + sampleCount, 0));
  }

  /** Called when it does its work, whatever it answers. */
  #answered(): void {
    if (this.isDown) {
      this.#deps.log.info({}, 'the upstream answers again');
      this.probes.end();
    }
    this.#breaker.succeeded();
  }

  /** Called when it asked for less, or to back off. */
  #asked(delivery: BatchDelivery, verdict: Extract<Verdict, { kind: 'retry' }>, nowMs: number): void {
    const { throttle, retryAfterMs } = verdict;
    const { backoff, deliveryTimeoutMs } = this.#settings;
    const connections = delivery.parcels.map(({ connection }) => connection);
    const active = this.#breaker.active(nowMs);
    if (throttle !== undefined && this.#askedForLess.add(connections, active, nowMs)) {
      this.#shards.throttled(nowMs);
      this.#throttled += 1;
      const samples = delivery.parcels.reduce((sum, { sampleCount }) => sum + sampleCount, 0);
      if (throttle === 'samples') this.#batchSize.throttled(samples, nowMs);
    }
    if (this.isDown || (throttle === undefined && retryAfterMs === undefined)) return;
    if (!this.#askedForRest.add(connections, active, nowMs)) return;
    // The wait is no longer than a sender would wait.
    const askedMs = retryAfterMs === undefined ? undefined : Math.min(retryAfterMs, deliveryTimeoutMs);
    this.rest.begin(nowMs + retryWaitMs(backoff, Math.max(1, this.#throttled), askedMs, this.#deps.random()), nowMs);
  }
}

function isOfGoodSender({ mergeKey }: Parcel): boolean {
  return mergeKey.kind === 'shared' || mergeKey.kind === 'unmergeable';
}

/** The answer to senders while the upstream is down. */
export function downOutcome(health: UpstreamHealth): Extract<Outcome, { kind: 'refused' }> {
  return { kind: 'refused', reason: 'upstream_down', message: `the upstream is down; ${health.lastFailure}` };
}

/** The number of requests in each lane other than the shared one that may be in flight. */
export function extraShards(lane: Exclude<Lane, 'shared'>, maxShards: number): number {
  return Math.max(1, Math.ceil(maxShards / (lane === 'suspect' ? 4 : 8)));
}
