/** What is sent as one body, and how it is counted. */
import type { JoinPart } from '../codec/snappy-join.ts';
import type { DestinationMetrics } from '../metrics/counts.ts';

/** What is sent as one body: a parcel, or a piece of one. */
export interface Shipment extends JoinPart {
  readonly body: Buffer;
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
  readonly metadata: number;
}

/** Samples and histograms. */
export function weightOf(shipments: readonly Shipment[]): number {
  return shipments.reduce((sum, { samples, histograms }) => sum + samples + histograms, 0);
}

/** An attempt goes out with these in `bytes`. */
export function countSent(metrics: DestinationMetrics, shipments: readonly Shipment[], bytes: number): void {
  metrics.sentBytes += bytes;
  for (const shipment of shipments) {
    metrics.sentSamples += shipment.samples;
    metrics.sentHistograms += shipment.histograms;
    metrics.sentExemplars += shipment.exemplars;
    metrics.sentMetadata += shipment.metadata;
  }
}

/** These are sent again. */
export function countRetried(metrics: DestinationMetrics, shipments: readonly Shipment[]): void {
  for (const shipment of shipments) {
    metrics.retriedSamples += shipment.samples;
    metrics.retriedHistograms += shipment.histograms;
  }
}
