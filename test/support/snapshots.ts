/** Snapshots of a destination that are made by hand. */
import type { DestinationMetrics } from '../../src/metrics/counts.ts';
import { takeSnapshot, type DestinationSnapshot, type ShownStages } from '../../src/metrics/destination-snapshot.ts';

/** Stages in which nothing happens. */
export const QUIET_STAGES: ShownStages = {
  settings: { minShards: 1, maxShards: 50, shardCapacity: 10_000, maxSamplesPerSend: 5000 },
  queue: { capacityUsed: 0, capacity: 500_000, keys: 0 },
  retryQueue: { batches: 0, samples: 0 },
  shards: { inFlight: 0 },
  health: { shards: 1, isDown: false, isolated: { size: 0 } },
  clock: { skewMs: 0 },
  credentials: { tryCurrent: () => 'some', lastError: '' },
  problems: { failing: undefined, list: () => [] },
};

export function snapshotOf(metrics: DestinationMetrics, stages: Partial<ShownStages> = {}): DestinationSnapshot {
  return takeSnapshot(metrics, { ...QUIET_STAGES, ...stages });
}
