/** The upper bounds of the buckets of each histogram, ascending. */

/** Seconds. */
export const LATENCY_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 30];
/** Requests in a batch. */
export const PARCEL_BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128];
/** Samples and histograms in a batch. */
export const SAMPLE_BOUNDS = [100, 250, 500, 1000, 2000, 3000, 4000, 5000, 10_000];
