/** Recording rules for dashboards of many clusters and long ranges, by destination and over all proxies. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

/** The rates of the counters of samples, by destination. */
const rates = ['received', 'delivered', 'rejected', 'refused'].map((what) => ({
  record: `job_remote_name:amp_write_proxy_samples_${what}:rate5m`,
  expr: `sum by (namespace, job, remote_name) (rate(amp_write_proxy_samples_${what}_total[5m]))`,
}));

export const RECORDING_RULES: readonly RecordingRule[] = [
  ...rates,
  {
    record: 'job_remote_name:amp_write_proxy_delivered:ratio_rate5m',
    expr:
      'job_remote_name:amp_write_proxy_samples_delivered:rate5m\n' +
      '  / (job_remote_name:amp_write_proxy_samples_received:rate5m > 0)',
  },
  {
    record: 'job_remote_name:amp_write_proxy_throttled:ratio_rate5m',
    expr:
      'sum by (namespace, job, remote_name) (rate(amp_write_proxy_upstream_responses_total{code=~"429|throttled_.*"}[5m]))\n' +
      '  / (sum by (namespace, job, remote_name) (rate(amp_write_proxy_upstream_responses_total[5m])) > 0)',
  },
  {
    record: 'job_remote_name:amp_write_proxy_delivery_duration_seconds:p99_rate5m',
    expr:
      'histogram_quantile(0.99,\n' +
      '  sum by (namespace, job, remote_name, le) (rate(amp_write_proxy_delivery_duration_seconds_bucket[5m])))',
  },
  {
    // The newest timestamp received is no measure: it stands still as well when senders are told to wait. Therefore the
    // time counts, as long as anybody wants to send. Without max_over_time a scrape that failed would interrupt the
    // alert's wait. 0 acknowledged means nothing yet.
    record: 'instance_remote_name:amp_write_proxy_behind:seconds',
    expr:
      'clamp_min(time() - max_over_time(prometheus_remote_storage_queue_highest_sent_timestamp_seconds[5m]), 0)\n' +
      '  and on (job, instance, remote_name) rate(amp_write_proxy_samples_received_total[5m]) > 0\n' +
      '  and on (job, instance) amp_write_proxy_build_info',
  },
  {
    record: 'instance_remote_name:amp_write_proxy_queue_filled:ratio',
    expr: 'amp_write_proxy_queued_samples / amp_write_proxy_queue_capacity_samples',
  },
  {
    record: 'instance:amp_write_proxy_memory_used:ratio',
    expr: 'process_resident_memory_bytes / amp_write_proxy_memory_limit_bytes',
  },
  {
    record: 'instance:amp_write_proxy_heap_used:ratio',
    expr: 'nodejs_heap_size_used_bytes / amp_write_proxy_heap_limit_bytes',
  },
];
