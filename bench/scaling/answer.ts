// SCALING.md's answer: what the model says of 10, 100 and 1000 million active series, what changes it, and where the
// limits are.
import { DEFAULT_QUOTAS, SERIES_PER_SAMPLE_PER_SECOND, type WorkspaceQuotas } from './amp-quotas.ts';
import { markdownTable } from '../figures/markdown-table.ts';
import { DEPLOYMENT, mostParcels, plan, WORKLOAD, type Deployment, type Workload, type Workspaces } from './model.ts';
import { isOrdinary, type Fits, type ScalingResults } from './results.ts';
import { count } from '../figures/table.ts';

const MILLION = 1_000_000;
const SIZES = [10 * MILLION, 100 * MILLION, 1000 * MILLION];
const WORKERS: Deployment = { ...DEPLOYMENT, processesPerReplica: 4 };

export function answerTable(results: ScalingResults, fits: Fits): string {
  const plans = SIZES.map((activeSeries) => {
    const workload = { ...WORKLOAD, activeSeries, bytesPerSample: ordinaryBytes(results) };
    return {
      activeSeries,
      single: plan(workload, DEPLOYMENT, fits.planned, fits.memory),
      workers: plan(workload, WORKERS, fits.planned, fits.memory),
    };
  });
  const largest = plan(
    { ...WORKLOAD, activeSeries: Math.max(...SIZES), bytesPerSample: ordinaryBytes(results) },
    { ...DEPLOYMENT, maxSamplesPerSend: 15_000 },
    fits.planned,
    fits.memory,
  );
  const table = markdownTable(
    [
      'active series',
      'samples/s',
      'busy cores',
      'replicas of 1 core',
      'or of 4 workers',
      'MB a replica (of 4)',
      'upstream requests/s',
      'of them open',
      'MB/s each way',
      'AMP workspaces',
      'with raised quotas',
    ],
    plans.map(({ activeSeries, single, workers }) => [
      `${activeSeries / MILLION} M`,
      count(single.samplesPerSecond),
      single.cores.toFixed(1),
      String(single.replicas),
      String(workers.replicas),
      `${single.memoryMbPerReplica.toFixed(0)} (${workers.memoryMbPerReplica.toFixed(0)})`,
      single.upstreamRequestsPerSecond.toFixed(0),
      single.upstreamInFlight.toFixed(0),
      single.megabytesPerSecond.toFixed(0),
      workspaces(single.workspacesByDefault),
      workspaces(single.workspacesRaised),
    ]),
  );
  return [
    table,
    '',
    `The last at \`max_samples_per_send: 15000\`: ${largest.upstreamRequestsPerSecond.toFixed(0)} upstream requests/s, ` +
      `${largest.replicas} replicas of 1 core, and with raised quotas ${workspaces(largest.workspacesRaised)} workspaces.`,
  ].join('\n');
}

type Variation = {
  readonly name: string;
  readonly workload?: Partial<Workload>;
  readonly deployment?: Partial<Deployment>;
};

const VARIATIONS: readonly Variation[] = [
  { name: 'as above' },
  { name: 'scraped every 60 s', workload: { scrapeIntervalSeconds: 60 } },
  { name: 'HA pairs, one cluster for each server', workload: { haPairs: true } },
  { name: '500 samples a request', workload: { samplesPerRequest: 500 } },
  { name: '100 samples a request', workload: { samplesPerRequest: 100 } },
  { name: '5000 samples a request', workload: { samplesPerRequest: 5000 } },
  { name: '`max_samples_per_send` 15000', deployment: { maxSamplesPerSend: 15_000 } },
  { name: 'upstream latency 300 ms', workload: { upstreamLatencySeconds: 0.3 } },
  { name: 'servers of 100,000 series', workload: { seriesPerSender: 100_000 } },
  { name: 'cores 80% busy', deployment: { targetUtilisation: 0.8 } },
  { name: '4 workers a replica', deployment: { processesPerReplica: 4 } },
];

