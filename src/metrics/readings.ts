/** What the stages of one destination show of themselves to metrics.ts: live readings, and settings. */

/** Live readings of the stages of one destination, taken when scraped. */
export interface DestinationReadings {
  readonly shards: () => number;
  readonly shardsDesired: () => number;
  /** 1 while the breaker is open. */
  readonly upstreamDown: () => number;
  readonly sendersIsolated: () => number;
  readonly queuedSamples: () => number;
  /** Batches, and samples in them, that wait for another attempt. */
  readonly retryBatches: () => number;
  readonly retrySamples: () => number;
  readonly queuedKeys: () => number;
  readonly queueCapacity: () => number;
  readonly clockSkewMs: () => number;
  /** 1 while there are credentials to sign with. */
  readonly credentialsValid: () => number;
}

export interface DestinationSettings {
  readonly minShards: number;
  readonly maxShards: number;
  readonly shardCapacity: number;
  readonly maxSamplesPerSend: number;
}
