/**
 * The rows below the golden view, in the order in which a request passes the stages: the work of each stage, and signs
 * that it is at fault.
 */
import type { Panel, Query, Row } from './panel.ts';

const rate = (counter: string, matchers = '%d'): string => `rate(${counter}{${matchers}}[$__rate_interval])`;
const quantile = (q: number, histogram: string, matchers = '%d'): string =>
  `histogram_quantile(${q}, sum by (le) (${rate(`${histogram}_bucket`, matchers)}))`;
const mean = (histogram: string): string => `sum(${rate(`${histogram}_sum`)}) / sum(${rate(`${histogram}_count`)})`;

function graph(title: string, unit: string, description: string, ...queries: readonly Query[]): Panel {
  return { kind: 'timeseries', title, unit, description, queries, width: 8, min: 0 };
}

const SENDERS: Row = {
  title: 'Senders',
  panels: [
    {
      ...graph(
        'Requests by answer',
        'reqps',
        'Answers to senders. 204: delivered; 4xx: rejected for good; 503: send it again.',
        ['{{route}} {{code}}', `sum by (route, code) (${rate('amp_write_proxy_requests_total', '%p')})`],
      ),
      width: 12,
      stacked: true,
    },
    {
      ...graph(
        'Denied early',
        'reqps',
        'Requests that were answered before their contents were accepted or counted. 4xx: the sender drops them. 503: it sends them again.',
        [
          '{{route}} {{code}} {{reason}}',
          `sum by (route, code, reason) (${rate('amp_write_proxy_requests_turned_away_total', '%p')})`,
        ],
      ),
      width: 12,
      stacked: true,
    },
    graph(
      'Samples in a request',
      'short',
      'Average. Small requests cost senders and proxy more per sample: raise max_samples_per_send of the sender.',
      [
        'samples',
        `sum(${rate('amp_write_proxy_samples_received_total', '%p')}) / sum(${rate('amp_write_proxy_requests_total', '%p')})`,
      ],
    ),
    graph(
      'Held for senders',
      'short',
      'Samples whose sender waits for its answer. Their senders keep them until then, so a proxy that dies loses nothing.',
      ['pending {{remote_name}}', 'sum by (remote_name) (amp_write_proxy_samples_pending{%d})'],
    ),
    graph(
      'Bytes held',
      'bytes',
      'Compressed bodies held, and limits.max_inflight_bytes. Above it requests get 503 before their body is read.',
      ['{{instance}}', 'amp_write_proxy_inflight_bytes{%p}'],
      ['limit', 'min(amp_write_proxy_inflight_limit_bytes{%p})'],
    ),
    graph(
      'Isolated senders, retries and merge keys',
      'short',
      'Requests of isolated senders are batched separately for 5 min after their last failure. Retries: batches that wait for another attempt. Merge keys: groups that must not be joined and wait now.',
      ['isolated senders', 'sum(amp_write_proxy_senders_isolated{%d})'],
      ['batches to retry', 'sum(amp_write_proxy_retry_batches{%d})'],
      ['merge keys', 'sum(amp_write_proxy_merge_keys{%d})'],
    ),
    graph(
      'Connections closed at once',
      'cps',
      'too_many_of_address: limits.max_connections_per_address, raise it behind a balancer that hides addresses. too_many: of all senders together.',
      ['{{reason}}', `sum by (reason) (${rate('amp_write_proxy_connections_refused_total', '%p')})`],
    ),
    graph(
      'Deduplicated by AMP',
      'cps',
      'Samples of replicas that AMP has not elected (202). Normal: about half of an HA pair, and none without pairs.',
      ['{{remote_name}}', `sum by (remote_name) (${rate('amp_write_proxy_samples_deduplicated_total')})`],
    ),
  ],
};

