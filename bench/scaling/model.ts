// Computes the needs of a workload: replicas, memory, requests in flight, data rate and AMP workspaces. Pure arithmetic
// on the costs that bench/scaling/main.ts measures; the formulae, in the order in which they are used, are in
// SCALING.md.
import { predictCpuSeconds, type CostCoefficients } from './cost-fit.ts';
import { DEFAULT_QUOTAS, RAISED_QUOTAS, type WorkspaceQuotas } from './amp-quotas.ts';

export type Workload = {
  readonly activeSeries: number;
  readonly scrapeIntervalSeconds: number;
  /** Active series of one Prometheus server; so many servers send. */
  readonly seriesPerSender: number;
  /** Pairs that both send, of which AMP keeps one by `cluster` and `__replica__`. */
  readonly haPairs: boolean;
  readonly samplesPerRequest: number;
  /** Compressed. */
  readonly bytesPerSample: number;
  readonly upstreamLatencySeconds: number;
};

export type Deployment = {
  /**
   * The share of each core in steady state: the rest is for a replica that fails, a restart of all senders, catching
   * up.
   */
  readonly targetUtilisation: number;
  /** `server.workers`: processes of a replica, one core each. */
  readonly processesPerReplica: number;
  readonly leastReplicas: number;
  readonly maxSamplesPerSend: number;
  readonly maxBytesPerSend: number;
  readonly batchSendDeadlineSeconds: number;
};

export type MemoryCoefficients = { readonly baseMb: number; readonly perMbHeld: number };

/** Prometheus 3's own max_samples_per_send; a shard of a busy server fills it well before its 5 s deadline. */
export const PROMETHEUS_SAMPLES_PER_SEND = 2000;

export const WORKLOAD: Omit<Workload, 'activeSeries' | 'bytesPerSample'> = {
  scrapeIntervalSeconds: 15,
  seriesPerSender: 1_000_000,
  haPairs: false,
  samplesPerRequest: PROMETHEUS_SAMPLES_PER_SEND,
  upstreamLatencySeconds: 0.05,
};

/** The proxy's defaults (src/config/schema.ts). */
export const DEPLOYMENT: Deployment = {
  targetUtilisation: 0.6,
  processesPerReplica: 1,
  leastReplicas: 2,
  maxSamplesPerSend: 5000,
  maxBytesPerSend: 1_000_000,
  batchSendDeadlineSeconds: 0.05,
};

export type Plan = {
  readonly senders: number;
  readonly samplesPerSecond: number;
  readonly requestsPerSecond: number;
  readonly mergeKeys: number;
  readonly parcelsPerBatch: number;
  readonly upstreamRequestsPerSecond: number;
  /** Busy on average, without any reserve. */
  readonly cores: number;
  readonly replicas: number;
  /** The utilisation of each process's core. */
  readonly utilisation: number;
  /** Senders' requests open, and requests open upstream, over all replicas. */
  readonly requestsInFlight: number;
  readonly upstreamInFlight: number;
  /** Requests open upstream of one process, which `max_shards` bounds (50). */
  readonly shardsPerProcess: number;
  /** Compressed bytes that one process holds, which `max_inflight_bytes` bounds (256 MiB). */
  readonly heldMbPerProcess: number;
  readonly memoryMbPerReplica: number;
  /** Compressed, each way. */
  readonly megabytesPerSecond: number;
  readonly megabitsPerSecondPerReplica: number;
  readonly workspacesByDefault: Workspaces;
  readonly workspacesRaised: Workspaces;
};

export type Workspaces = {
  readonly count: number;
  /** The quota that asks for so many. */
  readonly boundBy: keyof WorkspaceQuotas;
};

