// The generated parts of bench/scaling/SCALING.md: every figure in it that depends on a measurement. The prose around them is
// written by hand and stays.
import { answerTable, limitsTable, variationsTable } from './answer.ts';
import { batchingTable, checkTable } from './check.ts';
import { predictCpuSeconds, type CostFit } from './cost-fit.ts';
import { markdownTable } from '../figures/markdown-table.ts';
import { fitAll, isCut, workOf, type Fits, type MeasuredRow, type ScalingResults } from './results.ts';
import { FACTORS } from './rows.ts';
import { count } from '../figures/table.ts';

export function scalingSections(results: ScalingResults): Readonly<Record<string, string>> {
  const fits = fitAll(results.rows);
  return {
    answer: answerTable(results, fits),
    machine: machineText(results),
    factors: factorTables(results.rows),
    costs: `${costText(fits)}${cutText(results.rows, fits)}`,
    check: checkTable(results.rows, fits.costs),
    batching: batchingTable(fits.costs),
    variations: variationsTable(results, fits),
    limits: limitsTable(results, fits),
  };
}

/** Puts each section between its markers `<!-- scaling:NAME:start -->` and `:end`; throws when a pair is missing. */
export function fillSections(prose: string, sections: Readonly<Record<string, string>>): string {
  let text = prose;
  for (const [name, content] of Object.entries(sections)) {
    const [start, end] = [`<!-- scaling:${name}:start -->`, `<!-- scaling:${name}:end -->`];
    const from = text.indexOf(start);
    const to = text.indexOf(end);
    if (from < 0 || to < from) throw new Error(`SCALING.md has no part between ${start} and ${end}`);
    text = `${text.slice(0, from + start.length)}\n\n${content.trim()}\n\n${text.slice(to)}`;
  }
  return text;
}

function machineText({ machine, command, timing, repetitions, rows }: ScalingResults): string {
  const busy = rows.reduce((sum, { otherCores }) => sum + otherCores, 0) / rows.length;
  const tls = rows.some(({ upstreamTls }) => upstreamTls);
  return (
    `Made by \`${command}\` on ${machine.date}: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ` +
    `${machine.kernel}, Node ${machine.node}. Each row was warmed up for ${timing.warmUpMs / 1000} s, measured for ` +
    `${timing.measureMs / 1000} s, and is the median of ${repetitions}. The upstream speaks ${tls ? 'TLS, as AMP does' : 'plain HTTP'}. ` +
    `Other programs used ${busy.toFixed(2)} cores meanwhile (of interest above 0.2: the figures are then too low).`
  );
}

function factorTables(rows: readonly MeasuredRow[]): string {
  return FACTORS.flatMap(({ name, title, unit }) => {
    const shown = rows
      .flatMap((row) => (row.places[name] === undefined ? [] : [{ row, value: row.places[name] }]))
      .toSorted((a, b) => a.value - b.value);
    if (shown.length < 2) return [];
    return [
      `**${title}**`,
      '',
      markdownTable(
        [unit, 'samples/s', 'samples/CPU s', 'CPU us a request', 'samples a batch', 'p50 ms', 'p99 ms', 'peak MB', ''],
        shown.map(({ row, value }) => [
          String(value),
          count(row.samplesPerSecond),
          count(row.samplesPerCpuSecond),
          ((1e6 * row.samplesPerRequest) / row.samplesPerCpuSecond).toFixed(0),
          row.samplesPerBatch.toFixed(0),
          row.p50Ms.toFixed(1),
          row.p99Ms.toFixed(1),
          row.peakMemoryMb.toFixed(0),
          remarksOn(name, row),
        ]),
      ),
      '',
    ];
  }).join('\n');
}

