/**
 * Every metric of the proxy, as one typed object. The stages count into plain numbers; prom-client reads them when it
 * is scraped, so that counting costs the data path an addition.
 *
 * `prometheus_remote_storage_*` are the names of Prometheus's own remote write, with its labels `remote_name` and
 * `url`, so that its mixin's dashboards and alerts work unchanged. Samples include histograms where the name says
 * nothing else.
 */
import { Registry, type Aggregator } from 'prom-client';
import { collectCounter, collectGauge, type Emit } from './collected.ts';
import { DestinationMetrics } from './counts.ts';
import { makeHistograms, type Histograms } from './histograms.ts';
import {
  REFUSED_CONNECTIONS,
  REJECTIONS,
  RESPONSES,
  TURNED_AWAY,
  UNROUTED,
  WORKER_DIED,
  withZeros,
} from './known-labels.ts';
import { exposeProcess } from './process-metrics.ts';
import type { DestinationReadings, DestinationSettings } from './readings.ts';
import { REFUSAL_REASONS } from '../outcome/outcome.ts';

interface Destination {
  readonly metrics: DestinationMetrics;
  readonly settings: DestinationSettings;
  readonly readings: DestinationReadings;
}

export class Metrics {
  readonly registry: Registry = new Registry();
  /** Requests by route, then by status code. */
  readonly #requests = new Map<string, Map<number, number>>();
  /** Requests that were answered before they were a parcel, by route, status and reason. */
  readonly turnedAway: Map<string, number> = new Map();
  /** Connections that were closed at once, by reason. */
  readonly #refusedConnections = new Map<string, number>();
  #inflight: { readonly usedBytes: number; readonly limitBytes: number } = { usedBytes: 0, limitBytes: 0 };
  readonly #destinations: Destination[] = [];
  readonly #histograms: Histograms;

  constructor(build: { version: string }) {
    this.#histograms = makeHistograms(this.registry);
    exposeProcess(this.registry, build.version);
    this.#serverMetrics();
    this.#mixinMetrics();
    this.#ownMetrics();
  }

