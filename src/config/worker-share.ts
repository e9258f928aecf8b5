/**
 * Computes one worker's share of the configuration: totals are for all workers together, so that a value means the same
 * whatever server.workers is.
 */
import type { Config, LimitsConfig, QueueConfig } from './schema.ts';
import type { Bytes } from './sizes.ts';

export function inflightShare(limits: LimitsConfig, workers: number): Bytes {
  return Math.floor(limits.max_inflight_bytes / workers);
}

/** Each worker must be able to hold one body of the largest size. */
export function mostWorkers(limits: LimitsConfig): number {
  return Math.max(1, Math.floor(limits.max_inflight_bytes / limits.max_body_bytes));
}

/** Returns the configuration of one of `workers`. `capacity` is for each shard and does not change. */
export function workerShare(config: Config, workers: number): Config {
  const share = (queue: QueueConfig): QueueConfig => ({
    ...queue,
    min_shards: Math.ceil(queue.min_shards / workers),
    max_shards: Math.ceil(queue.max_shards / workers),
  });
  const [first, ...others] = config.remote_write;
  return {
    ...config,
    limits: {
      ...config.limits,
      max_inflight_bytes: inflightShare(config.limits, workers),
      max_connections_per_address: Math.ceil(config.limits.max_connections_per_address / workers),
    },
    query: {
      ...config.query,
      max_concurrency: Math.ceil(config.query.max_concurrency / workers),
      max_queued: Math.ceil(config.query.max_queued / workers),
    },
    remote_write: [
      { ...first, queue_config: share(first.queue_config) },
      ...others.map((entry) => ({ ...entry, queue_config: share(entry.queue_config) })),
    ],
  };
}
