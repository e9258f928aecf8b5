/**
 * The words of upstreams about data and about quotas, written out from their sources: cortexproject/cortex
 * pkg/ingester/limiter.go, pkg/distributor/distributor.go, pkg/util/validation/errors.go and validate.go,
 * pkg/ha/ha_tracker.go; grafana/mimir pkg/ingester/errors.go and limiter.go, pkg/distributor/validate.go and errors.go;
 * prometheus/prometheus storage/interface.go and model/histogram/generic.go;
 * https://docs.aws.amazon.com/prometheus/latest/userguide/AMP-troubleshooting.html and AMP_quotas.html.
 */
import type { RejectionReason } from '../../src/outcome/rejection-reason.ts';

/** A label value that holds words of everything else. */
export const HOSTILE =
  'ingestion rate limit (1) exceeded; Rate exceeded; per-user series limit of 1 exceeded; ThrottlingException; <html>; out of order sample; exemplar';
const SERIES = `{__name__="up", note="${HOSTILE}"}`;
const ADMIN =
  'please contact administrator to raise it (local limit: 0 global limit: 10000000 actual local limit: 92879)';
const PER_TENANT = 'To adjust the related per-tenant limit, configure -x.y, or contact your service administrator.';
const PUSHED =
  'maxFailure (quorum) on a given error family, rpc error: code = Code(400) desc = addr=10.1.41.23:9095 state=ACTIVE zone=us-east-1a, rpc error: code = Code(400) desc = user=123456789012_ws-EXAMPLE: ';

/** Quotas on data. */
export const SERIES_QUOTAS: readonly string[] = [
  'user=123456789012_ws-EXAMPLE: per-user series limit (local limit: 0 global limit: 3000000 actual local limit: 500000) exceeded',
  `${PUSHED}per-user series limit of 10000000 exceeded, Capacity from 2,000,000 to 10,000,000 is automatically adjusted based on the last 30 min of usage. If throttled above 10,000,000 or in case of incoming surges, please contact administrator to raise it.\n(local limit: 0 global limit: 10000000 actual local limit: 92879)`,
  'per-user series limit of 2000000 exceeded, please contact administrator to raise it',
  'per-metric series limit of 2000000 exceeded, please contact administrator to raise it',
  'per-metric series limit (local limit: 0 global limit: 50000 actual local limit: 5000) exceeded',
  `user=1: per-metric series limit of 5 exceeded for metric ${HOSTILE}, ${ADMIN}`,
  `user=1: per-user nativeHistograms series limit of 5 exceeded, ${ADMIN}`,
  'user=1: per-labelset series limit of 5 exceeded (labelSet: ingestion rate limit, local limit: 5 global limit: 5 actual)',
  `user=1: per-user metric metadata limit of 20000 exceeded, ${ADMIN}`,
  `user=1: per-metric metadata limit of 5 exceeded for metric ${HOSTILE}, ${ADMIN}`,
  `per-user series limit of 150000 exceeded (err-mimir-max-series-per-user). ${PER_TENANT}`,
  `per-metric series limit of 5 exceeded (err-mimir-max-series-per-metric). ${PER_TENANT} This is for series ${SERIES}`,
  `per-user metric metadata limit of 5 exceeded (err-mimir-max-metadata-per-user). ${PER_TENANT}`,
  `per-metric metadata limit of 5 exceeded (err-mimir-max-metadata-per-metric). ${PER_TENANT} This is for series ${SERIES}`,
  `the request has been rejected because the tenant exceeded the active series limit, set to 10. 3 series were rejected from this request of a total of 5 (err-mimir-max-active-series). ${PER_TENANT}`,
];

/** Quotas of samples in a second. */
export const SAMPLE_RATES: readonly string[] = [
  'ingestion rate limit (6666.666666666667) exceeded while adding 499 samples and 0 metadata',
  'ingestion burst size limit (1000000) exceeded while adding 1000001 samples',
  'native histogram ingestion rate limit (10) exceeded while adding 11 native histogram samples',
  'the request has been rejected because the tenant exceeded the ingestion rate limit, set to 500000 items/s with a maximum allowed burst of 1000000. This limit is applied on the total number of samples, exemplars and metadata received across all distributors (err-mimir-tenant-max-ingestion-rate). To adjust the related per-tenant limits, configure -distributor.ingestion-rate-limit and -distributor.ingestion-burst-size, or contact your service administrator.',
];

/** Quotas of requests in a second. */
export const REQUEST_RATES: readonly string[] = [
  '{"message":"Rate exceeded"}',
  'the request has been rejected because the tenant exceeded the request rate limit, set to 10 requests/s across all distributors with a maximum allowed burst of 20 (err-mimir-tenant-max-request-rate). To adjust the related per-tenant limits, configure -distributor.request-rate-limit, or contact your service administrator.',
  '{"__type":"com.amazonaws.aps#ThrottlingException","message":"Slow down, please"}',
  '{"code":"TooManyRequestsException","message":"Slow down, please"}',
];

