/**
 * Finds the next batch of a shard: a batch from the retry queue, or a new batch of waiting parcels. In the shared lane
 * a retry goes first, since its sender has waited longer. In the other lanes the two take turns, since there the
 * retries of requests that always fail would delay every first attempt.
 */
import type { Batcher } from './batcher.ts';
import type { Lane } from '../send/lane.ts';
import type { DestinationMetrics } from '../metrics/counts.ts';
import { BatchDelivery, type DeliveryDeps } from '../send/batch-delivery.ts';
import type { RetryQueue } from '../send/retry-queue.ts';
import type { DeliverySource } from '../send/shards.ts';

export class Deliveries implements DeliverySource<BatchDelivery> {
  readonly #batcher: Batcher;
  readonly #retryQueue: RetryQueue;
  readonly #deps: DeliveryDeps;
  readonly #metrics: DestinationMetrics;
  /** True when it is a new batch's turn. */
  readonly #newFirst: Record<Lane, boolean> = { shared: false, suspect: false, isolated: false };

  constructor(batcher: Batcher, retryQueue: RetryQueue, deps: DeliveryDeps) {
    this.#batcher = batcher;
    this.#retryQueue = retryQueue;
    this.#deps = deps;
    this.#metrics = deps.metrics;
  }

  tryTake(lane: Lane, nowMs: number, isNewPreferred: boolean): BatchDelivery | undefined {
    if (lane !== 'shared' && this.#retryQueue.batches === 0 && !this.#batcher.isReady(lane)) return undefined;
    const newFirst = isNewPreferred || this.#newFirst[lane];
    const delivery =
      (newFirst ? this.#tryMake(lane, nowMs) : undefined) ??
      this.#retryQueue.tryTake(lane, nowMs) ??
      (newFirst ? undefined : this.#tryMake(lane, nowMs));
    if (delivery !== undefined && lane !== 'shared') this.#newFirst[lane] = !newFirst;
    return delivery;
  }

  #tryMake(lane: Lane, nowMs: number): BatchDelivery | undefined {
    const batch = this.#batcher.tryTake(lane, nowMs);
    if (batch === undefined) return undefined;
    const { parcels } = batch;
    const [first] = parcels;
    if (first !== undefined) this.#metrics.observeQueueWait(nowMs - first.queuedAtMs);
    let samples = 0;
    for (const { sampleCount } of parcels) samples += sampleCount;
    this.#metrics.observeBatch(parcels.length, samples);
    return new BatchDelivery(this.#deps, parcels, batch.lane);
  }

  nextDueAtMs(lane: Lane): number | undefined {
    const retryAtMs = this.#retryQueue.nextDueAtMs(lane);
    const batchAtMs = this.#batcher.nextDueAtMs(lane);
    if (retryAtMs === undefined || batchAtMs === undefined) return retryAtMs ?? batchAtMs;
    return Math.min(retryAtMs, batchAtMs);
  }

  putBack(delivery: BatchDelivery): void {
    this.#retryQueue.add(delivery);
  }
}
