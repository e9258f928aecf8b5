import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { renderScalingPlot } from '../../../bench/scaling/plot.ts';
import { fillSections, scalingSections } from '../../../bench/scaling/report.ts';
import { fitAll, scalingResults, type ScalingResults } from '../../../bench/scaling/results.ts';
import { FACTORS, scalingRows, selectScalingRows } from '../../../bench/scaling/rows.ts';

const bench = path.resolve(import.meta.dirname, '..', '..', '..', 'bench', 'scaling');
const committed = scalingResults.parse(JSON.parse(readFileSync(path.join(bench, 'scaling.json'), 'utf8')));
const prose = readFileSync(path.join(bench, 'SCALING.md'), 'utf8');

/**
 * Makes the results of a proxy with 100 us a request, 400 ns a sample and 500 us a batch, at a hundredth of a core
 * standing.
 */
function made(rows = scalingRows(true)): ScalingResults {
  return {
    machine: { cpu: 'a CPU', cores: 2, memoryGb: 8, kernel: 'Linux', node: 'v26', date: '2026-01-02' },
    command: 'npm run bench:scaling',
    timing: { warmUpMs: 1000, measureMs: 1000 },
    repetitions: 1,
    rows: rows.map((row) => {
      const samplesPerBatch = Math.min(row.maxSamplesPerSend, row.samplesPerRequest * Math.ceil(row.connections / 4));
      const samplesPerSecond = (row.ratePerSecond ?? 500 + 10 * row.connections) * row.samplesPerRequest;
      const cpu = 100e-6 / row.samplesPerRequest + 400e-9 + 500e-6 / samplesPerBatch + 0.01 / samplesPerSecond;
      return {
        ...row,
        extraLabels: row.extraLabels ?? 0,
        keys: row.senders,
        ratePerSecond: row.ratePerSecond ?? null,
        rawBytesPerSample: 300 / row.samplesPerSeries + 40 * (row.extraLabels ?? 0),
        bytesPerSample: 60 / row.samplesPerSeries + 10 * (row.extraLabels ?? 0),
        samplesPerSecond,
        samplesPerCpuSecond: 1 / cpu,
        samplesPerBatch,
        p50Ms: 5,
        p99Ms: 9,
        peakMemoryMb: 180,
        loadCpuShare: 0.1,
        sinkCpuShare: 0.1,
        otherCores: 0,
        failed: 0,
      };
    }),
  };
}

test('the costs that rows show are told in the report, and every factor has its table', () => {
  const sections = scalingSections(made());
  expect(sections['costs']).toContain('100 us a request + 400 ns a sample + 500 us an upstream batch + 1.0% of a core');
  for (const { title } of FACTORS) expect(sections['factors']).toContain(`**${title}**`);
  expect(sections['answer']).toMatch(/\| 1000 M \| 66\.67M \|/);
  for (const text of Object.values(sections)) expect(text).not.toMatch(/NaN|undefined|Infinity/);
});

test('a request that is cut and a row that checks the fit are kept out of it', () => {
  const rows = made().rows.map((row) =>
    row.samplesPerRequest === 10_000 || row.isCheck
      ? { ...row, samplesPerCpuSecond: row.samplesPerCpuSecond / 3 }
      : row,
  );
  expect(fitAll(rows).costs.worstError).toBeLessThan(1e-6);
  expect(scalingSections({ ...made(), rows })['costs']).toContain('10000 samples a request cost 3.0 times that');
});

test('the model plans with what a process took that was idle at times, where that is more than the fit says', () => {
  const { costs } = fitAll(made().rows);
  const slower = made().rows.map((row) =>
    row.ratePerSecond === null ? row : { ...row, isCheck: true, samplesPerCpuSecond: row.samplesPerCpuSecond / 1.5 },
  );
  const fits = fitAll(slower);
  expect(fits.costs.secondsPerSample).toBeCloseTo(costs.secondsPerSample, 9);
  expect(fits.partialLoad).toBeCloseTo(1.5, 2);
  expect(fits.planned.secondsPerBatch).toBeCloseTo(1.5 * costs.secondsPerBatch, 5);
  const faster = made().rows.map((row) => ({ ...row, isCheck: row.ratePerSecond !== null }));
  expect(fitAll(faster.map((row) => (row.isCheck ? { ...row, samplesPerCpuSecond: 1e7 } : row))).partialLoad).toBe(1);
});

test('the rows of --quick are enough for a whole report', () => {
  const sections = scalingSections(made(selectScalingRows(scalingRows(true), true, undefined)));
  for (const text of Object.values(sections)) expect(text).not.toMatch(/NaN|undefined|Infinity/);
});

test('without TLS the rows are the same, but for the one that has none anyway', () => {
  expect(scalingRows(false)).toHaveLength(scalingRows(true).length - 1);
  expect(scalingRows(false).some(({ upstreamTls }) => upstreamTls)).toBe(false);
  expect(new Set(scalingRows(true).map(({ name }) => name)).size).toBe(scalingRows(true).length);
});

test('--only takes the rows of its factor and the base row', () => {
  const rows = selectScalingRows(scalingRows(true), false, 'keys');
  expect(rows.map(({ name }) => name)).toEqual(['base', '200 connections', '20 keys', '200 keys']);
});

test('a section goes between its markers, the prose around it stays, and a missing marker is named', () => {
  const text = 'before\n<!-- scaling:a:start -->\nold\n<!-- scaling:a:end -->\nafter\n';
  const filled = fillSections(text, { a: 'new' });
  expect(filled).toBe('before\n<!-- scaling:a:start -->\n\nnew\n\n<!-- scaling:a:end -->\nafter\n');
  expect(fillSections(filled, { a: 'new' })).toBe(filled);
  expect(() => fillSections(text, { b: '' })).toThrow('<!-- scaling:b:start -->');
});

test('SCALING.md and scaling.svg say what scaling.json does (npm run bench:scaling -- --render)', () => {
  expect(fillSections(prose, scalingSections(committed))).toBe(prose);
  expect(renderScalingPlot(committed)).toBe(readFileSync(path.join(bench, 'scaling.svg'), 'utf8'));
});

test('the plot is whole SVG with a dot for each measured row of its panels and without NaN', () => {
  const svg = renderScalingPlot(made());
  expect(svg.match(/<circle/g)?.length).toBeGreaterThan(25);
  expect(svg.match(/<(rect|circle|line|polyline)\b/g)?.length).toBe(svg.match(/\/>/g)?.length);
  expect(svg.match(/<text/g)?.length).toBe(svg.match(/<\/text>/g)?.length);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
});
