import { expect, test } from 'vitest';
import type { Run } from '../../../bench/rig/measure.ts';
import { parseStat } from '../../../bench/rig/proc-stat.ts';
import { renderResults, type Results } from '../../../bench/throughput/report.ts';
import { ROWS, selectRows } from '../../../bench/rig/rows.ts';
import { DIRECT, median, summarise } from '../../../bench/figures/summary.ts';
import { renderPlot } from '../../../bench/figures/svg.ts';
import { columnHeads, tableLine } from '../../../bench/figures/table.ts';
import { sumMetric } from '../../../bench/rig/tool.ts';

function run(samplesPerCpuSecond: number | undefined, changes: Partial<Run> = {}): Run {
  return {
    requests: 1000,
    samples: 500_000,
    failed: {},
    delivered: true,
    seconds: 2,
    samplesPerSecond: 250_000,
    latencyMs: { p50: 1.5, p99: 12, p999: 40 },
    upstreamRequests: 100,
    upstreamBytes: 1e6,
    samplesPerUpstreamRequest: 5000,
    loadCpuShare: 0.2,
    sinkCpuShare: 0.1,
    otherCores: 0.01,
    tool:
      samplesPerCpuSecond === undefined
        ? undefined
        : {
            cpuSeconds: 500_000 / samplesPerCpuSecond,
            samplesPerCpuSecond,
            cpuSecondsPerMillion: 1e6 / samplesPerCpuSecond,
            peakMemoryMb: 100,
            eventLoopP99Ms: undefined,
          },
    ...changes,
  };
}

const CORE = selectRows(true, undefined);

const RESULTS: Results = {
  machine: { cpu: 'a CPU', cores: 2, memoryGb: 8, kernel: 'Linux', node: 'v26', date: '2026-01-02' },
  command: 'npm run bench',
  timing: { warmUpMs: 2500, measureMs: 4000 },
  repetitions: 3,
  missing: ['aws-sigv4-proxy'],
  tools: [{ name: 'vmagent', note: 'its settings' }],
  rows: CORE.map((row) =>
    summarise(
      row,
      new Map([
        [DIRECT, [run(undefined, { loadCpuShare: 0.99 })]],
        ['amp-write-proxy', [run(1_000_000), run(3_000_000), run(2_000_000)]],
        [
          'vmagent',
          [
            run(500_000, { failed: { '503': 2 }, sinkCpuShare: 0.95 }),
            run(500_000, { delivered: false, sinkCpuShare: 0.95 }),
          ],
        ],
        ['broken', []],
      ]),
    ),
  ),
};

test('a row is summed up by medians, with the ratio of samples per CPU second', () => {
  const [, ours, vmagent] = RESULTS.rows[0]?.tools ?? [];
  expect(ours?.samplesPerCpuSecond).toBe(2_000_000);
  expect(vmagent?.oursRatio).toBe(4);
  expect(vmagent?.failed).toEqual({ '503': 2 });
  expect(RESULTS.rows[0]?.tools.map(({ tool }) => tool)).not.toContain('broken');
});

test('the median is the middle value, the mean of the middle two, and NaN with a NaN', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([1, Number.NaN])).toBeNaN();
});

test('RESULTS.md names the machine, the command, every row, what failed and what held back', () => {
  const text = renderResults(RESULTS);
  expect(text).toContain('Made by `npm run bench` on 2026-01-02: a CPU, 2 cores');
  expect(text).toContain('not measured: aws-sigv4-proxy');
  for (const row of CORE) expect(text).toContain(`### ${row.name}\n`);
  expect(text).toContain('failed: 2 x 503; queue not empty in time');
  expect(text).toContain('Marked here: vmagent in "100"');
  expect(text).not.toMatch(/NaN|undefined|Infinity/);
});

test('a line of the table has a cell under each head and no NaN', () => {
  const [direct] = RESULTS.rows[0]?.tools ?? [];
  const [row] = CORE;
  if (direct === undefined || row === undefined) throw new Error('no core row');
  expect(tableLine(row, direct)).toHaveLength(columnHeads().length);
  expect(tableLine(row, direct)).not.toContain('NaN');
});

test('the plot leaves out what only forwards, and would set the scale', () => {
  const [first] = RESULTS.rows[0]?.tools.filter(({ samplesPerCpuSecond }) => samplesPerCpuSecond > 0) ?? [];
  const name = first?.tool ?? '';
  expect(renderPlot(RESULTS.rows)).toContain(`>${name}<`);
  expect(renderPlot(RESULTS.rows, [name])).not.toContain(`>${name}<`);
});

test('the plot is whole SVG with bars for each tool and size and without NaN', () => {
  const svg = renderPlot(RESULTS.rows);
  expect(svg.match(/<circle/g)).toHaveLength(6);
  expect(svg).toContain('prefers-color-scheme: dark');
  expect(svg.match(/<(rect|circle|line)\b/g)?.length).toBe(svg.match(/\/>/g)?.length);
  expect(svg.match(/<text/g)?.length).toBe(svg.match(/<\/text>/g)?.length);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  expect(renderPlot([])).toContain('</svg>');
});

test('--quick takes the core rows and --rows filters by name', () => {
  expect(CORE.map(({ samplesPerRequest }) => samplesPerRequest)).toEqual([100, 500, 2000]);
  expect(selectRows(false, 'TLS').every(({ upstreamTls }) => upstreamTls)).toBe(true);
  expect(() => selectRows(true, 'TLS')).toThrow('--rows "TLS" is in the name of no row; give a part of one of "100"');
  expect(new Set(ROWS.map(({ name }) => name)).size).toBe(ROWS.length);
});

test('/proc/PID/stat is read whatever the command is called', () => {
  const rest = `S 42 1 1 0 -1 4194560 100 0 0 0 730 270 0 0 20 0 11 0 9999 0 0`;
  expect(parseStat(`7 (a) b (c) ${rest}`)).toEqual({ parent: 42, cpuTicks: 1000 });
});

test('a metric is summed over its label sets and told apart from longer names', () => {
  const exposition = '# HELP a_total x\na_total{url="1 2"} 3\na_total{url="b"} 4\na_total_more 100\nb 1e-3\n';
  expect(sumMetric(exposition, 'a_total')).toBe(7);
  expect(sumMetric(exposition, 'b')).toBe(0.001);
  expect(sumMetric(exposition, 'c')).toBeUndefined();
});
