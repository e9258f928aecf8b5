/** Limits on what one batch may hold. */
export interface BatchLimits {
  /** The most samples and histograms. */
  readonly maxSamples: number;
  /** The most compressed bytes. */
  readonly maxBytes: number;
}
