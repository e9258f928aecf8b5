// One run: sink, tool and load as processes of their own; warm up, drain, measure, drain. CPU is read before the
// measured load begins and after the tool has delivered all of it, so that who acknowledges early is charged for the rest.
import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadResult } from './messages.ts';
import { cpuSeconds, machineCpuSeconds, peakMemoryMb, resetPeakMemory } from './proc-stat.ts';
import { startRig, type Certificate, type Rig } from './rig.ts';
import type { Row } from './rows.ts';
import type { RunningTool, Tool } from './tool.ts';

export type Timing = { readonly warmUpMs: number; readonly measureMs: number };

export type Run = {
  readonly requests: number;
  readonly samples: number;
  /** Requests without a 2xx, by status; empty in a clean run. */
  readonly failed: Readonly<Record<string, number>>;
  /** False when the tool had not delivered everything that it had acknowledged within the time allowed. */
  readonly delivered: boolean;
  /** The time from the first request to the last delivery. */
  readonly seconds: number;
  readonly samplesPerSecond: number;
  readonly latencyMs: LoadResult['latencyMs'];
  readonly upstreamRequests: number;
  readonly upstreamBytes: number;
  readonly samplesPerUpstreamRequest: number;
  /** The shares of one core each, while the load ran. */
  readonly loadCpuShare: number;
  readonly sinkCpuShare: number;
  /** Cores that the rest of the machine used meanwhile: a measurement wants this near 0. */
  readonly otherCores: number;
  /** The cost of the tool; undefined for the direct run, which has none. */
  readonly tool: ToolCost | undefined;
};

export type ToolCost = {
  readonly cpuSeconds: number;
  readonly samplesPerCpuSecond: number;
  readonly cpuSecondsPerMillion: number;
  readonly peakMemoryMb: number;
  readonly eventLoopP99Ms: number | undefined;
};

/** V8 has compiled most code by then, which a process that runs for weeks must not be charged for. */
export const WARM_UP_MS = 7_000;
const DELIVERED_WITHIN_MS = 30_000;
const POLL_MS = 200;

/** Measures `tool` under a row's load; the load straight to the sink where it is undefined. Throws when nothing gets through. */
export async function measureRun(
  row: Row,
  tool: Tool | undefined,
  bodyFile: string,
  certificate: Certificate | undefined,
  timing: Timing,
  directory: string,
): Promise<Run> {
  const stops: (() => Promise<void>)[] = [];
  const runDirectory = mkdtempSync(path.join(directory, 'run-'));
  try {
    const rig = await startRig(row, tool, bodyFile, certificate, runDirectory, stops);
    return await measure(rig, row, timing);
  } finally {
    for (const stop of stops.toReversed()) await stop();
    rmSync(runDirectory, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function measure(rig: Rig, row: Row, timing: Timing): Promise<Run> {
  const { sink, load, tool } = rig;
  // Flat out and without latency, whatever the row, so that every row measures code that is equally warm.
  const warmUp = await load.ask({ durationMs: timing.warmUpMs }, timing.warmUpMs + 60_000);
  if (warmUp.requests === 0) {
    const statuses = JSON.stringify(warmUp.failed);
    throw new Error(`no request got a 2xx (${statuses}); the tool's last words:\n${tool?.program.output() ?? ''}`);
  }
  const warm = await waitDelivered(tool, row, warmUp.samples);
  if (tool !== undefined) resetPeakMemory(tool.program.pid);
  await tool?.eventLoopP99Ms?.(); // begins the window anew
  const sinkBefore = await sink.ask(tool === undefined ? 0 : row.upstreamLatencyMs);
  const machineBefore = machineCpuSeconds();
  const toolCpu = (): number => (tool === undefined ? 0 : cpuSeconds(tool.program.pid));
  const cpuBefore = toolCpu();
  const startedAt = performance.now();

  const command = { durationMs: timing.measureMs, ratePerSecond: tool === undefined ? undefined : row.ratePerSecond };
  const sent = await load.ask(command, timing.measureMs + 60_000);
  const sinkAtEnd = await sink.ask('snapshot');
  const ownCpu = toolCpu() - cpuBefore + sent.cpuSeconds + sinkAtEnd.cpuSeconds - sinkBefore.cpuSeconds;
  const otherCpu = machineCpuSeconds() - machineBefore - ownCpu;
  const delivered = await waitDelivered(tool, row, warmUp.samples + sent.samples);
  const seconds = tool?.hasDelivered === undefined ? sent.elapsedMs / 1000 : (performance.now() - startedAt) / 1000;
  const cpu = toolCpu() - cpuBefore;
  const sinkAfter = await sink.ask('snapshot');

  const upstreamRequests = sinkAfter.requests - sinkBefore.requests;
  const unsigned = sinkAfter.unsigned + sinkAfter.malformed;
  return {
    requests: sent.requests,
    samples: sent.samples,
    failed: { ...sent.failed, ...(unsigned > 0 ? { 'unsigned or malformed upstream': unsigned } : {}) },
    delivered: warm && delivered,
    seconds,
    samplesPerSecond: sent.samples / seconds,
    latencyMs: sent.latencyMs,
    upstreamRequests,
    upstreamBytes: sinkAfter.bodyBytes - sinkBefore.bodyBytes,
    samplesPerUpstreamRequest: sent.samples / upstreamRequests,
    loadCpuShare: sent.cpuSeconds / (sent.elapsedMs / 1000),
    sinkCpuShare: (sinkAtEnd.cpuSeconds - sinkBefore.cpuSeconds) / (sent.elapsedMs / 1000),
    otherCores: otherCpu / (sent.elapsedMs / 1000),
    tool: tool === undefined ? undefined : await toolCost(tool, cpu, sent.samples),
  };
}

async function toolCost(tool: RunningTool, cpu: number, samples: number): Promise<ToolCost> {
  return {
    cpuSeconds: cpu,
    samplesPerCpuSecond: samples / cpu,
    cpuSecondsPerMillion: (cpu / samples) * 1e6,
    peakMemoryMb: peakMemoryMb(tool.program.pid),
    eventLoopP99Ms: await tool.eventLoopP99Ms?.(),
  };
}

/** At once for a tool whose 2xx means delivered; false when the others do not get there in time. */
async function waitDelivered(tool: RunningTool | undefined, row: Row, samples: number): Promise<boolean> {
  if (tool?.hasDelivered === undefined) return true;
  const deadline = performance.now() + DELIVERED_WITHIN_MS;
  while (!(await tool.hasDelivered(samples, samples / row.samplesPerSeries))) {
    if (performance.now() > deadline || tool.program.exited) return false;
    await sleep(POLL_MS);
  }
  return true;
}
