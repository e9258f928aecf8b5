/**
 * Why AMP rejected samples, as a metric label. AMP answers in the words of Cortex (pkg/util/validation/errors.go,
 * pkg/ingester) and of the Prometheus TSDB, first error only; the words are matched, never their variable parts.
 */
export const REJECTION_REASONS = [
  'out_of_order',
  'duplicate_timestamp',
  'too_old',
  'too_new',
  'series_limit',
  'invalid_labels',
  'label_limit',
  'exemplar',
  'too_large',
  'other',
] as const;

export type RejectionReason = (typeof REJECTION_REASONS)[number];

/** The first that matches is taken. */
const WORDS: readonly (readonly [pattern: RegExp, reason: RejectionReason])[] = [
  [/exemplar/i, 'exemplar'],
  [/(series|metadata|metric) limit|limit of \d+ (series|metrics)/i, 'series_limit'],
  [/duplicate sample|duplicate timestamp/i, 'duplicate_timestamp'],
  [/out of order sample|out[- ]of[- ]order/i, 'out_of_order'],
  [/too old|out of bounds/i, 'too_old'],
  [/too new|too far in the future/i, 'too_new'],
  [/(label (name|value)|labels) (too long|size)|limit.*label|label.*limit/i, 'label_limit'],
  [/label|metric name|without labels/i, 'invalid_labels'],
];

export function rejectionReason(status: number, message: string): RejectionReason {
  if (status === 413) return 'too_large';
  // What stands behind `series=` or `metric` is the sender's own, and may hold any of these words.
  const said = message.split(/,? ?(?:series=|timestamp=|metric[: ]*["{])/, 1)[0] ?? '';
  return WORDS.find(([pattern]) => pattern.test(said))?.[1] ?? 'other';
}