const BATCHES: Row = {
  title: 'Batches and shards',
  panels: [
    graph(
      'Shards',
      'short',
      'Requests that may be in flight to AMP. If more are wanted than max_shards for long, raise it, or AMP is slow.',
      ['allowed now', 'sum(prometheus_remote_storage_shards{%d})'],
      ['wanted', 'sum(prometheus_remote_storage_shards_desired{%d})'],
      ['most', 'sum(prometheus_remote_storage_shards_max{%d})'],
    ),
    {
      ...graph(
        'Queue filled',
        'percentunit',
        'Samples that wait for a batch, as a share of capacity x max_shards. When it is full, senders are told 503 (queue_full).',
        [
          '{{instance}} {{remote_name}}',
          'amp_write_proxy_queued_samples{%d} / amp_write_proxy_queue_capacity_samples{%d}',
        ],
      ),
      max: 1,
    },
    graph(
      'Wait in the queue',
      's',
      'How long the first request of a batch waited in the queue: batch_send_deadline at most, unless all shards are busy.',
      ['p50', quantile(0.5, 'amp_write_proxy_queue_wait_seconds')],
      ['p99', quantile(0.99, 'amp_write_proxy_queue_wait_seconds')],
    ),
    graph(
      'Requests in a batch',
      'short',
      "How many senders' requests go to AMP as one. This is what joining saves.",
      ['mean', mean('amp_write_proxy_batch_requests')],
      ['p90', quantile(0.9, 'amp_write_proxy_batch_requests')],
    ),
    graph(
      'Samples in a batch',
      'short',
      'Average, and the most that a batch may have (max_samples_per_send).',
      ['mean', mean('amp_write_proxy_batch_samples')],
      ['most', 'max(prometheus_remote_storage_max_samples_per_send{%d})'],
    ),
    graph(
      'Sent again, and cut',
      'cps',
      'Samples in attempts that repeat an earlier one, and requests over a limit that were cut into pieces.',
      ['samples retried', `sum(${rate('prometheus_remote_storage_samples_retried_total')})`],
      ['requests cut', `sum(${rate('amp_write_proxy_requests_split_total')})`],
    ),
  ],
};

const ANSWERS: Row = {
  title: "AMP's answers",
  panels: [
    {
      ...graph(
        'Answers by status, failures by kind',
        'reqps',
        'One per attempt. 429: over a rate of the workspace. quota_429: over its active series. 403: identity. foreign_: not AMP. Words: no answer came at all.',
        ['{{code}}', `sum by (code) (${rate('amp_write_proxy_upstream_responses_total')})`],
      ),
      width: 12,
      stacked: true,
    },
    {
      ...graph(
        'Rejected samples by reason',
        'cps',
        "By the first reason in AMP's message. The runbook says what to do about each.",
        ['{{code}} {{reason}}', `sum by (code, reason) (${rate('amp_write_proxy_samples_rejected_total')})`],
      ),
      width: 12,
      stacked: true,
    },
    {
      ...graph(
        'Lost to the quota of series',
        'cps',
        "Samples of new series that AMP rejected because of the workspace's ACTIVE SERIES quota or a limit per label set.",
        [
          '{{remote_name}}',
          `sum by (remote_name) (rate(amp_write_proxy_samples_rejected_total{%d, reason="series_limit"}[$__rate_interval]))`,
        ],
      ),
      width: 6,
    },
    {
      ...graph(
        'Throttled',
        'percentunit',
        'Share of attempts that AMP throttled. Answers about a quota of series are not among them.',
        [
          '{{remote_name}}',
          `sum by (remote_name) (rate(amp_write_proxy_upstream_responses_total{%d, code=~"429|throttled_.*"}[$__rate_interval])) / sum by (remote_name) (${rate('amp_write_proxy_upstream_responses_total')})`,
        ],
      ),
      width: 6,
      max: 1,
    },
    {
      ...graph(
        'Duration of an attempt',
        's',
        'Time from the first byte sent to the last byte of the answer; remote_timeout at most.',
        ['p50', quantile(0.5, 'prometheus_remote_storage_sent_batch_duration_seconds')],
        ['p99', quantile(0.99, 'prometheus_remote_storage_sent_batch_duration_seconds')],
      ),
      width: 6,
    },
    {
      ...graph('Sent to AMP', 'Bps', 'Compressed bytes, including failed attempts.', [
        '{{remote_name}}',
        `sum by (remote_name) (${rate('prometheus_remote_storage_bytes_total')})`,
      ]),
      width: 6,
    },
  ],
};

