/**
 * Alerts. Each has a chapter of the same name in charts/amp-write-proxy/RUNBOOK.md.
 *
 * critical: nothing arrives, or will be lost when the buffers of the senders are full (Prometheus keeps about two
 * hours). warning: somebody has to act in working hours; a sender that AMP rejects has lost its own samples only.
 */
export interface Alert {
  readonly alert: string;
  readonly severity: 'critical' | 'warning';
  readonly expr: string;
  /** How long the condition must hold; absent for an event that is over when it is seen. */
  readonly for?: string;
  readonly summary: string;
  readonly description: string;
}

const DESTINATION = '{{ $labels.job }}, destination {{ $labels.remote_name }}';
const PROXY = '{{ $labels.instance }} ({{ $labels.job }})';

export const ALERTS: readonly Alert[] = [
  {
    alert: 'AmpWriteProxyRejecting',
    severity: 'warning',
    // Every rejected sample is lost for good, so there is nothing to wait for.
    expr: 'sum by (namespace, job, remote_name, code, reason) (increase(amp_write_proxy_samples_rejected_total{reason!="series_limit"}[15m])) > 0',
    summary: 'AMP rejects samples, and they are lost.',
    description: `${DESTINATION}: AMP rejected {{ $value | humanize }} samples in 15 minutes ({{ $labels.code }} {{ $labels.reason }}).`,
  },
  {
    alert: 'AmpWriteProxySeriesQuota',
    severity: 'warning',
    // This does not pass by itself: every new series is lost until the quota is raised or series end.
    expr: 'sum by (namespace, job, remote_name) (increase(amp_write_proxy_samples_rejected_total{reason="series_limit"}[15m])) > 0',
    summary: "The workspace's quota of active series is used up, and samples of new series are lost.",
    description: `${DESTINATION}: AMP rejected {{ $value | humanize }} samples in 15 minutes because of a quota of active series or metadata.`,
  },
  {
    alert: 'AmpWriteProxyBadRequests',
    severity: 'warning',
    expr: 'sum by (namespace, job, route, code, reason) (increase(amp_write_proxy_requests_turned_away_total{code=~"4.."}[15m])) > 0',
    summary: 'Senders hand in requests that the proxy cannot accept, and drop them.',
    description:
      '{{ $labels.job }}, route {{ $labels.route }}: {{ $value | humanize }} requests in 15 minutes were answered {{ $labels.code }} ({{ $labels.reason }}).',
  },
  {
    alert: 'AmpWriteProxyRefusing',
    severity: 'warning',
    // Senders that leave and pods that end are normal.
    expr: 'sum by (namespace, job, remote_name, reason) (rate(amp_write_proxy_samples_refused_total{reason!~"sender_gone|draining"}[5m])) > 0',
    for: '10m',
    summary: 'Senders are told to send again.',
    description: `${DESTINATION}: {{ $value | humanize }} samples a second are refused with 503 ({{ $labels.reason }}); their senders keep them for now.`,
  },
  {
    alert: 'AmpWriteProxyOverloaded',
    severity: 'warning',
    expr: 'sum by (namespace, job, route, reason) (rate(amp_write_proxy_requests_turned_away_total{code="503", reason!="draining"}[5m])) > 0',
    for: '10m',
    summary: 'The proxy holds as much as it may and refuses requests before it reads them.',
    description:
      '{{ $labels.job }}, route {{ $labels.route }}: {{ $value | humanize }} requests a second are answered 503 ({{ $labels.reason }}); their senders keep them for now.',
  },
  {
    alert: 'AmpWriteProxyConnectionsRefused',
    severity: 'warning',
    // A burst passes by itself; 15 in 5 minutes, for ten minutes, are a sender that leaks connections or a cap too low.
    expr: 'sum by (namespace, job, reason) (rate(amp_write_proxy_connections_refused_total[5m])) > 0.05',
    for: '10m',
    summary: 'Connections of senders are closed at once, as there are too many.',
    description:
      '{{ $labels.job }}: {{ $value | humanize }} connections a second are closed at once ({{ $labels.reason }}); what their senders hold is not sent.',
  },
  {
    alert: 'AmpWriteProxyBehind',
    severity: 'critical',
    expr: 'instance_remote_name:amp_write_proxy_behind:seconds > 120',
    for: '5m',
    summary: 'AMP is more than two minutes behind the senders.',
    description: `${PROXY}, destination {{ $labels.remote_name }}: the newest sample that AMP has is {{ $value | humanizeDuration }} old, while senders want to send. Years mean that nothing was delivered since the start.`,
  },
  {
    alert: 'AmpWriteProxyUpstreamDown',
    severity: 'critical',
    expr: 'sum by (namespace, job, remote_name) (min_over_time(amp_write_proxy_upstream_down[1m])) > 0',
    for: '2m',
    summary: 'AMP answers nothing but failures.',
    description: `${DESTINATION}: {{ $value }} proxies get nothing but failures from AMP and refuse requests.`,
  },
  {
    alert: 'AmpWriteProxyThrottled',
    severity: 'warning',
    expr: 'job_remote_name:amp_write_proxy_throttled:ratio_rate5m > 0.1',
    for: '15m',
    summary: 'AMP throttles: more is sent than the quota of the workspace allows.',
    description: `${DESTINATION}: AMP throttles {{ $value | humanizePercentage }} of the attempts.`,
  },
  {
    alert: 'AmpWriteProxyForbidden',
    severity: 'critical',
    // A single refusal corrects itself: credentials are refreshed and the clock is corrected.
    expr: 'sum by (namespace, job, remote_name, code) (increase(amp_write_proxy_upstream_responses_total{code=~"401|403|unauthorized_.*"}[3m])) > 0',
    for: '5m',
    summary: 'AMP does not accept the identity of the proxy.',
    description: `${DESTINATION}: AMP answered {{ $labels.code }} to {{ $value | humanize }} attempts in 3 minutes.`,
  },
  {
    alert: 'AmpWriteProxyForeignAnswers',
    severity: 'critical',
    expr: 'sum by (namespace, job, remote_name, code) (increase(amp_write_proxy_upstream_responses_total{code=~"foreign_.*"}[3m])) > 0',
    for: '5m',
    summary: 'Something answers in the place of AMP.',
    description: `${DESTINATION}: {{ $value | humanize }} attempts in 3 minutes were answered by a web page instead of AMP ({{ $labels.code }}).`,
  },
  {
    alert: 'AmpWriteProxyCredentialsExpiring',
    severity: 'critical',
    // Credentials are refreshed 5 to 6 minutes ahead.
    expr: '(amp_write_proxy_credentials_expiry_timestamp_seconds > 0) - time() < 240',
    for: '30s',
    summary: 'The AWS credentials are about to expire and could not be refreshed.',
    description: `${PROXY}, destination {{ $labels.remote_name }}: the credentials expire in {{ $value | humanizeDuration }}.`,
  },
  {
    alert: 'AmpWriteProxyNoCredentials',
    severity: 'critical',
    expr: 'amp_write_proxy_credentials_valid == 0',
    for: '2m',
    summary: 'There are no AWS credentials to sign with.',
    description: `${PROXY}, destination {{ $labels.remote_name }}: valid credentials {{ $value }}; nothing can be sent.`,
  },
  {
    alert: 'AmpWriteProxyClockSkew',
    severity: 'warning',
    expr: 'abs(amp_write_proxy_clock_skew_seconds) > 60',
    for: '5m',
    summary: 'The clock of the node is wrong.',
    description: `${PROXY}, destination {{ $labels.remote_name }}: the clock differs from AMP's by {{ $value | humanizeDuration }}.`,
  },
  {
    alert: 'AmpWriteProxyQueueNearCapacity',
    severity: 'warning',
    expr: 'instance_remote_name:amp_write_proxy_queue_filled:ratio > 0.8',
    for: '5m',
    summary: 'The queue is nearly full.',
    description: `${PROXY}, destination {{ $labels.remote_name }}: the queue is filled to {{ $value | humanizePercentage }}.`,
  },
  {
    alert: 'AmpWriteProxyShardsAtMaximum',
    severity: 'warning',
    expr: '(min_over_time(prometheus_remote_storage_shards_desired[2m]) >= prometheus_remote_storage_shards_max) and on (job, instance) amp_write_proxy_build_info',
    for: '10m',
    summary: 'All shards are busy and more are wanted.',
    description: `${PROXY}, destination {{ $labels.remote_name }}: {{ $value }} shards are wanted, which is max_shards or more.`,
  },
  {
    alert: 'AmpWriteProxyRestarting',
    severity: 'warning',
    expr:
      '(changes(process_start_time_seconds[30m]) >= 2 and on (job, instance) amp_write_proxy_build_info)\n' +
      '  or changes(amp_write_proxy_worker_restarts_total[30m]) >= 2',
    summary: 'The proxy, or one of its workers, keeps restarting.',
    description: `${PROXY} was restarted {{ $value }} times in 30 minutes.`,
  },
  {
    alert: 'AmpWriteProxyNoDataReceived',
    severity: 'critical',
    expr: 'sum by (namespace, job) (rate(amp_write_proxy_samples_received_total[5m])) == 0',
    for: '10m',
    summary: 'No sender hands in anything.',
    description: '{{ $labels.job }} receives {{ $value }} samples a second.',
  },
  {
    alert: 'AmpWriteProxyAbsent',
    severity: 'critical',
    expr: 'absent(amp_write_proxy_build_info)',
    for: '10m',
    summary: 'Prometheus finds no proxy to scrape.',
    description: 'Prometheus has had no amp-write-proxy to scrape for 10 minutes (absent: {{ $value }}).',
  },
  {
    alert: 'AmpWriteProxyMemoryNearLimit',
    severity: 'warning',
    expr: 'instance:amp_write_proxy_memory_used:ratio > 0.9 or instance:amp_write_proxy_heap_used:ratio > 0.9',
    for: '10m',
    summary: 'The proxy is close to its memory limit.',
    description: `${PROXY} uses {{ $value | humanizePercentage }} of the memory it may use (of the container, or of the heap).`,
  },
];
