/**
 * Holds for every alert a case that fires and one that does not, written by hand: series as promtool writes them
 * (https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/), one value per minute. The text of a
 * firing alert is written out, so that a broken template is noticed.
 */
export interface AlertCase {
  readonly alert: string;
  /** When it is looked at, in minutes. */
  readonly atMinutes: number;
  readonly fires: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly says: string;
  readonly silent: Readonly<Record<string, string>>;
}

const PROXY = { instance: 'pod-1', job: 'awp', namespace: 'mon' };
const DESTINATION = { ...PROXY, remote_name: 'default', url: 'https://amp.example/w' };
const GROUP = { job: 'awp', namespace: 'mon', remote_name: 'default' };
const P = 'instance="pod-1", job="awp", namespace="mon"';
const D = `${P}, remote_name="default", url="https://amp.example/w"`;
const BUILD = `amp_write_proxy_build_info{${P}, version="1", node="v26"}`;
const WHERE = 'awp, destination default';
const WHO = 'pod-1 (awp), destination default';

const rejectedFor = (code: string, reason: string): string =>
  `amp_write_proxy_samples_rejected_total{${D}, code="${code}", reason="${reason}"}`;
const rejected = `amp_write_proxy_samples_rejected_total{${D}, code="400", reason="out_of_order"}`;
const refused = (reason: string): string => `amp_write_proxy_samples_refused_total{${D}, reason="${reason}"}`;
const turnedAway = (code: string, reason: string): string =>
  `amp_write_proxy_requests_turned_away_total{${P}, route="default", code="${code}", reason="${reason}"}`;
const refusedConnections = (reason: string): string =>
  `amp_write_proxy_connections_refused_total{${P}, reason="${reason}"}`;
const newest = `prometheus_remote_storage_queue_highest_timestamp_seconds{${D}}`;
const newestSent = `prometheus_remote_storage_queue_highest_sent_timestamp_seconds{${D}}`;
const answers = (code: string): string => `amp_write_proxy_upstream_responses_total{${D}, code="${code}"}`;
const of = (name: string): string => `${name}{${D}}`;

