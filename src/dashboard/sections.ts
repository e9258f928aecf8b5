/** The rows below the golden view, in the order of the walk: what each room does, and why it may be the one at fault. */
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
        'What senders were told: 204 delivered, 4xx rejected for good, 503 send it again.',
        ['{{route}} {{code}}', `sum by (route, code) (${rate('amp_write_proxy_requests_total', '%p')})`],
      ),
      width: 12,
      stacked: true,
    },
    {
      ...graph(
        'Turned away at the door',
        'reqps',
        'Requests answered before they were taken in. 4xx: the sender drops what is in it. 503: it sends it again.',
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
      'On average. Few samples a request cost senders and proxy more than AMP: raise max_samples_per_send of the sender.',
      [
        'samples',
        `sum(${rate('amp_write_proxy_samples_received_total', '%p')}) / sum(${rate('amp_write_proxy_requests_total', '%p')})`,
      ],
    ),
    graph(
      'Held for senders',
      'short',
      'Samples whose sender waits for its answer. It is in no other memory: a proxy that dies takes nothing along.',
      ['pending {{remote_name}}', 'sum by (remote_name) (amp_write_proxy_samples_pending{%d})'],
    ),
    graph(
      'Bytes held',
      'bytes',
      'Compressed bodies in the house, and limits.max_inflight_bytes; above it senders are told 503 before they send.',
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
      'Deduplicated by AMP',
      'cps',
      'Samples of replicas that AMP has not elected (202). Well: about half of a pair; none where there are no pairs.',
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
      'Requests that may be in flight to AMP. Wanted above the most for long: raise max_shards, or AMP is slow.',
      ['allowed now', 'sum(prometheus_remote_storage_shards{%d})'],
      ['wanted', 'sum(prometheus_remote_storage_shards_desired{%d})'],
      ['most', 'sum(prometheus_remote_storage_shards_max{%d})'],
    ),
    {
      ...graph(
        'Queue filled',
        'percentunit',
        'Samples that wait for a batch, of capacity x max_shards. Full: senders are told 503 (queue_full).',
        [
          '{{instance}} {{remote_name}}',
          'amp_write_proxy_queued_samples{%d} / amp_write_proxy_queue_capacity_samples{%d}',
        ],
      ),
      max: 1,
    },
    graph(
      'Wait for company',
      's',
      'How long the first parcel of a batch was in the queue: batch_send_deadline at most, unless shards are busy.',
      ['p50', quantile(0.5, 'amp_write_proxy_queue_wait_seconds')],
      ['p99', quantile(0.99, 'amp_write_proxy_queue_wait_seconds')],
    ),
    graph(
      'Parcels in a batch',
      'short',
      "How many senders' requests go to AMP as one: what joining saves.",
      ['mean', mean('amp_write_proxy_batch_parcels')],
      ['p90', quantile(0.9, 'amp_write_proxy_batch_parcels')],
    ),
    graph(
      'Samples in a batch',
      'short',
      'On average, and the most that a batch may have (max_samples_per_send).',
      ['mean', mean('amp_write_proxy_batch_samples')],
      ['most', 'max(prometheus_remote_storage_max_samples_per_send{%d})'],
    ),
    graph(
      'Sent again, and cut',
      'cps',
      'Samples in attempts that repeat an earlier one; and requests over a limit that were cut into pieces.',
      ['samples retried', `sum(${rate('prometheus_remote_storage_samples_retried_total')})`],
      ['requests cut', `sum(${rate('amp_write_proxy_parcels_cut_total')})`],
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
        'One an attempt. 429: over a rate of the workspace. quota_429: over its active series. 403: identity. foreign_: not AMP. Words: no answer came at all.',
        ['{{code}}', `sum by (code) (${rate('amp_write_proxy_upstream_responses_total')})`],
      ),
      width: 12,
      stacked: true,
    },
    {
      ...graph(
        'Rejected samples by reason',
        'cps',
        "By what AMP's message says first. The runbook has what to do about each reason.",
        ['{{code}} {{reason}}', `sum by (code, reason) (${rate('amp_write_proxy_samples_rejected_total')})`],
      ),
      width: 12,
      stacked: true,
    },
    {
      ...graph(
        'Lost to the quota of series',
        'cps',
        "Samples of new series that AMP did not take: the workspace's ACTIVE SERIES quota, or a limit per label set.",
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
        'Share of attempts that AMP answered by asking for less. A quota of series is not among them.',
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
        'From the first byte sent to the last byte of the answer; remote_timeout at most.',
        ['p50', quantile(0.5, 'prometheus_remote_storage_sent_batch_duration_seconds')],
        ['p99', quantile(0.99, 'prometheus_remote_storage_sent_batch_duration_seconds')],
      ),
      width: 6,
    },
    {
      ...graph('Sent to AMP', 'Bps', 'Compressed bytes, attempts that failed included.', [
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
      'Until they expire. A saw: they are refreshed 5 min ahead. No line: keys without an expiry.',
      ['{{instance}} {{remote_name}}', '(amp_write_proxy_credentials_expiry_timestamp_seconds{%d} > 0) - time()'],
    ),
    graph(
      'Refreshes',
      'ops',
      'Of the credentials, by result. A failure is tried again after a second, then less and less often.',
      ['{{result}}', `sum by (result) (${rate('amp_write_proxy_credentials_refreshes_total')})`],
    ),
    graph('Duration of the last refresh', 's', 'What STS took; 10 s at most.', [
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
      description: "How far AMP's clock is ahead of this machine's, where AMP refused a signature for it. Well: 0.",
      queries: [['{{instance}} {{remote_name}}', 'amp_write_proxy_clock_skew_seconds{%d}']],
      width: 8,
    },
    graph('Refused signatures', 'reqps', 'Answers 401 and 403. Well: 0.', [
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
      'Cores in use. A worker (server.workers) does its work on one, so that 1 is nearly all it can take.',
      ['{{instance}}', rate('process_cpu_seconds_total', '%p')],
    ),
    graph(
      'Memory',
      'bytes',
      'Resident, and what the container may use before it is killed.',
      ['{{instance}}', 'process_resident_memory_bytes{%p}'],
      ['limit', 'min(amp_write_proxy_memory_limit_bytes{%p})'],
    ),
    graph(
      'Heap of V8',
      'bytes',
      'Of the fullest process. Bodies are not in it. A heap that only grows is a leak.',
      ['{{instance}}', 'nodejs_heap_size_used_bytes{%p}'],
      ['limit', 'min(amp_write_proxy_heap_limit_bytes{%p})'],
    ),
    graph('Event loop lag', 's', 'How late the loop comes round, 99th percentile. Above 0.1 s: too little CPU.', [
      '{{instance}}',
      'nodejs_eventloop_lag_p99_seconds{%p}',
    ]),
    graph('Garbage collection', 'percentunit', 'Share of the time it takes.', [
      '{{instance}} {{kind}}',
      rate('nodejs_gc_duration_seconds_sum', '%p'),
    ]),
    graph(
      'Open files',
      'short',
      'Sockets for the most part: one a connection of a sender, one a shard.',
      ['{{instance}}', 'process_open_fds{%p}'],
      ['limit', 'min(process_max_fds{%p})'],
    ),
    {
      kind: 'timeseries',
      title: 'Up for',
      unit: 's',
      description: 'Since the process began. A drop is a restart.',
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
