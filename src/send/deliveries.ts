/** Where shards find their next batch: in the retry queue, or as a new batch of what waits. */
import type { Batcher, Lane } from '../batch/batcher.ts';
import type { DestinationMetrics } from '../metrics/counts.ts';
import { BatchDelivery, type DeliveryDeps } from './batch-delivery.ts';
import type { RetryQueue } from './retry-queue.ts';
import type { DeliverySource } from './shards.ts';

export class Deliveries implements DeliverySource<BatchDelivery> {
  readonly #batcher: Batcher;
  readonly #retryQueue: RetryQueue;
  readonly #deps: DeliveryDeps;
  readonly #metrics: DestinationMetrics;

  constructor(batcher: Batcher, retryQueue: RetryQueue, deps: DeliveryDeps) {
    this.#batcher = batcher;
    this.#retryQueue = retryQueue;
    this.#deps = deps;
    this.#metrics = deps.metrics;
  }

  tryTake(lane: Lane, nowMs: number): BatchDelivery | undefined {
    const retried = this.#retryQueue.tryTake(lane, nowMs);
    if (retried !== undefined) return retried;
    const batch = this.#batcher.tryTake(lane, nowMs);
    if (batch === undefined) return undefined;
    const { parcels } = batch;
    const [first] = parcels;
    if (first !== undefined) this.#metrics.observeQueueWait(nowMs - first.queuedAtMs);
    let samples = 0;
    for (const { weight } of parcels) samples += weight;
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