export const ALERT_CASES: readonly AlertCase[] = [
  {
    alert: 'AmpWriteProxyRejecting',
    atMinutes: 16,
    // Once, and never again.
    fires: { [rejected]: '0x9 150x20' },
    labels: { ...GROUP, code: '400', reason: 'out_of_order' },
    says: `${WHERE}: AMP rejected 150 samples in 15 minutes (400 out_of_order).`,
    // Losses to the quota of series have an alert of their own.
    silent: { [rejected]: '900x30', [rejectedFor('429', 'series_limit')]: '0+60x30' },
  },
  {
    alert: 'AmpWriteProxySeriesQuota',
    atMinutes: 16,
    // AMP says it with 429 or with 400.
    fires: { [rejectedFor('429', 'series_limit')]: '0x9 100x20', [rejectedFor('400', 'series_limit')]: '0x9 50x20' },
    labels: GROUP,
    says: `${WHERE}: AMP rejected 150 samples in 15 minutes because of a quota of active series or metadata.`,
    silent: { [rejected]: '0+60x30', [answers('429')]: '0+60x30' },
  },
  {
    alert: 'AmpWriteProxyBadRequests',
    atMinutes: 16,
    fires: { [turnedAway('413', 'body_too_large')]: '0x9 15x20' },
    labels: { job: 'awp', namespace: 'mon', route: 'default', code: '413', reason: 'body_too_large' },
    says: 'awp, route default: 15 requests in 15 minutes were answered 413 (body_too_large).',
    silent: { [turnedAway('413', 'body_too_large')]: '15x30', [turnedAway('503', 'over_inflight_bytes')]: '0+10x30' },
  },
  {
    alert: 'AmpWriteProxyRefusing',
    atMinutes: 20,
    fires: { [refused('queue_full')]: '0+600x30' },
    labels: { ...GROUP, reason: 'queue_full' },
    says: `${WHERE}: 10 samples a second are refused with 503 (queue_full); their senders keep them for now.`,
    // A minute of it, a sender that goes away all the time, and pods that end all the time.
    silent: {
      [refused('queue_full')]: '0x5 600x30',
      [refused('sender_gone')]: '0+600x30',
      [refused('draining')]: '0+600x30',
    },
  },
  {
    alert: 'AmpWriteProxyOverloaded',
    atMinutes: 20,
    fires: { [turnedAway('503', 'over_inflight_bytes')]: '0+120x30' },
    labels: { job: 'awp', namespace: 'mon', route: 'default', reason: 'over_inflight_bytes' },
    says: 'awp, route default: 2 requests a second are answered 503 (over_inflight_bytes); their senders keep them for now.',
    // A rollout.
    silent: { [turnedAway('503', 'draining')]: '0+120x30', [turnedAway('503', 'over_inflight_bytes')]: '0x5 9x30' },
  },
  {
    alert: 'AmpWriteProxyConnectionsRefused',
    atMinutes: 20,
    fires: { [refusedConnections('too_many_of_address')]: '0+12x30' },
    labels: { job: 'awp', namespace: 'mon', reason: 'too_many_of_address' },
    says: 'awp: 200m connections a second are closed at once (too_many_of_address); what their senders hold is not sent.',
    // A burst that is over, and a connection now and then.
    silent: { [refusedConnections('too_many_of_address')]: '0x8 500x30', [refusedConnections('too_many')]: '0+1x30' },
  },
  {
    alert: 'AmpWriteProxyBehind',
    atMinutes: 20,
    // An outage from the third minute on, as it was described: senders go on trying, and the newest timestamp received
    // stands still 5 s ahead of the newest sent, since nothing new is taken.
    fires: {
      [newest]: '5+60x3 185x27',
      [newestSent]: '0+60x3 180x27',
      [of('amp_write_proxy_samples_received_total')]: '0+100x30',
      [BUILD]: '1x30',
    },
    labels: DESTINATION,
    says: `${WHO}: the newest sample that AMP has is 17m 0s old, while senders want to send. Years mean that nothing was delivered since the start.`,
    silent: {
      [newestSent]: '0+60x30',
      [of('amp_write_proxy_samples_received_total')]: '0+100x30',
      [BUILD]: '1x30',
    },
  },
  {
    alert: 'AmpWriteProxyBehind',
    atMinutes: 20,
    fires: {
      [newestSent]: '0x30',
      [of('amp_write_proxy_samples_received_total')]: '0+100x30',
      [BUILD]: '1x30',
    },
    labels: DESTINATION,
    says: `${WHO}: the newest sample that AMP has is 20m 0s old, while senders want to send. Years mean that nothing was delivered since the start.`,
    // Nobody wants to send.
    silent: { [newestSent]: '0x30', [of('amp_write_proxy_samples_received_total')]: '100x30', [BUILD]: '1x30' },
  },
  {
    alert: 'AmpWriteProxyUpstreamDown',
    atMinutes: 6,
    fires: { [of('amp_write_proxy_upstream_down')]: '0 0 1x20' },
    labels: GROUP,
    says: `${WHERE}: 1 proxies get nothing but failures from AMP and refuse requests.`,
    silent: { [of('amp_write_proxy_upstream_down')]: '0 0 1 0x20' },
  },
  {
    alert: 'AmpWriteProxyThrottled',
    atMinutes: 25,
    fires: { [answers('429')]: '0+30x30', [answers('200')]: '0+90x30' },
    labels: GROUP,
    says: `${WHERE}: AMP throttles 25% of the attempts.`,
    // A quota of series is not throttling.
    silent: { [answers('429')]: '0+5x30', [answers('200')]: '0+90x30', [answers('quota_429')]: '0+90x30' },
  },
  {
    alert: 'AmpWriteProxyThrottled',
    atMinutes: 25,
    fires: { [answers('429')]: '0+15x30', [answers('throttled_400')]: '0+15x30', [answers('200')]: '0+90x30' },
    labels: GROUP,
    says: `${WHERE}: AMP throttles 25% of the attempts.`,
    silent: { [answers('throttled_400')]: '0+5x30', [answers('200')]: '0+90x30' },
  },
  {
    alert: 'AmpWriteProxyForbidden',
    atMinutes: 12,
    fires: { [answers('403')]: '0+60x30' },
    labels: { ...GROUP, code: '403' },
    says: `${WHERE}: AMP answered 403 to 180 attempts in 3 minutes.`,
    // A credential that expired, once.
    silent: { [answers('403')]: '0x5 1x30' },
  },
  {
    alert: 'AmpWriteProxyForbidden',
    atMinutes: 12,
    fires: { [answers('unauthorized_400')]: '0+60x30' },
    labels: { ...GROUP, code: 'unauthorized_400' },
    says: `${WHERE}: AMP answered unauthorized_400 to 180 attempts in 3 minutes.`,
    silent: { [answers('400')]: '0+60x30' },
  },
  {
    alert: 'AmpWriteProxyForeignAnswers',
    atMinutes: 12,
    fires: { [answers('foreign_400')]: '0+60x30' },
    labels: { ...GROUP, code: 'foreign_400' },
    says: `${WHERE}: 180 attempts in 3 minutes were answered by a web page instead of AMP (foreign_400).`,
    // One page, and rejections of AMP itself.
    silent: { [answers('foreign_400')]: '0x5 1x30', [answers('400')]: '0+60x30' },
  },
  {
    alert: 'AmpWriteProxyCredentialsExpiring',
    atMinutes: 10,
    fires: { [of('amp_write_proxy_credentials_expiry_timestamp_seconds')]: '720x30' },
    labels: DESTINATION,
    says: `${WHO}: the credentials expire in 2m 0s.`,
    // One that is refreshed in time, and keys that never expire.
    silent: {
      [of('amp_write_proxy_credentials_expiry_timestamp_seconds')]: '900x30',
      [`amp_write_proxy_credentials_expiry_timestamp_seconds{${P}, remote_name="static"}`]: '0x30',
    },
  },
  {
    alert: 'AmpWriteProxyNoCredentials',
    atMinutes: 10,
    fires: { [of('amp_write_proxy_credentials_valid')]: '0x30' },
    labels: DESTINATION,
    says: `${WHO}: valid credentials 0; nothing can be sent.`,
    silent: { [of('amp_write_proxy_credentials_valid')]: '1x8 0 1x30' },
  },
  {
    alert: 'AmpWriteProxyClockSkew',
    atMinutes: 10,
    fires: { [of('amp_write_proxy_clock_skew_seconds')]: '-600x30' },
    labels: DESTINATION,
    says: `${WHO}: the clock differs from AMP's by 10m 0s.`,
    silent: { [of('amp_write_proxy_clock_skew_seconds')]: '30x30' },
  },
  {
    alert: 'AmpWriteProxyQueueNearCapacity',
    atMinutes: 10,
    fires: {
      [of('amp_write_proxy_queued_samples')]: '450x30',
      [of('amp_write_proxy_queue_capacity_samples')]: '500x30',
    },
    labels: DESTINATION,
    says: `${WHO}: the queue is filled to 90%.`,
    silent: {
      [of('amp_write_proxy_queued_samples')]: '350x30',
      [of('amp_write_proxy_queue_capacity_samples')]: '500x30',
    },
  },
  {
    alert: 'AmpWriteProxyShardsAtMaximum',
    atMinutes: 20,
    fires: {
      [of('prometheus_remote_storage_shards_desired')]: '80x30',
      [of('prometheus_remote_storage_shards_max')]: '50x30',
      [BUILD]: '1x30',
    },
    labels: DESTINATION,
    says: `${WHO}: 80 shards are wanted, which is max_shards or more.`,
    silent: {
      [of('prometheus_remote_storage_shards_desired')]:
        '80 80 20 80 80 20 80 80 20 80 80 20 80 80 20 80 80 20 80 80 20',
      [of('prometheus_remote_storage_shards_max')]: '50x30',
      [BUILD]: '1x30',
    },
  },
  {
    alert: 'AmpWriteProxyRestarting',
    atMinutes: 20,
    fires: { [`process_start_time_seconds{${P}}`]: '100x5 400x5 800x20', [BUILD]: '1x30' },
    labels: PROXY,
    says: 'pod-1 (awp) was restarted 2 times in 30 minutes.',
    // Once is an update; and another program of the same Prometheus is not ours.
    silent: {
      [`process_start_time_seconds{${P}}`]: '100x5 400x30',
      'process_start_time_seconds{instance="db", job="db"}': '1+1x30',
      [BUILD]: '1x30',
    },
  },
  {
    alert: 'AmpWriteProxyRestarting',
    atMinutes: 20,
    fires: { [`amp_write_proxy_worker_restarts_total{${P}}`]: '0x5 1x5 2x20', [BUILD]: '1x30' },
    labels: PROXY,
    says: 'pod-1 (awp) was restarted 2 times in 30 minutes.',
    silent: { [`amp_write_proxy_worker_restarts_total{${P}}`]: '0x5 1x30', [BUILD]: '1x30' },
  },
  {
    alert: 'AmpWriteProxyNoDataReceived',
    atMinutes: 20,
    fires: { [of('amp_write_proxy_samples_received_total')]: '500x30' },
    labels: { job: 'awp', namespace: 'mon' },
    says: 'awp receives 0 samples a second.',
    silent: {
      [of('amp_write_proxy_samples_received_total')]: '500x30',
      [`amp_write_proxy_samples_received_total{instance="pod-2", job="awp", namespace="mon"}`]: '0+10x30',
    },
  },
  {
    alert: 'AmpWriteProxyAbsent',
    atMinutes: 20,
    fires: { [BUILD]: '1 1 _x30' },
    labels: {},
    says: 'Prometheus has had no amp-write-proxy to scrape for 10 minutes (absent: 1).',
    silent: { [BUILD]: '1x30' },
  },
  {
    alert: 'AmpWriteProxyMemoryNearLimit',
    atMinutes: 20,
    fires: {
      [`process_resident_memory_bytes{${P}}`]: '950x30',
      [`amp_write_proxy_memory_limit_bytes{${P}}`]: '1000x30',
    },
    labels: PROXY,
    says: 'pod-1 (awp) uses 95% of the memory it may use (of the container, or of the heap).',
    silent: {
      [`process_resident_memory_bytes{${P}}`]: '850x30',
      [`amp_write_proxy_memory_limit_bytes{${P}}`]: '1000x30',
    },
  },
  {
    alert: 'AmpWriteProxyMemoryNearLimit',
    atMinutes: 20,
    fires: { [`nodejs_heap_size_used_bytes{${P}}`]: '960x30', [`amp_write_proxy_heap_limit_bytes{${P}}`]: '1000x30' },
    labels: PROXY,
    says: 'pod-1 (awp) uses 96% of the memory it may use (of the container, or of the heap).',
    silent: { [`nodejs_heap_size_used_bytes{${P}}`]: '500x30', [`amp_write_proxy_heap_limit_bytes{${P}}`]: '1000x30' },
  },
];