  addDestination(name: string, url: string): DestinationMetrics {
    return new DestinationMetrics(name, url, this.#histograms);
  }

  /** Called when the stages of the destination stand. */
  expose(metrics: DestinationMetrics, settings: DestinationSettings, readings: DestinationReadings): void {
    this.#destinations.push({ metrics, settings, readings });
  }

  exposeInflight(budget: { readonly usedBytes: number; readonly limitBytes: number }): void {
    this.#inflight = budget;
  }

  countRequest(route: string, status: number): void {
    let ofRoute = this.#requests.get(route);
    if (ofRoute === undefined) {
      ofRoute = new Map();
      this.#requests.set(route, ofRoute);
    }
    ofRoute.set(status, (ofRoute.get(status) ?? 0) + 1);
  }

  countDenied(route: string, status: number, reason: string): void {
    const key = `${route} ${status} ${reason}`;
    this.turnedAway.set(key, (this.turnedAway.get(key) ?? 0) + 1);
  }

  countRefusedConnection(reason: string): void {
    this.#refusedConnections.set(reason, (this.#refusedConnections.get(reason) ?? 0) + 1);
  }

  #serverMetrics(): void {
    collectCounter(
      this.registry,
      'amp_write_proxy_connections_refused_total',
      'Connections of senders that were closed at once, as there were too many, of all or of their address.',
      ['reason'],
      (emit) => {
        for (const [reason, count] of withZeros(this.#refusedConnections, REFUSED_CONNECTIONS)) emit({ reason }, count);
      },
    );
    collectCounter(this.registry, 'amp_write_proxy_requests_total', 'Requests answered.', ['route', 'code'], (emit) => {
      for (const [route, ofRoute] of this.#requests) {
        for (const [code, count] of ofRoute) emit({ route, code }, count);
      }
    });
    collectCounter(
      this.registry,
      'amp_write_proxy_requests_turned_away_total',
      'Requests answered 4xx or 503 before they were taken in; what is in them is not in the counts of samples.',
      ['route', 'code', 'reason'],
      (emit) => {
        const known = this.#destinations.flatMap(({ metrics }) => TURNED_AWAY.map((why) => `${metrics.name} ${why}`));
        for (const [key, count] of withZeros(this.turnedAway, [...known, ...UNROUTED])) {
          const [route = '', code = '', reason = ''] = key.split(' ');
          emit({ route, code, reason }, count);
        }
      },
    );
    collectGauge(
      this.registry,
      'amp_write_proxy_inflight_bytes',
      'Compressed request bytes held for all senders.',
      [],
      (emit) => {
        emit({}, this.#inflight.usedBytes);
      },
    );
    collectGauge(this.registry, 'amp_write_proxy_inflight_limit_bytes', 'limits.max_inflight_bytes.', [], (emit) => {
      emit({}, this.#inflight.limitBytes);
    });
  }

  #mixinMetrics(): void {
    const counter = (name: string, help: string, read: (d: DestinationMetrics) => number): void =>
      this.#perDestination('counter', `prometheus_remote_storage_${name}`, help, ({ metrics }) => read(metrics));
    const gauge = (
      name: string,
      help: string,
      read: (destination: Destination) => number,
      together: Aggregator = 'sum',
    ): void => this.#perDestination('gauge', `prometheus_remote_storage_${name}`, help, read, together);

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
    gauge('samples_pending', 'Samples received and not yet answered for.', (d) => d.metrics.pendingSamples);
    gauge('histograms_pending', 'Histograms received and not yet answered for.', (d) => d.metrics.pendingHistograms);
    gauge('shards', 'Requests that may be in flight upstream now.', (d) => d.readings.shards());
    gauge('shards_min', 'Least number of shards.', (d) => d.settings.minShards);
    gauge('shards_max', 'Most shards.', (d) => d.settings.maxShards);
    gauge('shards_desired', 'Shards that the load asks for.', (d) => d.readings.shardsDesired());
    gauge('shard_capacity', 'Samples queued for each shard at most.', (d) => d.settings.shardCapacity, 'max');
    gauge(
      'max_samples_per_send',
      'Samples in one upstream request at most.',
      (d) => d.settings.maxSamplesPerSend,
      'max',
    );
    gauge(
      'queue_highest_timestamp_seconds',
      'Newest timestamp received.',
      (d) => seconds(d.metrics.highestTimestampMs),
      'max',
    );
    gauge(
      'queue_highest_sent_timestamp_seconds',
      'Newest timestamp that the upstream acknowledged.',
      (d) => seconds(d.metrics.highestSentTimestampMs),
      'max',
    );
    collectGauge(
      this.registry,
      'prometheus_remote_storage_highest_timestamp_in_seconds',
      'Newest timestamp received for any destination.',
      [],
      (emit) => {
        emit({}, seconds(Math.max(-Infinity, ...this.#destinations.map((d) => d.metrics.highestTimestampMs))));
      },
      'max',
    );
    // No labels: the mixin takes it as the one side of a match that ignores remote_name and url.
    collectCounter(
      this.registry,
      'prometheus_remote_storage_samples_in_total',
      'Samples received from senders.',
      [],
      (emit) => {
        emit(
          {},
          this.#destinations.reduce((sum, { metrics }) => sum + metrics.received, 0),
        );
      },
    );
    // No label `reason`: the mixin subtracts it from a rate that has none.
    counter(
      'samples_dropped_total',
      'Samples that were not sent on because their sender closed its connection first; it sends them again.',
      (d) => d.refused.get('sender_gone') ?? 0,
    );
  }

  #ownMetrics(): void {
    const own = (
      kind: 'counter' | 'gauge',
      name: string,
      help: string,
      read: (d: Destination) => number,
      together: Aggregator = 'sum',
    ): void => this.#perDestination(kind, `amp_write_proxy_${name}`, help, read, together);

    own('counter', 'samples_received_total', 'Samples and histograms received.', (d) => d.metrics.received);
    own('counter', 'samples_delivered_total', 'Samples whose sender was told 2xx.', (d) => d.metrics.delivered);
    own(
      'counter',
      'samples_deduplicated_total',
      'Delivered samples that AMP dropped as another replica has them.',
      (d) => d.metrics.deduplicated,
    );
    own('gauge', 'samples_pending', 'Samples whose sender waits for its answer.', (d) => d.metrics.pending);
    own('gauge', 'queued_samples', 'Samples that wait for a batch.', (d) => d.readings.queuedSamples());
    own('gauge', 'queue_capacity_samples', 'Samples that may wait for a batch.', (d) => d.readings.queueCapacity());
    own(
      'gauge',
      'upstream_down',
      '1 while the upstream answers nothing but failures and senders are refused.',
      (d) => d.readings.upstreamDown(),
      'max',
    );
    own('gauge', 'retry_batches', 'Batches that wait for another attempt.', (d) => d.readings.retryBatches());
    own('gauge', 'retry_samples', 'Samples in batches that wait for another attempt.', (d) =>
      d.readings.retrySamples(),
    );
    own(
      'gauge',
      'senders_isolated',
      'Senders whose requests lately failed while others were delivered, and are batched separately.',
      (d) => d.readings.sendersIsolated(),
    );
    own('gauge', 'merge_keys', 'Merge keys with parcels that wait.', (d) => d.readings.queuedKeys());
    own(
      'counter',
      'batches_taken_apart_total',
      'Batches that went on in smaller ones after a failure.',
      (d) => d.metrics.batchesTakenApart,
    );
    own('counter', 'parcels_cut_total', 'Requests over a limit that were cut.', (d) => d.metrics.cutParcels);
    own(
      'gauge',
      'clock_skew_seconds',
      "How far the upstream's clock is ahead of ours.",
      (d) => d.readings.clockSkewMs() / 1000,
      // It may be ahead or behind, and a worker that has sent nothing knows none: neither max nor min is it.
      'average',
    );
    own(
      'gauge',
      'credentials_valid',
      '1 while there are credentials to sign with.',
      (d) => d.readings.credentialsValid(),
      'min',
    );
    own(
      'gauge',
      'credentials_expiry_timestamp_seconds',
      'When the credentials expire; 0 while unknown or never.',
      (d) => d.metrics.credentials.expirationSeconds,
      'min',
    );
    own(
      'gauge',
      'credentials_refresh_duration_seconds',
      'How long the last refresh took.',
      (d) => d.metrics.credentials.lastDurationSeconds,
      'max',
    );
    collectCounter(
      this.registry,
      'amp_write_proxy_samples_rejected_total',
      'Samples that AMP rejected for good.',
      ['remote_name', 'url', 'code', 'reason'],
      (emit) => {
        for (const { metrics } of this.#destinations) {
          for (const [key, count] of withZeros(metrics.rejectedByReason, REJECTIONS)) {
            const [code = '', reason = ''] = key.split(' ');
            emit({ remote_name: metrics.name, url: metrics.url, code, reason }, count);
          }
        }
      },
    );
    this.#labelled('samples_refused_total', 'Samples whose sender was told 503 and keeps them.', 'reason', (d) =>
      withZeros(d.refused, [...REFUSAL_REASONS, WORKER_DIED]),
    );
    this.#labelled('upstream_responses_total', 'Attempts by status code or failure.', 'code', (d) =>
      withZeros(d.responses, RESPONSES),
    );
    this.#labelled('credentials_refreshes_total', 'Refreshes of the credentials.', 'result', ({ credentials }) =>
      Object.entries({ success: credentials.success, failure: credentials.failure }),
    );
  }

  #labelled(
    name: string,
    help: string,
    label: string,
    read: (metrics: DestinationMetrics) => Iterable<[string | number, number]>,
  ): void {
    collectCounter(this.registry, `amp_write_proxy_${name}`, help, ['remote_name', 'url', label], (emit) => {
      for (const { metrics } of this.#destinations) {
        for (const [value, count] of read(metrics)) {
          emit({ remote_name: metrics.name, url: metrics.url, [label]: value }, count);
        }
      }
    });
  }

  #perDestination(
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    read: (d: Destination) => number,
    together: Aggregator = 'sum',
  ): void {
    const each = (emit: Emit): void => {
      for (const destination of this.#destinations) {
        emit({ remote_name: destination.metrics.name, url: destination.metrics.url }, read(destination));
      }
    };
    if (kind === 'counter') collectCounter(this.registry, name, help, ['remote_name', 'url'], each);
    else collectGauge(this.registry, name, help, ['remote_name', 'url'], each, together);
  }
}

/** Prometheus's own are 0 before the first sample. */
function seconds(timestampMs: number): number {
  return Number.isFinite(timestampMs) ? timestampMs / 1000 : 0;
}
