// The table that prints while the bench runs, one line per row and tool; the same columns go into RESULTS.md.
import type { Row } from '../rig/rows.ts';
import { DIRECT, type Figures } from './summary.ts';

type Column = { readonly head: string; readonly width: number; readonly cell: (figures: Figures) => string };

/** The share of a core from which the load or the sink may hold a tool back; the line is then marked. */
export const BUSY_SHARE = 0.85;
/** Cores used by anything but tool, load and sink, from which on a figure is disturbed; the line is then marked. */
const OTHER_CORES = 0.2;

export const COLUMNS: readonly Column[] = [
  { head: 'samples/s', width: 10, cell: ({ samplesPerSecond }) => count(samplesPerSecond) },
  { head: 'samples/CPU s', width: 13, cell: ({ samplesPerCpuSecond }) => count(samplesPerCpuSecond) },
  { head: 'ours is', width: 7, cell: ({ oursRatio }) => number(oursRatio, 2, 'x') },
  { head: 'CPU s/M', width: 7, cell: ({ cpuSecondsPerMillion }) => number(cpuSecondsPerMillion, 2) },
  { head: 'p50 ms', width: 7, cell: ({ p50Ms }) => number(p50Ms, 1) },
  { head: 'p99 ms', width: 7, cell: ({ p99Ms }) => number(p99Ms, 1) },
  { head: 'p99.9 ms', width: 8, cell: ({ p999Ms }) => number(p999Ms, 1) },
  { head: 'upstream req/s', width: 14, cell: ({ upstreamRequestsPerSecond }) => number(upstreamRequestsPerSecond, 0) },
  { head: 'samples each', width: 12, cell: ({ samplesPerUpstreamRequest }) => number(samplesPerUpstreamRequest, 0) },
  { head: 'peak MB', width: 7, cell: ({ peakMemoryMb }) => number(peakMemoryMb, 0) },
  { head: 'loop p99 ms', width: 11, cell: ({ eventLoopP99Ms }) => number(eventLoopP99Ms, 1) },
  { head: 'load, sink CPU', width: 14, cell: (figures) => benchShares(figures) },
];

const ROW_WIDTH = 35;
const TOOL_WIDTH = 29;

export function columnHeads(): string {
  const heads = COLUMNS.map(({ head, width }) => head.padStart(width)).join('  ');
  return `${'row'.padEnd(ROW_WIDTH)} ${'tool'.padEnd(TOOL_WIDTH)} ${heads}`;
}

export function tableLine(row: Row, figures: Figures): string {
  const cells = COLUMNS.map(({ cell, width }) => cell(figures).padStart(width)).join('  ');
  const remarks = remarksOn(figures);
  const end = remarks === '' ? '' : `  ${remarks}`;
  return `${row.name.padEnd(ROW_WIDTH)} ${figures.tool.padEnd(TOOL_WIDTH)} ${cells}${end}`;
}

/**
 * Returns the remarks that a reader needs on a line: failures, an unfinished queue, a busy load or sink; empty if there
 * are none.
 */
export function remarksOn(figures: Figures): string {
  const failed = Object.entries(figures.failed).map(([status, times]) => `${times} x ${status}`);
  return [
    ...(failed.length > 0 ? [`failed: ${failed.join(', ')}`] : []),
    ...(figures.delivered ? [] : ['queue not empty in time: CPU understated']),
    ...(isHeldBack(figures) ? ['load or sink busy'] : []),
    ...(figures.otherCores > OTHER_CORES ? [`${figures.otherCores.toFixed(1)} cores busy with other work`] : []),
  ].join('; ');
}

/** Returns true if the load or the sink was near its own limit. Without a tool between them they are meant to be. */
export function isHeldBack({ tool, loadCpuShare, sinkCpuShare }: Figures): boolean {
  return tool !== DIRECT && Math.max(loadCpuShare, sinkCpuShare) > BUSY_SHARE;
}

function benchShares({ loadCpuShare, sinkCpuShare }: Figures): string {
  return `${number(loadCpuShare * 100, 0)}%, ${number(sinkCpuShare * 100, 0)}%`;
}

/** 1234567 as 1.23M; `-` for NaN. */
export function count(value: number): string {
  if (Number.isNaN(value)) return '-';
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  if (value >= 1e3) return `${(value / 1e3).toFixed(0)}k`;
  return value.toFixed(0);
}

function number(value: number, digits: number, unit = ''): string {
  return Number.isFinite(value) ? `${value.toFixed(digits)}${unit}` : '-';
}
