/** Prints rows as a table, one line each, with what they fall short of underneath. */
import type { RowFigures } from './verdict.ts';

const COLUMNS: readonly (readonly [head: string, width: number, cell: (figures: RowFigures) => string])[] = [
  ['row', 42, ({ row }) => row],
  ['requests', 9, ({ requests }) => String(requests)],
  ['share', 8, ({ share }) => `${(share * 100).toFixed(1)}%`],
  ['p99 ms', 8, ({ p99Ms }) => String(Math.round(p99Ms))],
  ['incident 503', 12, ({ refusedInIncident }) => String(refusedInIncident)],
  ['slowest ms', 11, ({ slowestInIncidentMs }) => String(Math.round(slowestInIncidentMs))],
  ['mixed', 7, ({ mixedRequests }) => String(mixedRequests)],
  ['poisoned', 9, ({ poisonedRequests }) => String(poisonedRequests)],
  ['MB', 5, ({ peakMb }) => String(peakMb)],
  ['late ms', 8, ({ stalledMs }) => String(Math.round(stalledMs))],
  ['culprit told', 16, ({ culpritTold }) => culpritTold],
];

export function tableHead(): string {
  return COLUMNS.map(([head, width]) => head.padEnd(width))
    .join(' ')
    .trimEnd();
}

export function tableLine(figures: RowFigures): string {
  const line = COLUMNS.map(([, width, cell]) => cell(figures).padEnd(width))
    .join(' ')
    .trimEnd();
  return [line, ...figures.failures.map((failure) => `    FAILED: ${failure}`)].join('\n');
}
