/** The questions that an SRE asks first: is data arriving, is any of it lost, how far behind, and why. */
import type { Row, Step } from './panel.ts';

const ANY_IS_RED: readonly Step[] = [
  { color: 'green', value: null },
  { color: 'red', value: 1 },
];

export const GOLDEN: Row = {
  title: 'Is data arriving, is any of it lost, how far behind, and why?',
  panels: [
    {
      kind: 'stat',
      title: 'Arriving',
      description: 'Samples a second that senders hand in. Red: nothing arrives; look at the senders, not at AMP.',
      unit: 'cps',
      width: 4,
      steps: [
        { color: 'red', value: null },
        { color: 'green', value: 0.001 },
      ],
      queries: [['samples', 'sum(rate(amp_write_proxy_samples_received_total{%d}[$__rate_interval]))']],
    },
    {
      kind: 'stat',
      title: 'Acknowledged by AMP',
      description: 'Share of the samples that arrive that AMP has acknowledged. The rest is rejected, or sent again.',
      unit: 'percentunit',
      width: 4,
      max: 1,
      steps: [
        { color: 'red', value: null },
        { color: 'yellow', value: 0.95 },
        { color: 'green', value: 0.999 },
      ],
      queries: [
        [
          'share',
          'sum(rate(amp_write_proxy_samples_delivered_total{%d}[$__rate_interval])) / ' +
            'sum(rate(amp_write_proxy_samples_received_total{%d}[$__rate_interval]))',
        ],
      ],
    },
    {
      kind: 'stat',
      title: 'Lost for good',
      description:
        'In the time shown: samples that AMP rejected, and requests that the proxy denied early with 4xx. Senders drop both.',
      unit: 'short',
      width: 4,
      steps: ANY_IS_RED,
      queries: [
        ['samples', 'sum(increase(amp_write_proxy_samples_rejected_total{%d}[$__range]))'],
        ['requests', 'sum(increase(amp_write_proxy_requests_turned_away_total{%p, code=~"4.."}[$__range]))'],
      ],
    },
    {
      kind: 'stat',
      title: 'Told to send again',
      description:
        'In the time shown: samples whose sender was told 503. It keeps them and sends them again, so they are not lost.',
      unit: 'short',
      width: 4,
      steps: [
        { color: 'green', value: null },
        { color: 'yellow', value: 1 },
      ],
      queries: [['samples', 'sum(increase(amp_write_proxy_samples_refused_total{%d}[$__range]))']],
    },
    {
      kind: 'stat',
      title: 'Behind',
      description:
        'Time from the newest sample that AMP has acknowledged to the newest that was received, at the worst proxy.',
      unit: 's',
      width: 4,
      steps: [
        { color: 'green', value: null },
        { color: 'yellow', value: 30 },
        { color: 'red', value: 120 },
      ],
      queries: [
        [
          'behind',
          'max(clamp_min(time() - (prometheus_remote_storage_queue_highest_sent_timestamp_seconds{%d} > 0), 0) ' +
            'and on (job, instance, remote_name) rate(amp_write_proxy_samples_received_total{%d}[$__rate_interval]) > 0)',
        ],
      ],
    },
    {
      kind: 'stat',
      title: 'AMP',
      description:
        'DOWN: it answers nothing but failures, and all requests except a few probes are refused until it is back.',
      unit: 'none',
      width: 4,
      words: { 0: 'answers', 1: 'DOWN' },
      steps: ANY_IS_RED,
      queries: [['{{remote_name}}', 'max by (remote_name) (amp_write_proxy_upstream_down{%d})']],
    },
    {
      kind: 'timeseries',
      title: 'In and out',
      description:
        'The other three add up to received, except for samples that are pending. When all is well, delivered covers received.',
      unit: 'cps',
      width: 12,
      min: 0,
      queries: [
        ['received', 'sum(rate(amp_write_proxy_samples_received_total{%d}[$__rate_interval]))'],
        ['delivered', 'sum(rate(amp_write_proxy_samples_delivered_total{%d}[$__rate_interval]))'],
        ['rejected', 'sum(rate(amp_write_proxy_samples_rejected_total{%d}[$__rate_interval]))'],
        ['refused', 'sum(rate(amp_write_proxy_samples_refused_total{%d}[$__rate_interval]))'],
      ],
    },
    {
      kind: 'timeseries',
      title: 'Why it is not delivered',
      description:
        'Rejected: AMP said no for good, by its reason. Refused: the sender was told 503 and keeps it, by our reason.',
      unit: 'cps',
      width: 12,
      min: 0,
      stacked: true,
      queries: [
        [
          'rejected {{code}} {{reason}}',
          'sum by (code, reason) (rate(amp_write_proxy_samples_rejected_total{%d}[$__rate_interval]))',
        ],
        ['refused {{reason}}', 'sum by (reason) (rate(amp_write_proxy_samples_refused_total{%d}[$__rate_interval]))'],
      ],
    },
    {
      kind: 'timeseries',
      title: 'Behind, by proxy',
      description:
        'Age of the newest sample that AMP has acknowledged, while senders want to send. It grows by a second each second while nothing passes.',
      unit: 's',
      width: 12,
      min: 0,
      queries: [
        [
          '{{instance}} {{remote_name}}',
          'clamp_min(time() - (prometheus_remote_storage_queue_highest_sent_timestamp_seconds{%d} > 0), 0) ' +
            'and on (job, instance, remote_name) rate(amp_write_proxy_samples_received_total{%d}[$__rate_interval]) > 0',
        ],
      ],
    },
    {
      kind: 'timeseries',
      title: 'How long a sender waits',
      description:
        'Time from the head of a request to its answer, by outcome. A refusal after 25 s means that delivery_timeout was used up.',
      unit: 's',
      width: 12,
      min: 0,
      queries: [
        [
          'p50 {{outcome}}',
          'histogram_quantile(0.5, sum by (le, outcome) (rate(amp_write_proxy_delivery_duration_seconds_bucket{%d}[$__rate_interval])))',
        ],
        [
          'p99 {{outcome}}',
          'histogram_quantile(0.99, sum by (le, outcome) (rate(amp_write_proxy_delivery_duration_seconds_bucket{%d}[$__rate_interval])))',
        ],
      ],
    },
  ],
};