function remarksOn(factor: string, row: MeasuredRow): string {
  const bytes = `${row.rawBytesPerSample.toFixed(0)} bytes a sample, ${row.bytesPerSample.toFixed(0)} compressed`;
  return [
    ...(row.failed > 0 ? [`${row.failed} failed`] : []),
    ...(factor === 'series' || factor === 'labels' ? [bytes] : []),
    ...(factor === 'samples' && row.connections !== 64 ? [`${row.connections} connections`] : []),
    ...(Math.max(row.loadCpuShare, row.sinkCpuShare) > 0.85 ? ['load or sink busy'] : []),
  ].join('; ');
}

function costText({ costs, bytes, memory, partialLoad }: Fits): string {
  const lines = [
    `CPU = ${micros(costs.secondsPerRequest)} us a request + ${nanos(costs.secondsPerSample)} ns a sample + ` +
      `${micros(costs.secondsPerBatch)} us an upstream batch + ${(costs.standingCores * 100).toFixed(1)}% of a core all the time, by least squares of the relative error over ${costs.rows} ` +
      `rows with samples of ordinary size. It is off by ${percent(costs.meanError)} on average and by ` +
      `${percent(costs.worstError)} at worst (row "${costs.worstRow}").`,
    '',
    `So ${sharesOf(costs, 500)}; ${sharesOf(costs, 2000)}.`,
    '',
    `A process that is idle at times takes ${partialLoad.toFixed(2)} times that (median of the rows of a fixed rate): most ` +
      'rows are driven as fast as they go, where the event loop finds more to do each time it wakes. The model plans with it.',
  ];
  if (bytes !== undefined) {
    lines.push(
      '',
      `With samples of other sizes (${bytes.rows} rows): ${micros(bytes.secondsPerRequest)} us a request + ` +
        `${nanos(bytes.secondsPerSample)} ns a sample + ${(bytes.secondsPerRawByte * 1e9).toFixed(2)} ns a byte before compression + ` +
        `${(bytes.secondsPerByte * 1e9).toFixed(2)} ns a compressed byte + ` +
        `${micros(bytes.secondsPerBatch)} us a batch + ${(bytes.standingCores * 100).toFixed(1)}% of a core; off by ${percent(bytes.meanError)} on average, ` +
        `${percent(bytes.worstError)} at worst (row "${bytes.worstRow}").`,
    );
  }
  lines.push(
    '',
    `Peak memory = ${memory.baseMb.toFixed(0)} MB + ${memory.perMbHeld.toFixed(1)} MB for each MB of compressed requests ` +
      `that are open; off by ${percent(memory.meanError)} on average, ${percent(memory.worstError)} at worst ` +
      `(row "${memory.worstRow}").`,
  );
  return lines.join('\n');
}

/** Compares the cost of a request over the limit with its cost if it were not cut. */
function cutText(rows: readonly MeasuredRow[], { costs }: Fits): string {
  const cut = rows
    .filter((row) => isCut(row))
    .map((row) => {
      const work = workOf(row);
      return `${row.samplesPerRequest} samples a request cost ${(work.cpuSeconds / predictCpuSeconds(costs, work)).toFixed(1)} times that`;
    });
  if (cut.length === 0) return '';
  return `\n\nA request above \`max_samples_per_send\` is cut, and encoded anew around the cut: ${cut.join(', ')}.`;
}

/** Returns the shares of a request that is joined as far as 5000 samples allow. */
function sharesOf(costs: CostFit, samples: number): string {
  const parts = [
    costs.secondsPerRequest,
    costs.secondsPerSample * samples,
    costs.secondsPerBatch / Math.floor(5000 / samples),
  ];
  const whole = parts.reduce((sum, part) => sum + part, 0);
  const [request = 0, sample = 0, batch = 0] = parts.map((part) => part / whole);
  return (
    `at ${samples} samples a request ${percent(request)} goes with requests, ${percent(sample)} with samples and ` +
    `${percent(batch)} with batches`
  );
}

function micros(seconds: number): string {
  return (seconds * 1e6).toFixed(0);
}

function nanos(seconds: number): string {
  return (seconds * 1e9).toFixed(0);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)}%`;
}