const IDENTITY: Row = {
  title: 'Credentials and clock',
  panels: [
    graph(
      'Credentials left',
      's',
      'Time until they expire. A sawtooth is normal: they are refreshed 5 min ahead. No line: keys without an expiry.',
      ['{{instance}} {{remote_name}}', '(amp_write_proxy_credentials_expiry_timestamp_seconds{%d} > 0) - time()'],
    ),
    graph(
      'Refreshes',
      'ops',
      'Refreshes of the credentials, by result. A failure is retried after a second, then at growing intervals.',
      ['{{result}}', `sum by (result) (${rate('amp_write_proxy_credentials_refreshes_total')})`],
    ),
    graph('Duration of the last refresh', 's', 'How long STS took; 10 s at most.', [
      '{{instance}} {{remote_name}}',
      'amp_write_proxy_credentials_refresh_duration_seconds{%d}',
    ]),
    {
      ...graph('Can sign', 'bool_yes_no', 'Whether there are valid credentials. No: nothing can be sent.', [
        '{{instance}} {{remote_name}}',
        'amp_write_proxy_credentials_valid{%d}',
      ]),
      max: 1,
    },
    {
      kind: 'timeseries',
      title: 'Clock skew',
      unit: 's',
      description:
        "How far AMP's clock is ahead of this machine's, after AMP refused a signature because of it. Normal: 0.",
      queries: [['{{instance}} {{remote_name}}', 'amp_write_proxy_clock_skew_seconds{%d}']],
      width: 8,
    },
    graph('Refused signatures', 'reqps', 'Answers 401 and 403. Normal: 0.', [
      '{{code}}',
      'sum by (code) (rate(amp_write_proxy_upstream_responses_total{%d, code=~"401|403"}[$__rate_interval]))',
    ]),
  ],
};

const PROCESS: Row = {
  title: 'Process',
  panels: [
    graph(
      'CPU',
      'short',
      'Cores in use. A worker (server.workers) does its work on one, so it can use little more than 1.',
      ['{{instance}}', rate('process_cpu_seconds_total', '%p')],
    ),
    graph(
      'Memory',
      'bytes',
      'Resident memory, and the limit at which the container is killed.',
      ['{{instance}}', 'process_resident_memory_bytes{%p}'],
      ['limit', 'min(amp_write_proxy_memory_limit_bytes{%p})'],
    ),
    graph(
      'Heap of V8',
      'bytes',
      'Heap of the process that uses most. Bodies are not in it. A heap that only grows is a leak.',
      ['{{instance}}', 'nodejs_heap_size_used_bytes{%p}'],
      ['limit', 'min(amp_write_proxy_heap_limit_bytes{%p})'],
    ),
    graph('Event loop lag', 's', 'Delay of the event loop, 99th percentile. Above 0.1 s: too little CPU.', [
      '{{instance}}',
      'nodejs_eventloop_lag_p99_seconds{%p}',
    ]),
    graph('Garbage collection', 'percentunit', 'Share of time that it takes.', [
      '{{instance}} {{kind}}',
      rate('nodejs_gc_duration_seconds_sum', '%p'),
    ]),
    graph(
      'Open files',
      'short',
      'Mostly sockets: one per connection of a sender, one per shard.',
      ['{{instance}}', 'process_open_fds{%p}'],
      ['limit', 'min(process_max_fds{%p})'],
    ),
    {
      kind: 'timeseries',
      title: 'Up for',
      unit: 's',
      description: 'Time since the process started. A drop is a restart.',
      queries: [['{{instance}}', 'time() - process_start_time_seconds{%p}']],
      width: 8,
      min: 0,
    },
    graph(
      'Workers',
      'short',
      'Processes that take requests (server.workers), and those that were started in place of one that ended.',
      ['{{instance}}', 'amp_write_proxy_workers{%p}'],
      ['{{instance}} replaced', 'increase(amp_write_proxy_worker_restarts_total{%p}[$__rate_interval])'],
    ),
    {
      kind: 'table',
      title: 'Builds',
      unit: 'none',
      description: 'Which version runs where.',
      queries: [['', 'max by (job, instance, version, node) (amp_write_proxy_build_info{%p})']],
      width: 8,
    },
  ],
};

export const SECTIONS: readonly Row[] = [SENDERS, BATCHES, ANSWERS, IDENTITY, PROCESS];