export function variationsTable(results: ScalingResults, fits: Fits): string {
  const base = { ...WORKLOAD, activeSeries: 100 * MILLION, bytesPerSample: ordinaryBytes(results) };
  return markdownTable(
    [
      '100 M active series',
      'samples/s',
      'requests/s',
      'requests a batch',
      'upstream requests/s',
      'busy cores',
      'replicas',
      'shards a process',
      'MB a replica',
      'Mbit/s a replica',
      'AMP workspaces',
    ],
    VARIATIONS.map(({ name, workload, deployment }) => {
      const made = plan({ ...base, ...workload }, { ...DEPLOYMENT, ...deployment }, fits.planned, fits.memory);
      return [
        name,
        count(made.samplesPerSecond),
        made.requestsPerSecond.toFixed(0),
        made.parcelsPerBatch.toFixed(1),
        made.upstreamRequestsPerSecond.toFixed(0),
        made.cores.toFixed(1),
        String(made.replicas),
        `${made.shardsPerProcess.toFixed(1)}${made.shardsPerProcess > MAX_SHARDS ? ` (over \`max_shards\` ${MAX_SHARDS})` : ''}`,
        made.memoryMbPerReplica.toFixed(0),
        made.megabitsPerSecondPerReplica.toFixed(0),
        workspaces(made.workspacesByDefault),
      ];
    }),
  );
}

const NETWORK_GIGABITS = 10;
const MAX_SHARDS = 50;
const MAX_INFLIGHT_BYTES = 256 * 1024 * 1024;

/** Each limit by itself, in active series at the interval of the answer, the lowest first. */
export function limitsTable(results: ScalingResults, fits: Fits): string {
  const bytesPerSample = ordinaryBytes(results);
  const { scrapeIntervalSeconds: interval, samplesPerRequest, upstreamLatencySeconds: latency } = WORKLOAD;
  const parcels = mostParcels(DEPLOYMENT, samplesPerRequest, samplesPerRequest * bytesPerSample);
  const batch = parcels * samplesPerRequest;
  const perSample =
    fits.planned.secondsPerSample +
    fits.planned.secondsPerRequest / samplesPerRequest +
    fits.planned.secondsPerBatch / batch;
  const stay = latency + DEPLOYMENT.batchSendDeadlineSeconds;
  const limits = [
    {
      where: 'one process, one core at 60%',
      rate: (DEPLOYMENT.targetUtilisation - fits.planned.standingCores) / perSample,
      remedy: 'more replicas, or workers',
    },
    {
      where: 'one process, one core at 100%',
      rate: (1 - fits.planned.standingCores) / perSample,
      remedy: 'the sender waits and retries; no loss',
    },
    {
      where: `AMP: ${count(DEFAULT_QUOTAS.samplesPerSecond)} samples/s into a workspace (default)`,
      rate: DEFAULT_QUOTAS.samplesPerSecond,
      remedy: 'have it raised, or another workspace',
    },
    {
      where: `AMP: ${DEFAULT_QUOTAS.activeSeries / MILLION} M active series in a workspace (default)`,
      rate: DEFAULT_QUOTAS.activeSeries / interval,
      remedy: 'have it raised (to 1.5 billion), or another workspace',
    },
    {
      where: `AMP: ${DEFAULT_QUOTAS.requestsPerSecond} requests/s into a workspace, nothing joined`,
      rate: DEFAULT_QUOTAS.requestsPerSecond * samplesPerRequest,
      remedy: 'fewer, fuller replicas for each workspace; larger requests from the senders',
    },
    {
      where: `AMP: ${DEFAULT_QUOTAS.requestsPerSecond} requests/s, joined to ${batch} samples`,
      rate: DEFAULT_QUOTAS.requestsPerSecond * batch,
      remedy: '`max_samples_per_send` 15000 (0.9 MB), or another workspace',
    },
    {
      where: `\`max_shards\` ${MAX_SHARDS} of one process at ${latency * 1000} ms`,
      rate: (MAX_SHARDS * batch) / latency,
      remedy: 'raise it',
    },
    {
      where: '`max_inflight_bytes` 256 MiB of one process',
      rate: MAX_INFLIGHT_BYTES / bytesPerSample / stay,
      remedy: 'refused with 503 before it is read; raise it with the memory limit',
    },
    {
      where: `${NETWORK_GIGABITS} Gbit/s of a node, each way`,
      rate: (NETWORK_GIGABITS * 1e9) / 8 / bytesPerSample,
      remedy: 'replicas on several nodes',
    },
  ].toSorted((a, b) => a.rate - b.rate);
  return [
    markdownTable(
      ['limit', 'samples/s', `active series at ${interval} s`, 'what then'],
      limits.map(({ where, rate, remedy }) => [where, count(rate), seriesText(rate * interval), remedy]),
    ).replace('---: |\n', '--- |\n'),
    '',
    `A workspace's rate quota is its series quota by ${SERIES_PER_SAMPLE_PER_SECOND}, made for a scrape every ` +
      `${SERIES_PER_SAMPLE_PER_SECOND} s: at ${interval} s it binds at ${seriesText(DEFAULT_QUOTAS.samplesPerSecond * interval)} active series.`,
  ].join('\n');
}

function seriesText(series: number): string {
  return `${(series / MILLION).toFixed(0)} M`;
}

const QUOTA_NAMES: Readonly<Record<keyof WorkspaceQuotas, string>> = {
  activeSeries: 'series',
  samplesPerSecond: 'samples/s',
  requestsPerSecond: 'requests/s',
};

function workspaces({ count: number, boundBy }: Workspaces): string {
  return number === 1 ? '1' : `${number} (${QUOTA_NAMES[boundBy]})`;
}

/** Compressed bytes a sample of the base row. */
function ordinaryBytes({ rows }: ScalingResults): number {
  const base = rows.find((row) => row.name === 'base') ?? rows.find((row) => isOrdinary(row));
  if (base === undefined) throw new Error('no row with samples of ordinary size');
  return base.bytesPerSample;
}
