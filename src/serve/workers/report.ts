/** What a worker tells the primary of its pipeline. */
import type { Pipeline, PipelineView } from '../pipeline.ts';
import type { DestinationSource, SenderSource } from '../../admin/status-page/source.ts';
import type { DestinationReport, SenderReport, WorkerReport } from './messages.ts';

/** Addresses told of; the status page shows the busiest 25. */
const MAX_SENDERS = 5_000;

/** All of one moment, so that the ledger of samples is balanced in it. */
export async function makeReport(
  pipeline: Pipeline,
  own: Pick<WorkerReport, 'answers' | 'listening'>,
  monotonicMs: number,
): Promise<WorkerReport> {
  const { shown } = pipeline;
  const rest = statusOf(shown, monotonicMs);
  // Its collectors run before it first waits.
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
    destinations: destinations.map(destinationReport),
    senders: [...senders()].slice(0, MAX_SENDERS).map((source) => senderReport(source, monotonicMs)),
  };
}

function destinationReport(source: DestinationSource): DestinationReport {
  const { metrics, credentials, problems } = source;
  const { received, delivered, deduplicated, pending, batches, batchedParcels } = metrics;
  const { expirationSeconds, success, failure } = metrics.credentials;
  return {
    counts: {
      received,
      delivered,
      deduplicated,
      pending,
      batches,
      batchedParcels,
      rejected: [...metrics.rejected],
      rejectedByReason: [...metrics.rejectedByReason],
      refused: [...metrics.refused],
      responses: [...metrics.responses],
      credentials: { expirationSeconds, success, failure },
    },
    hasCredentials: credentials.tryCurrent() !== undefined,
    credentialsError: credentials.lastError,
    failing: problems.failing,
    problems: problems.list(metrics.name),
    maxShards: source.maxShards,
    queueCapacity: source.queueCapacity,
    shards: source.shards(),
    shardsBusy: source.shardsBusy(),
    queuedSamples: source.queuedSamples(),
    isDown: source.isDown(),
    sendersIsolated: source.sendersIsolated(),
    clockSkewMs: source.clockSkewMs(),
  };
}

function senderReport(source: SenderSource, monotonicMs: number): SenderReport {
  const { address, connections, requests, samples, lastStatus, lastRefusal, isolatedAtMs } = source;
  const isolatedAgoMs = isolatedAtMs === -Infinity ? undefined : monotonicMs - isolatedAtMs;
  return { address, connections, requests, samples, lastStatus, lastRefusal, isolatedAgoMs };
}
