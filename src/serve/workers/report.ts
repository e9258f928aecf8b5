/** Makes a worker's report on its pipeline for the primary. */
import type { Pipeline, PipelineView } from '../pipeline.ts';
import type { SenderSource } from '../../admin/status-page/sender-source.ts';
import type { SenderReport, WorkerReport } from './messages.ts';

/** The most addresses in a report; the status page shows the busiest 25. */
const MAX_SENDERS = 5_000;

/** Reads everything at one moment, so that the ledger of samples balances. */
export async function makeReport(
  pipeline: Pipeline,
  own: Pick<WorkerReport, 'answers' | 'listening'>,
  monotonicMs: number,
): Promise<WorkerReport> {
  const { shown } = pipeline;
  const rest = statusOf(shown, monotonicMs);
  // The collectors run before the first wait.
  const metrics = await pipeline.metrics.registry.getMetricsAsJSON();
  return { ...own, metrics, ...rest };
}

function statusOf(
  { readiness, budget, destinations, senders }: PipelineView,
  monotonicMs: number,
): Omit<WorkerReport, 'answers' | 'listening' | 'metrics'> {
  return {
    readiness: readiness(),
    inflightBytes: budget.usedBytes,
    destinations: destinations(),
    senders: [...senders()].slice(0, MAX_SENDERS).map((source) => senderReport(source, monotonicMs)),
  };
}

function senderReport(source: SenderSource, monotonicMs: number): SenderReport {
  const { address, connections, requests, samples, lastStatus, lastRefusal, isolatedAtMs } = source;
  const isolatedAgoMs = isolatedAtMs === -Infinity ? undefined : monotonicMs - isolatedAtMs;
  return { address, connections, requests, samples, lastStatus, lastRefusal, isolatedAgoMs };
}
