/**
 * The rules that the stand-in for AMP enforces, one switch per rule. The defaults are AMP's own where AWS documents
 * them (https://docs.aws.amazon.com/prometheus/latest/userguide/AMP_quotas.html) and Cortex's where it does not. Rules
 * about a sample's age are off by default, because tests and captured bodies carry old timestamps.
 */
export interface AmpRules {
  /** Refuse requests that are not signed with SigV4 by a known, unexpired key (403). */
  verifySignatures: boolean;
  /** How far X-Amz-Date may be from the sandbox's clock, in milliseconds. */
  maxClockSkewMs: number;
  /** Refuse another Content-Type or Content-Encoding than remote write 1.0's (415). */
  checkContentHeaders: boolean;
  /** Largest body as sent, in bytes; 0 is no limit. AMP's quota is 1 MB, read here as the smaller of its two meanings. */
  maxRequestBytes: number;
  /** Decide for the whole request by `cluster` and `__replica__` of its first series (202 when not elected). */
  haDeduplication: boolean;
  /** Silence of the elected replica after which another is elected, in milliseconds. */
  haFailoverTimeoutMs: number;
  /** Refuse a whole request (400) that holds a TimeSeries without labels. */
  refuseSeriesWithoutLabels: boolean;
  /** Refuse series (400, partial) without a metric name, or with an invalid or repeated label name. */
  validateLabels: boolean;
  /** Refuse series (400, partial) whose labels are not in order. Off: Cortex sorts them first, and vmagent sends them so. */
  refuseUnsortedLabels: boolean;
  /** Refuse samples (400, partial) that are out of order or repeat a timestamp with another value. */
  enforceOrder: boolean;
  /** How far behind the newest stored sample one may be out of order, in milliseconds; 0 is not at all. */
  outOfOrderWindowMs: number;
  /** Oldest sample accepted, in milliseconds before the sandbox's clock; 0 is no limit. AMP: one hour. */
  maxSampleAgeMs: number;
  /** Furthest future accepted, in milliseconds after the sandbox's clock; 0 is no limit. Cortex: 10 minutes. */
  maxSampleFutureMs: number;
  /** Answer 400 to exemplars; when off they are counted and ignored. AMP does not support them. */
  refuseExemplars: boolean;
  /** Answer 400 (partial) to exemplars that are older than the newest one of their series; refuseExemplars comes first. */
  enforceExemplarOrder: boolean;
  /**
   * Active series of the workspace; 0 is no limit. A sample of a series beyond them gets 429, and those of known series
   * are stored all the same. A series stays active for as long as the sandbox runs.
   */
  maxActiveSeries: number;
  /** Samples a second, all-or-nothing per request (429); 0 is no limit. */
  ingestionRateSamples: number;
  /** Bucket of that limit, in samples; 0 is one second's worth. */
  ingestionBurstSamples: number;
}

const FIVE_MINUTES_MS = 5 * 60_000;

export const AMP_RULES: Readonly<AmpRules> = {
  verifySignatures: true,
  maxClockSkewMs: FIVE_MINUTES_MS,
  checkContentHeaders: true,
  maxRequestBytes: 1_000_000,
  haDeduplication: true,
  haFailoverTimeoutMs: 30_000,
  refuseSeriesWithoutLabels: true,
  validateLabels: true,
  refuseUnsortedLabels: false,
  enforceOrder: true,
  outOfOrderWindowMs: 60_000,
  maxSampleAgeMs: 0,
  maxSampleFutureMs: 0,
  refuseExemplars: false,
  enforceExemplarOrder: false,
  maxActiveSeries: 0,
  ingestionRateSamples: 0,
  ingestionBurstSamples: 0,
};
