// The quotas of one AMP workspace, as AWS documents them, for the model of bench/scaling/model.ts.
//
// Source: https://docs.aws.amazon.com/prometheus/latest/userguide/AMP_quotas.html ("Amazon Managed Service for
// Prometheus service quotas"), in its state after the announcement of 2026-07-21,
// https://aws.amazon.com/about-aws/whats-new/2026/07/amazon-managed-service-prometheus-1500m-metrics-workspace/. Looked
// up on 2026-11-22 in stored copies, not on the live page: ask Service Quotas (service code `aps`) before relying on a
// figure. SCALING.md says what older copies of the page say, and what is not certain.

export type WorkspaceQuotas = {
  /** Series with a sample in the past 2 hours. */
  readonly activeSeries: number;
  readonly samplesPerSecond: number;
  /** RemoteWrite operations. */
  readonly requestsPerSecond: number;
};

/** The page: the ingestion rate is set to the quota of active series divided by this, at most that of the default quota. */
export const SERIES_PER_SAMPLE_PER_SECOND = 30;

/** Without asking for more. 50,000,000 / 30 is the page's 1,666,666 samples a second. */
export const DEFAULT_QUOTAS: WorkspaceQuotas = {
  activeSeries: 50_000_000,
  samplesPerSecond: 50_000_000 / SERIES_PER_SAMPLE_PER_SECOND,
  requestsPerSecond: 3000,
};

/**
 * The most that is documented for a workspace on request: 1.5 billion series. The ingestion rate is adjustable, and no
 * most is told; this one is the rule of 1/30 applied to those series, and AWS may grant another. Whether requests can be
 * raised is not known.
 */
export const RAISED_QUOTAS: WorkspaceQuotas = {
  activeSeries: 1_500_000_000,
  samplesPerSecond: 1_500_000_000 / SERIES_PER_SAMPLE_PER_SECOND,
  requestsPerSecond: 3000,
};

/** Per region and account; adjustable. */
export const WORKSPACES_PER_REGION = 25;
