/** Payloads: the requests, or pieces of one, that an attempt sends as one body, and how they are counted. */
import type { JoinPart } from '../codec/snappy/join.ts';
import type { DestinationMetrics } from '../metrics/counts.ts';

/** A parcel, or a piece of one. */
export interface Payload extends JoinPart {
  readonly body: Buffer;
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
  readonly metadata: number;
}

/** Counts memory that requests hold beside their bodies against `limits.max_inflight_bytes`. */
export interface HeldMemory {
  /** @param bytes negative to release them */
  hold(bytes: number): void;
}

/** Counts samples and histograms. */
export function sampleCountOf(payloads: readonly Payload[]): number {
  return payloads.reduce((sum, { samples, histograms }) => sum + samples + histograms, 0);
}

/** Counts an attempt that sends these in a body of so many bytes. */
export function countSent(metrics: DestinationMetrics, payloads: readonly Payload[], bytes: number): void {
  metrics.sentBytes += bytes;
  for (const payload of payloads) {
    metrics.sentSamples += payload.samples;
    metrics.sentHistograms += payload.histograms;
    metrics.sentExemplars += payload.exemplars;
    metrics.sentMetadata += payload.metadata;
  }
}

/** Counts payloads that will be sent again. */
export function countRetried(metrics: DestinationMetrics, payloads: readonly Payload[]): void {
  for (const payload of payloads) {
    metrics.retriedSamples += payload.samples;
    metrics.retriedHistograms += payload.histograms;
  }
}
