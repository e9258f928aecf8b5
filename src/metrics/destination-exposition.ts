/**
 * The metrics of all destinations: /metrics as a view of their snapshots (destination-snapshot.ts), which are taken when
 * it is scraped.
 *
 * `prometheus_remote_storage_*` are the names of Prometheus's own remote write, with its labels `remote_name` and
 * `url`, so that its mixin's dashboards and alerts work unchanged. Samples include histograms where the name says
 * nothing else.
 */
import type { Registry } from 'prom-client';
import { REFUSAL_REASONS } from '../outcome/outcome.ts';
import { collectCounter, collectGauge, type Emit } from './collected.ts';
import { CountedHistogram, type Labelled } from './counted-histogram.ts';
import type { DestinationSnapshot } from './destination-snapshot.ts';
import { LATENCY_BOUNDS, PARCEL_BOUNDS, SAMPLE_BOUNDS } from './histogram-bounds.ts';
import { REJECTIONS, RESPONSES, WORKER_DIED } from './known-labels.ts';
import { addTallies, rejectedSamples, type Tally } from './snapshot-fields.ts';

type Read = () => readonly DestinationSnapshot[];
type Labels = Readonly<Record<string, string>>;

/** @param read all of one moment */
export function exposeDestinations(registry: Registry, read: Read): void {
  exposeMixin(registry, read);
  exposeOwn(registry, read);
  exposeLabelled(registry, read);
  exposeHistograms(registry, read);
}

function exposeMixin(registry: Registry, read: Read): void {
  const { counter, gauge } = perDestination(registry, read, 'prometheus_remote_storage');
  counter('samples_total', 'Samples sent to the upstream, attempts included.', (d) => d.sentSamples);
  counter('histograms_total', 'Histograms sent to the upstream, attempts included.', (d) => d.sentHistograms);
  counter('exemplars_total', 'Exemplars sent to the upstream, attempts included.', (d) => d.sentExemplars);
  counter('metadata_total', 'Metadata entries sent to the upstream, attempts included.', (d) => d.sentMetadata);
  counter('samples_failed_total', 'Samples that the upstream rejected for good.', (d) => d.failedSamples);
  counter('histograms_failed_total', 'Histograms that the upstream rejected for good.', (d) => d.failedHistograms);
  counter('samples_retried_total', 'Samples sent again after a failure that may pass.', (d) => d.retriedSamples);
  counter(
    'histograms_retried_total',
    'Histograms sent again after a failure that may pass.',
    (d) => d.retriedHistograms,
  );
  counter('bytes_total', 'Compressed bytes sent to the upstream.', (d) => d.sentBytes);
  counter(
    'enqueue_retries_total',
    'Requests refused as the queue was full; their senders try again.',
    (d) => d.enqueueRetries,
  );
  gauge('samples_pending', 'Samples received and not yet answered for.', (d) => d.pendingSamples);
  gauge('histograms_pending', 'Histograms received and not yet answered for.', (d) => d.pendingHistograms);
  gauge('shards', 'Requests that may be in flight upstream now.', (d) => d.shards);
  gauge('shards_min', 'Least number of shards.', (d) => d.minShards);
  gauge('shards_max', 'Most shards.', (d) => d.maxShards);
  gauge('shards_desired', 'Shards that the load asks for.', (d) => d.shardsDesired);
  gauge('shard_capacity', 'Samples queued for each shard at most.', (d) => d.shardCapacity);
  gauge('max_samples_per_send', 'Samples in one upstream request at most.', (d) => d.maxSamplesPerSend);
  gauge('queue_highest_timestamp_seconds', 'Newest timestamp received.', (d) => d.highestTimestampMs / 1000);
  gauge(
    'queue_highest_sent_timestamp_seconds',
    'Newest timestamp that the upstream acknowledged.',
    (d) => d.highestSentTimestampMs / 1000,
  );
  collectGauge(
    registry,
    'prometheus_remote_storage_highest_timestamp_in_seconds',
    'Newest timestamp received for any destination.',
    [],
    (emit) => emit({}, Math.max(0, ...read().map((d) => d.highestTimestampMs)) / 1000),
  );
  // No labels: the mixin takes it as the one side of a match that ignores remote_name and url.
  collectCounter(registry, 'prometheus_remote_storage_samples_in_total', 'Samples received from senders.', [], (emit) =>
    emit(
      {},
      read().reduce((sum, { received }) => sum + received, 0),
    ),
  );
  // No label `reason`: the mixin subtracts it from a rate that has none.
  counter(
    'samples_dropped_total',
    'Samples that were not sent on because their sender closed its connection first; it sends them again.',
    (d) => d.refused.find(([reason]) => reason === 'sender_gone')?.[1] ?? 0,
  );
}

