/** The histograms, of each destination. */
import type { Registry } from 'prom-client';
import type { Outcome } from '../outcome/outcome.ts';
import { CountedHistogram, type Observations } from './counted-histogram.ts';

const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 30];

export interface Histograms {
  readonly delivery: CountedHistogram;
  readonly queueWait: CountedHistogram;
  readonly batchParcels: CountedHistogram;
  readonly batchSamples: CountedHistogram;
  readonly sentBatch: CountedHistogram;
}

/** Of one destination. */
export interface DestinationHistograms {
  readonly delivery: Readonly<Record<Outcome['kind'], Observations>>;
  readonly queueWait: Observations;
  readonly batchParcels: Observations;
  readonly batchSamples: Observations;
  readonly sentBatch: Observations;
}

export function histogramsOf(histograms: Histograms, name: string, url: string): DestinationHistograms {
  const labels = { remote_name: name };
  const { delivery } = histograms;
  return {
    delivery: {
      delivered: delivery.with({ ...labels, outcome: 'delivered' }),
      rejected: delivery.with({ ...labels, outcome: 'rejected' }),
      refused: delivery.with({ ...labels, outcome: 'refused' }),
    },
    queueWait: histograms.queueWait.with(labels),
    batchParcels: histograms.batchParcels.with(labels),
    batchSamples: histograms.batchSamples.with(labels),
    sentBatch: histograms.sentBatch.with({ ...labels, url }),
  };
}

export function makeHistograms(registry: Registry): Histograms {
  const make = (name: string, help: string, labelNames: string[], buckets: number[]): CountedHistogram =>
    new CountedHistogram({ name, help, labelNames, buckets, registers: [registry] });
  return {
    delivery: make(
      'amp_write_proxy_delivery_duration_seconds',
      'From the head of a request to its outcome.',
      ['remote_name', 'outcome'],
      LATENCY_BUCKETS,
    ),
    queueWait: make(
      'amp_write_proxy_queue_wait_seconds',
      'How long the first request of a batch waited in the queue.',
      ['remote_name'],
      LATENCY_BUCKETS,
    ),
    batchParcels: make(
      'amp_write_proxy_batch_requests',
      'Requests joined into a batch.',
      ['remote_name'],
      [1, 2, 4, 8, 16, 32, 64, 128],
    ),
    batchSamples: make(
      'amp_write_proxy_batch_samples',
      'Samples and histograms in a batch.',
      ['remote_name'],
      [100, 250, 500, 1000, 2000, 3000, 4000, 5000, 10_000],
    ),
    sentBatch: make(
      'prometheus_remote_storage_sent_batch_duration_seconds',
      'Duration of an attempt upstream.',
      ['remote_name', 'url'],
      LATENCY_BUCKETS,
    ),
  };
}
