/**
 * The messages between primary and worker, as JSON over the channel of node:cluster.
 *
 *     primary                        worker
 *       start  ->
 *                              <-  listening, or failed and its end
 *       ask    ->              <-  report; and one every second unasked
 *       drain  ->              <-  drained
 *       end    ->                  its end
 *
 * Both ends are of one build: the primary starts the workers from its own files.
 */
import type { Registry } from 'prom-client';
import type { Config } from '../../config/schema.ts';
import type { Readiness } from '../../admin/server.ts';
import type { SenderSource } from '../../admin/status-page/sender-source.ts';
import type { DestinationSnapshot } from '../../metrics/destination-snapshot.ts';

export type ToWorker =
  | {
      readonly kind: 'start';
      /** Counts from 1; the replacement of a worker that died takes over its slot. */
      readonly slot: number;
      readonly version: string;
      /** The configuration with this worker's share of the totals. */
      readonly config: Config;
      /** True if it replaces a worker that died: the others do its work until it can sign. */
      readonly isReplacement: boolean;
    }
  | { readonly kind: 'ask'; readonly id: number }
  | { readonly kind: 'drain' }
  | { readonly kind: 'end' };

export type FromWorker =
  | {
      readonly kind: 'listening';
      readonly listen: string;
      /** Absent without server.query_listen. */
      readonly queryListen?: string | undefined;
      readonly report: WorkerReport;
    }
  | { readonly kind: 'failed'; readonly what: 'cannot start' | 'cannot listen'; readonly error: string }
  | { readonly kind: 'report'; readonly report: WorkerReport }
  | { readonly kind: 'drained'; readonly report: WorkerReport };

export type MetricValues = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number];

export interface WorkerReport {
  /** The number of the last `ask` that this answers; 0 before the first. */
  readonly answers: number;
  /** A replacement does not listen until it can sign. */
  readonly listening: boolean;
  /** The metrics of the process and its server; those of the destinations are in `destinations`. */
  readonly metrics: readonly MetricValues[];
  readonly readiness: Readiness;
  readonly inflightBytes: number;
  /** In the order of the configuration. */
  readonly destinations: readonly DestinationSnapshot[];
  readonly senders: readonly SenderReport[];
}

export interface SenderReport extends Omit<SenderSource, 'isolatedAtMs'> {
  /** The time since then, ms, since every process has a monotonic clock of its own. Undefined for never. */
  readonly isolatedAgoMs: number | undefined;
}