export function plan(
  workload: Workload,
  deployment: Deployment,
  costs: CostCoefficients,
  memory: MemoryCoefficients,
): Plan {
  const copies = workload.haPairs ? 2 : 1;
  const servers = Math.ceil(workload.activeSeries / workload.seriesPerSender);
  const samplesPerSecond = (copies * workload.activeSeries) / workload.scrapeIntervalSeconds;
  const requestsPerSecond = samplesPerSecond / workload.samplesPerRequest;
  // Only senders with both labels of a pair are kept apart from one another.
  const mergeKeys = workload.haPairs ? 2 * servers : 1;

  // Fewer replicas see more requests of each key, join more and so cost less: go round until it settles.
  let replicas = deployment.leastReplicas;
  let joined = join(workload, deployment, requestsPerSecond, mergeKeys, replicas);
  for (let round = 0; round < 50; round += 1) {
    const work = { samples: samplesPerSecond, requests: requestsPerSecond, batches: joined.batchesPerSecond };
    const next = replicasFor(predictCpuSeconds(costs, { ...work, seconds: 0 }), costs, deployment);
    if (next === replicas) break;
    replicas = next;
    joined = join(workload, deployment, requestsPerSecond, mergeKeys, replicas);
  }
  const processes = replicas * deployment.processesPerReplica;
  const cores = predictCpuSeconds(costs, {
    samples: samplesPerSecond,
    requests: requestsPerSecond,
    batches: joined.batchesPerSecond,
    seconds: processes,
  });

  // Little: what is there at a time is what comes in a second, times the seconds that it stays.
  const upstreamInFlight = joined.batchesPerSecond * workload.upstreamLatencySeconds;
  const staySeconds = workload.upstreamLatencySeconds + joined.waitSeconds;
  const bytesPerSecond = samplesPerSecond * workload.bytesPerSample;
  const heldMbPerProcess = (bytesPerSecond * staySeconds) / processes / 1e6;
  const stored = {
    activeSeries: workload.activeSeries,
    samplesPerSecond: samplesPerSecond / copies,
    requestsPerSecond: joined.batchesPerSecond,
  };
  return {
    senders: copies * servers,
    samplesPerSecond,
    requestsPerSecond,
    mergeKeys,
    parcelsPerBatch: joined.parcelsPerBatch,
    upstreamRequestsPerSecond: joined.batchesPerSecond,
    cores,
    replicas,
    utilisation: cores / processes,
    requestsInFlight: requestsPerSecond * staySeconds,
    upstreamInFlight,
    shardsPerProcess: upstreamInFlight / processes,
    heldMbPerProcess,
    memoryMbPerReplica: deployment.processesPerReplica * (memory.baseMb + memory.perMbHeld * heldMbPerProcess),
    megabytesPerSecond: bytesPerSecond / 1e6,
    megabitsPerSecondPerReplica: (8 * bytesPerSecond) / 1e6 / replicas,
    workspacesByDefault: workspacesFor(stored, DEFAULT_QUOTAS),
    workspacesRaised: workspacesFor(stored, RAISED_QUOTAS),
  };
}

/** Parcels that meet in one batch: the first, and those of its key that come to its process while it may wait. */
function join(
  { samplesPerRequest, bytesPerSample }: Workload,
  deployment: Deployment,
  requestsPerSecond: number,
  mergeKeys: number,
  replicas: number,
): { parcelsPerBatch: number; batchesPerSecond: number; waitSeconds: number } {
  const perKey = requestsPerSecond / mergeKeys / (replicas * deployment.processesPerReplica);
  const room = mostParcels(deployment, samplesPerRequest, samplesPerRequest * bytesPerSample);
  if (room < 1) {
    // Cut instead of joined.
    return { parcelsPerBatch: room, batchesPerSecond: requestsPerSecond * Math.ceil(1 / room), waitSeconds: 0 };
  }
  // Assumes that another request is always expected (src/batch/expected-arrivals.ts). If requests are so rare that none
  // is expected, none comes.
  const mayWaitSeconds = deployment.batchSendDeadlineSeconds;
  const wouldCome = 1 + perKey * mayWaitSeconds;
  const parcelsPerBatch = Math.min(room, wouldCome);
  // A batch that fills leaves at once: its first parcel waits for the last, the last for nobody.
  const fillSeconds = Math.min(mayWaitSeconds, (parcelsPerBatch - 1) / perKey);
  return { parcelsPerBatch, batchesPerSecond: requestsPerSecond / parcelsPerBatch, waitSeconds: fillSeconds };
}

/** Whole parcels that fit into a batch; below 1 for a parcel that has to be cut. */
export function mostParcels(
  { maxSamplesPerSend, maxBytesPerSend }: Pick<Deployment, 'maxSamplesPerSend' | 'maxBytesPerSend'>,
  samples: number,
  bytes: number,
): number {
  const fit = Math.min(maxSamplesPerSend / samples, maxBytesPerSend / bytes);
  return fit < 1 ? fit : Math.floor(fit);
}

/** `busySeconds` a second go with the work; each process takes its standing cost on top. */
function replicasFor(
  busySeconds: number,
  { standingCores }: CostCoefficients,
  { targetUtilisation, processesPerReplica, leastReplicas }: Deployment,
): number {
  return Math.max(leastReplicas, Math.ceil(busySeconds / (targetUtilisation - standingCores) / processesPerReplica));
}

/**
 * Compares the data that enters AMP with the quotas of one workspace; returns the quota that needs the most workspaces.
 */
export function workspacesFor(stored: WorkspaceQuotas, quotas: WorkspaceQuotas): Workspaces {
  const needs = [
    { count: whole(stored.activeSeries / quotas.activeSeries), boundBy: 'activeSeries' },
    { count: whole(stored.samplesPerSecond / quotas.samplesPerSecond), boundBy: 'samplesPerSecond' },
    { count: whole(stored.requestsPerSecond / quotas.requestsPerSecond), boundBy: 'requestsPerSecond' },
  ] as const;
  return needs.reduce((most, need) => (need.count > most.count ? need : most));
}

/** Up, but for what only rounding lifts above a whole number. */
function whole(need: number): number {
  return Math.ceil(need - 1e-9);
}
