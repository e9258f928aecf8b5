/** What the status page reads, once a second; the stages that count do not know of it. */
import type { CredentialsMetrics, DestinationMetrics } from '../../metrics/counts.ts';
import type { Problems } from './problems.ts';

/** Of one destination; totals since the start. */
export interface DestinationCounts extends Readonly<
  Pick<
    DestinationMetrics,
    'name' | 'url' | 'received' | 'delivered' | 'deduplicated' | 'pending' | 'batches' | 'batchedParcels'
  >
> {
  readonly rejected: ReadonlyMap<number, number>;
  readonly rejectedByReason: ReadonlyMap<string, number>;
  readonly refused: ReadonlyMap<string, number>;
  readonly responses: ReadonlyMap<string, number>;
  readonly credentials: Readonly<Pick<CredentialsMetrics, 'expirationSeconds' | 'success' | 'failure'>>;
}

/** One remote_write entry. */
export interface DestinationSource {
  readonly metrics: DestinationCounts;
  /** What they are is nobody's here: undefined where there are none to sign with. */
  readonly credentials: { tryCurrent: () => unknown; readonly lastError: string };
  readonly problems: Pick<Problems, 'failing' | 'list'>;
  readonly maxShards: number;
  readonly queueCapacity: number;
  /** Requests that may be in flight upstream now. */
  readonly shards: () => number;
  /** Of those, the ones that are. */
  readonly shardsBusy: () => number;
  readonly queuedSamples: () => number;
  /** The upstream answers nothing but failures, and senders are refused at once. */
  readonly isDown: () => boolean;
  readonly sendersIsolated: () => number;
  readonly clockSkewMs: () => number;
}

/** All connections of one address. The counts are since the first of them, and end with the last. */
export interface SenderSource {
  readonly address: string;
  readonly connections: number;
  readonly requests: number;
  /** Samples and histograms in requests that could be decoded. */
  readonly samples: number;
  /** 0 before the first answer. */
  readonly lastStatus: number;
  /** What the last answer that was not 2xx said. */
  readonly lastRefusal: string;
  /** When a request of it was last batched separately from the others', ms of the monotonic clock; -Infinity for never. */
  readonly isolatedAtMs: number;
}
