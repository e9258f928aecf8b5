/**
 * The reason why AMP rejected samples, as a metric label. AMP answers in the words of Cortex and of the Prometheus
 * TSDB, first error only. The upstream's own words are matched, never the parts that a sender chose.
 */
import { ownWords } from './upstream-text.ts';

export const REJECTION_REASONS = [
  'out_of_order',
  'duplicate_timestamp',
  'too_old',
  'too_new',
  'series_limit',
  'ha_clusters',
  'invalid_labels',
  'label_limit',
  'histogram',
  'metadata',
  'exemplar',
  'too_large',
  'other',
] as const;

export type RejectionReason = (typeof REJECTION_REASONS)[number];

/**
 * The first match wins. Sources: cortexproject/cortex pkg/ingester/limiter.go, pkg/util/validation/errors.go and
 * validate.go, pkg/ha/ha_tracker.go; grafana/mimir pkg/distributor/validate.go and errors.go, pkg/ingester/errors.go;
 * prometheus/prometheus storage/interface.go and model/histogram/generic.go.
 */
const WORDS: readonly (readonly [words: RegExp, reason: RejectionReason])[] = [
  // Cortex pkg/util/http.go; gRPC; Mimir pkg/distributor/push.go.
  [/message larger than max|its message size .{0,40}is larger than the allowed limit/i, 'too_large'],
  [/exemplar/i, 'exemplar'],
  // limiter.go of both; quota.ts lists each wording.
  [
    /(?:series|metadata|metric) limit|limits? per label ?set|limit of \d+ (?:series|metrics)|err-mimir-max-(?:series|metadata|active)/i,
    'series_limit',
  ],
  // Cortex pkg/ha/ha_tracker.go, pkg/distributor/ha_tracker.go; Mimir pkg/distributor/errors.go.
  [/too many HA (?:clusters|replica ?groups)|high-availability \(HA\) clusters/i, 'ha_clusters'],
  // Cortex pkg/util/validation/validate.go; Mimir pkg/distributor/validate.go.
  [/^(?:.*: )?metadata\b|metric metadata/i, 'metadata'],
  // Cortex pkg/ingester/user_state.go, series.go; Prometheus storage/interface.go; Mimir pkg/ingester/errors.go.
  [
    /duplicate sample|duplicate timestamp|repeated timestamp|different value but same timestamp|same timestamp, but a different value/i,
    'duplicate_timestamp',
  ],
  [/too old|out of bounds|too far in the past|beyond the out-of-order time window/i, 'too_old'],
  [/out[- ]of[- ]order/i, 'out_of_order'],
  [/too new|too far in the future/i, 'too_new'],
  // Prometheus model/histogram/generic.go; Cortex and Mimir validation of native histograms.
  [/histogram|custom buckets:/i, 'histogram'],
  // validation/errors.go of both.
  [
    /label (?:name|value) (?:too long|length)|labels size|too many labels|number of labels|limit.*label|label.*limit/i,
    'label_limit',
  ],
  [/label|metric name|without labels/i, 'invalid_labels'],
];

/** @param said the upstream's sentence, without its envelope */
export function rejectionReason(status: number, said: string): RejectionReason {
  if (status === 413) return 'too_large';
  const own = ownWords(said);
  return WORDS.find(([words]) => words.test(own))?.[1] ?? 'other';
}
