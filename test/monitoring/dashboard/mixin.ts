/**
 * The expressions of the remote-write dashboard and alerts of Prometheus's own mixin, unchanged but for their white
 * space and `%(prometheusSelector)s`, which is what a user of the mixin fills in:
 * https://github.com/prometheus/prometheus/tree/main/documentation/prometheus-mixin (Apache-2.0).
 *
 * Left out are two panels, "TSDB Current Segment" and "Remote Write Current Segment": they are about the write-ahead
 * log of a Prometheus, and a proxy has none.
 */
const P = 'prometheus_remote_storage';
const S = '{cluster=~"$cluster", instance=~"$instance"}';

export const MIXIN_DASHBOARD: readonly (readonly [panel: string, expression: string])[] = [
  [
    'Highest Timestamp In vs. Highest Timestamp Sent',
    `(${P}_highest_timestamp_in_seconds${S} - ignoring(remote_name, url) group_right(instance) (${P}_queue_highest_sent_timestamp_seconds${S} != 0))`,
  ],
  [
    'Rate[5m]',
    `clamp_min(rate(${P}_highest_timestamp_in_seconds${S}[5m]) - ignoring (remote_name, url) group_right(instance) rate(${P}_queue_highest_sent_timestamp_seconds${S}[5m]), 0)`,
  ],
  [
    'Rate, in vs. succeeded or dropped [5m]',
    `rate(${P}_samples_in_total${S}[5m]) - ignoring(remote_name, url) group_right(instance) (rate(${P}_succeeded_samples_total${S}[5m]) or rate(${P}_samples_total${S}[5m])) - (rate(${P}_dropped_samples_total${S}[5m]) or rate(${P}_samples_dropped_total${S}[5m]))`,
  ],
  ['Current Shards', `${P}_shards${S}`],
  ['Max Shards', `${P}_shards_max${S}`],
  ['Min Shards', `${P}_shards_min${S}`],
  ['Desired Shards', `${P}_shards_desired${S}`],
  ['Shard Capacity', `${P}_shard_capacity${S}`],
  ['Pending Samples', `${P}_pending_samples${S} or ${P}_samples_pending${S}`],
  ['Dropped Samples', `rate(${P}_dropped_samples_total${S}[5m]) or rate(${P}_samples_dropped_total${S}[5m])`],
  ['Failed Samples', `rate(${P}_failed_samples_total${S}[5m]) or rate(${P}_samples_failed_total${S}[5m])`],
  ['Retried Samples', `rate(${P}_retried_samples_total${S}[5m]) or rate(${P}_samples_retried_total${S}[5m])`],
  ['Enqueue Retries', `rate(${P}_enqueue_retries_total${S}[5m])`],
];

const failed = `(rate(${P}_failed_samples_total[5m]) or rate(${P}_samples_failed_total[5m]))`;
const succeeded = `(rate(${P}_succeeded_samples_total[5m]) or rate(${P}_samples_total[5m]))`;

/** Without their thresholds, so that they return what they measure. */
export const MIXIN_ALERTS: readonly (readonly [alert: string, measured: string])[] = [
  ['PrometheusRemoteStorageFailures', `(${failed} / (${failed} + ${succeeded})) * 100`],
  [
    'PrometheusRemoteWriteBehind',
    `(max_over_time(${P}_highest_timestamp_in_seconds[5m]) - ignoring(remote_name, url) group_right max_over_time(${P}_queue_highest_sent_timestamp_seconds[5m]))`,
  ],
  [
    'PrometheusRemoteWriteDesiredShards',
    `(max_over_time(${P}_shards_desired[5m]) - max_over_time(${P}_shards_max[5m]))`,
  ],
];
