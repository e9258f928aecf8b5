/** What one batch may hold. */
export interface BatchLimits {
  /** Samples and histograms. */
  readonly maxSamples: number;
  /** Compressed bytes. */
  readonly maxBytes: number;
}
