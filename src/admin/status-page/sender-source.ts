/** The readings of senders that the status page takes once a second; receive, which counts, knows nothing of it. */

/** All connections of one address. The counts are since the first of them, and end with the last. */
export interface SenderSource {
  readonly address: string;
  readonly connections: number;
  readonly requests: number;
  /** Samples and histograms in requests that could be decoded. */
  readonly samples: number;
  /** 0 before the first answer. */
  readonly lastStatus: number;
  /** The text of the last answer that was not 2xx. */
  readonly lastRefusal: string;
  /** When a request of it was last batched separately from the others', ms of the monotonic clock; -Infinity for never. */
  readonly isolatedAtMs: number;
}