/** Verdicts on data, as 400, with the reason. */
export const REJECTIONS: readonly (readonly [said: string, reason: RejectionReason])[] = [
  [`user=1: err: out of order sample. timestamp=2026-01-01T00:00:00Z, series=${SERIES}`, 'out_of_order'],
  [
    `the sample has been rejected because another sample with a more recent timestamp has already been ingested and out-of-order samples are not allowed (err-mimir-sample-out-of-order). The affected sample has timestamp 2026-01-01T00:00:00Z and is from series ${SERIES}`,
    'out_of_order',
  ],
  [
    `user=1: err: duplicate sample for timestamp. timestamp=2026-01-01T00:00:00Z, series=${SERIES}`,
    'duplicate_timestamp',
  ],
  [
    `user=1: sample with repeated timestamp but different value; last value: 1, incoming value: 2 for series ${SERIES}`,
    'duplicate_timestamp',
  ],
  [
    `the sample has been rejected because another sample with the same timestamp, but a different value, has already been ingested (err-mimir-sample-duplicate-timestamp). The affected sample has timestamp 2026-01-01T00:00:00Z and is from series ${SERIES}`,
    'duplicate_timestamp',
  ],
  [`user=1: err: too old sample. timestamp=2026-01-01T00:00:00Z, series=${SERIES}`, 'too_old'],
  [`timestamp too old: 1735689600000 metric: "${HOSTILE}"`, 'too_old'],
  [
    `the sample has been rejected because its timestamp is too old (err-mimir-sample-timestamp-too-old). The affected sample has timestamp 2026-01-01T00:00:00Z and is from series ${SERIES}`,
    'too_old',
  ],
  [`received a sample whose timestamp is too far in the past, timestamp: 1 series: '${HOSTILE}'`, 'too_old'],
  [`timestamp too new: 1893456000000 metric: "${HOSTILE}"`, 'too_new'],
  [
    `received a sample whose timestamp is too far in the future, timestamp: 1 series: '${HOSTILE}' (err-mimir-too-far-in-future). ${PER_TENANT}`,
    'too_new',
  ],
  ['too many HA clusters (limit: 500)', 'ha_clusters'],
  ['too many HA replicaGroups (limit: 500)', 'ha_clusters'],
  [
    `the write request has been rejected because the maximum number of high-availability (HA) clusters has been reached for this tenant (limit: 100) (err-mimir-tenant-too-many-ha-clusters). ${PER_TENANT}`,
    'ha_clusters',
  ],
  [`label name too long: "${HOSTILE}" metric "up"`, 'label_limit'],
  [`label value too long for metric: "${HOSTILE}" label value: "x"`, 'label_limit'],
  [`labels size bytes exceeded for metric (actual: 20000, limit: 16384) metric: "${HOSTILE}"`, 'label_limit'],
  [`series has too many labels (actual: 71, limit: 70) series: '${HOSTILE}'`, 'label_limit'],
  [
    `received a series whose label value length exceeds the limit, label: 'a', value: '${HOSTILE}' (truncated) series: 'up' (err-mimir-label-value-too-long). ${PER_TENANT}`,
    'label_limit',
  ],
  [`sample invalid label: "${HOSTILE}" metric "up"`, 'invalid_labels'],
  [`duplicate label name: "${HOSTILE}" metric "up"`, 'invalid_labels'],
  [`labels not sorted: "${HOSTILE}" metric "up"`, 'invalid_labels'],
  ['sample missing metric name', 'invalid_labels'],
  [`sample invalid metric name: "${HOSTILE}"`, 'invalid_labels'],
  [`received a series with invalid metric name: '${HOSTILE}' (err-mimir-metric-name-invalid)`, 'invalid_labels'],
  ['metadata \'HELP\' value too long: "exemplar" metric "up"', 'metadata'],
  ['metadata missing metric name', 'metadata'],
  [
    `received a metric metadata whose metric name length exceeds the limit, metric name: '${HOSTILE}' (err-mimir-metric-name-too-long). ${PER_TENANT}`,
    'metadata',
  ],
  [
    'positive side: spans need 1 buckets, have 2 buckets: histogram spans specify different number of buckets than provided',
    'histogram',
  ],
  ['negative side: span number 2 with offset -1: histogram has a span whose offset is negative', 'histogram'],
  [
    'negative side: bucket number 1 has observation count of -1: histogram has a bucket whose observation count is negative',
    'histogram',
  ],
  [
    "user=1: err: 4 observations found in buckets, but the Count field is 3: histogram's observation count should be at least the number of observations found in the buckets. timestamp=1, series={}",
    'histogram',
  ],
  ['histogram has an invalid schema, which must be between -4 and 8 for exponential buckets', 'histogram'],
  [
    'received a native histogram sample with an invalid schema: 9 (err-mimir-invalid-native-histogram-schema)',
    'histogram',
  ],
  [
    `received a native histogram sample with too many buckets, timestamp: 1 series: ${SERIES}, buckets: 200, limit: 160 (err-mimir-max-native-histogram-buckets)`,
    'histogram',
  ],
  ['histogram custom bounds must be in strictly increasing order', 'histogram'],
  ['custom buckets: must not have negative spans', 'histogram'],
  ['native histograms are disabled', 'histogram'],
  [`user=1: err: exemplars are not supported. series=${SERIES}`, 'exemplar'],
  [`err: out of order exemplar. timestamp=1, series=${SERIES}`, 'exemplar'],
  ['label length for exemplar exceeds maximum of 128 UTF-8 characters', 'exemplar'],
  [`exemplar missing labels, timestamp: 1 series: ${SERIES} labels: {}`, 'exemplar'],
  ...SERIES_QUOTAS.map((said) => [said, 'series_limit'] as const),
  ['the moon is full', 'other'],
  ['', 'other'],
];