function exposeOwn(registry: Registry, read: Read): void {
  const { counter, gauge } = perDestination(registry, read, 'amp_write_proxy');
  counter('samples_received_total', 'Samples and histograms received.', (d) => d.received);
  counter('samples_delivered_total', 'Samples whose sender was told 2xx.', (d) => d.delivered);
  counter(
    'samples_deduplicated_total',
    'Delivered samples that AMP dropped as another replica has them.',
    (d) => d.deduplicated,
  );
  gauge('samples_pending', 'Samples whose sender waits for its answer.', (d) => d.pending);
  gauge('queued_samples', 'Samples that wait for a batch.', (d) => d.queuedSamples);
  gauge('queue_capacity_samples', 'Samples that may wait for a batch.', (d) => d.queueCapacity);
  gauge('upstream_down', '1 while the upstream answers nothing but failures and senders are refused.', (d) =>
    d.isDown ? 1 : 0,
  );
  gauge('retry_batches', 'Batches that wait for another attempt.', (d) => d.retryBatches);
  gauge('retry_samples', 'Samples in batches that wait for another attempt.', (d) => d.retrySamples);
  gauge(
    'senders_isolated',
    'Senders whose requests lately failed while others were delivered, and are batched separately.',
    (d) => d.sendersIsolated,
  );
  gauge('merge_keys', 'Merge keys with parcels that wait.', (d) => d.queuedKeys);
  counter(
    'batches_taken_apart_total',
    'Batches that went on in smaller ones after a failure.',
    (d) => d.batchesTakenApart,
  );
  counter('requests_split_total', 'Requests over a limit that were cut.', (d) => d.cutParcels);
  gauge('clock_skew_seconds', "How far the upstream's clock is ahead of ours.", (d) => d.clockSkewMs / 1000);
  gauge('credentials_valid', '1 while there are credentials to sign with.', (d) => (d.credentials.valid ? 1 : 0));
  gauge(
    'credentials_expiry_timestamp_seconds',
    'When the credentials expire; 0 while unknown or never.',
    (d) => d.credentials.expirationSeconds,
  );
  gauge('credentials_refresh_duration_seconds', 'How long the last refresh took.', (d) => d.credentials.refreshSeconds);
}

/** Label values that are known from the start are there with 0 (known-labels.ts). */
function exposeLabelled(registry: Registry, read: Read): void {
  const labelled = (name: string, help: string, label: string, tallyOf: (d: DestinationSnapshot) => Tally): void =>
    collectCounter(registry, `amp_write_proxy_${name}`, help, ['remote_name', 'url', label], (emit) => {
      for (const d of read()) for (const [code, count] of tallyOf(d)) emit({ ...place(d), [label]: code }, count);
    });
  const refusals = zeros([...REFUSAL_REASONS, WORKER_DIED]);
  const responses = zeros(RESPONSES);
  collectCounter(
    registry,
    'amp_write_proxy_samples_rejected_total',
    'Samples that AMP rejected for good.',
    ['remote_name', 'url', 'code', 'reason'],
    (emit) => {
      for (const d of read()) {
        for (const { status, reason, samples } of rejectedSamples.merge(REJECTIONS, d.rejected)) {
          emit({ ...place(d), code: status, reason }, samples);
        }
      }
    },
  );
  labelled('samples_refused_total', 'Samples whose sender was told 503 and keeps them.', 'reason', (d) =>
    addTallies(refusals, d.refused),
  );
  labelled('upstream_responses_total', 'Attempts by status code or failure.', 'code', (d) =>
    addTallies(responses, d.responses),
  );
  labelled('credentials_refreshes_total', 'Refreshes of the credentials.', 'result', ({ credentials }) => [
    ['success', credentials.refreshes],
    ['failure', credentials.failures],
  ]);
}

function exposeHistograms(registry: Registry, read: Read): void {
  const histogram = (
    name: string,
    help: string,
    bounds: number[],
    labelNames: string[],
    labelled: (d: DestinationSnapshot) => Labelled[],
  ): CountedHistogram =>
    new CountedHistogram({ name, help, labelNames, buckets: bounds, registers: [registry] }, () =>
      read().flatMap(labelled),
    );
  histogram(
    'amp_write_proxy_delivery_duration_seconds',
    'From the head of a request to its outcome.',
    LATENCY_BOUNDS,
    ['remote_name', 'outcome'],
    (d) => Object.entries(d.delivery).map(([outcome, observed]) => ({ labels: { ...named(d), outcome }, observed })),
  );
  histogram(
    'amp_write_proxy_queue_wait_seconds',
    'How long the first request of a batch waited in the queue.',
    LATENCY_BOUNDS,
    ['remote_name'],
    (d) => [{ labels: named(d), observed: d.queueWait }],
  );
  histogram('amp_write_proxy_batch_requests', 'Requests joined into a batch.', PARCEL_BOUNDS, ['remote_name'], (d) => [
    { labels: named(d), observed: d.batchParcels },
  ]);
  histogram(
    'amp_write_proxy_batch_samples',
    'Samples and histograms in a batch.',
    SAMPLE_BOUNDS,
    ['remote_name'],
    (d) => [{ labels: named(d), observed: d.batchSamples }],
  );
  histogram(
    'prometheus_remote_storage_sent_batch_duration_seconds',
    'Duration of an attempt upstream.',
    LATENCY_BOUNDS,
    ['remote_name', 'url'],
    (d) => [{ labels: place(d), observed: d.sentBatch }],
  );
}

type Register = (name: string, help: string, value: (d: DestinationSnapshot) => number) => void;

function perDestination(registry: Registry, read: Read, prefix: string): Record<'counter' | 'gauge', Register> {
  const each =
    (value: (d: DestinationSnapshot) => number) =>
    (emit: Emit): void => {
      for (const d of read()) emit(place(d), value(d));
    };
  const labels = ['remote_name', 'url'];
  return {
    counter: (name, help, value) => collectCounter(registry, `${prefix}_${name}`, help, labels, each(value)),
    gauge: (name, help, value) => collectGauge(registry, `${prefix}_${name}`, help, labels, each(value)),
  };
}

function place({ name, url }: DestinationSnapshot): Record<string, string> {
  return { remote_name: name, url };
}

function named({ name }: DestinationSnapshot): Labels {
  return { remote_name: name };
}

function zeros(codes: readonly string[]): Tally {
  return codes.map((code) => [code, 0]);
}
