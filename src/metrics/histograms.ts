/** The histograms, which the rooms observe directly; all else is counted in plain numbers (counts.ts). */
import { Histogram, type Registry } from 'prom-client';
import type { Histograms } from './counts.ts';

const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 30];

export function makeHistograms(registry: Registry): Histograms {
  const make = (name: string, help: string, labelNames: string[], buckets: number[]): Histogram =>
    new Histogram({ name, help, labelNames, buckets, registers: [registry] });
  return {
    delivery: make(
      'amp_write_proxy_delivery_duration_seconds',
      'From the head of a request to its outcome.',
      ['remote_name', 'outcome'],
      LATENCY_BUCKETS,
    ),
    queueWait: make(
      'amp_write_proxy_queue_wait_seconds',
      'How long the first parcel of a batch waited in the queue.',
      ['remote_name'],
      LATENCY_BUCKETS,
    ),
    batchParcels: make(
      'amp_write_proxy_batch_parcels',
      'Parcels joined into a batch.',
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
