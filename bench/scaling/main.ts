// npm run bench:scaling: how the proxy's cost grows with senders, sizes, batches and upstream latency, one factor at a
// time; from that the costs of a request, a sample and a batch; from those what 10, 100 and 1000 million active series
// need. Writes scaling.json, scaling.svg and the generated parts of SCALING.md.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { prepareBodies } from '../bodies/bodies.ts';
import { writeBodyFile } from '../bodies/body-file.ts';
import { commandLine, positive } from '../rig/flags.ts';
import { describeMachine, makeCertificate } from '../rig/machine.ts';
import { measureRun, type Run, type Timing } from '../rig/measure.ts';
import { OURS, proxyUnderTest } from '../rig/proxy-under-test.ts';
import { renderScalingPlot } from './plot.ts';
import { fillSections, scalingSections } from './report.ts';
import { scalingResults, type MeasuredRow, type ScalingResults } from './results.ts';
import { FACTORS, scalingRows, selectScalingRows, type Factor, type ScalingRow } from './rows.ts';
import { runInDirectory } from '../rig/run-in-directory.ts';
import { summarise } from '../figures/summary.ts';
import { count } from '../figures/table.ts';

const USAGE = `npm run bench:scaling -- [flags]
  --quick         a handful of rows, for a moment each: shows that it works, says little
  --only FACTOR   the rows of one factor: ${FACTORS.map(({ name }) => name).join(', ')}
  --seconds N     measure each run for N seconds (2; with --quick 0.5)
  --reps N        repetitions of all rows, of which the median counts (2; with --quick 1)
  --out DIR       where scaling.json, scaling.svg and SCALING.md go (a run of all rows: bench/scaling/; any other: nowhere)
  --render        measures nothing: makes scaling.svg and SCALING.md's generated parts anew from scaling.json
`;

type Settings = {
  readonly quick: boolean;
  readonly only: Factor | undefined;
  readonly timing: Timing;
  readonly repetitions: number;
  readonly out: string | undefined;
  readonly render: boolean;
};

type Prepared = {
  readonly row: ScalingRow;
  readonly bodyFile: string;
  readonly rawBytesPerSample: number;
  readonly bytesPerSample: number;
};

const root = path.resolve(import.meta.dirname, '..', '..');
const home = import.meta.dirname;

/** Undefined when it was only asked how to use it. */
function readSettings(): Settings | undefined {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      seconds: { type: 'string' },
      reps: { type: 'string' },
      out: { type: 'string' },
      render: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return undefined;
  }
  const only = FACTORS.find(({ name }) => name === values.only)?.name;
  if (values.only !== undefined && only === undefined)
    throw new Error(`--only ${values.only}: no such factor\n${USAGE}`);
  const isWhole = !values.quick && only === undefined;
  return {
    quick: values.quick,
    only,
    timing: {
      warmUpMs: values.quick ? 400 : 1200,
      measureMs: positive('--seconds', values.seconds, values.quick ? 0.5 : 2) * 1000,
    },
    repetitions: Math.ceil(positive('--reps', values.reps, values.quick ? 1 : 2)),
    out: values.out ?? (isWhole ? home : undefined),
    render: values.render,
  };
}

function prepare(row: ScalingRow, index: number, directory: string): Prepared {
  const bodies = prepareBodies(row, Date.now());
  const bodyFile = path.join(directory, `bodies-${index}`);
  writeBodyFile(bodyFile, bodies);
  const all = bodies.flat();
  const perSample = (bytes: number): number => bytes / all.reduce((sum, { samples }) => sum + samples, 0);
  return {
    row,
    bodyFile,
    rawBytesPerSample: perSample(all.reduce((sum, { rawBytes }) => sum + rawBytes, 0)),
    bytesPerSample: perSample(all.reduce((sum, { compressed }) => sum + compressed.length, 0)),
  };
}

/** All rows, then all again, so that a drift of the machine hits all alike. */
async function measureRows(settings: Settings, directory: string): Promise<MeasuredRow[]> {
  const certificate = makeCertificate(directory);
  if (certificate === undefined) console.log('there is no openssl to make the sink a certificate: no TLS upstream');
  const rows = selectScalingRows(scalingRows(certificate !== undefined), settings.quick, settings.only);
  const prepared = rows.map((row, index) => prepare(row, index, directory));
  const runs = new Map<string, Run[]>(rows.map(({ name }) => [name, []]));
  console.log(
    tableLine(
      'row',
      HEADS.map(([head]) => head),
    ),
  );
  for (let repetition = 1; repetition <= settings.repetitions; repetition += 1) {
    for (const entry of prepared) {
      const { row, bodyFile } = entry;
      const tool = proxyUnderTest(root, OURS, 1, row.queue);
      const run = await measureRun(row, tool, bodyFile, certificate, settings.timing, directory);
      runs.get(row.name)?.push(run);
      const shown = figuresOf(entry, [run]);
      console.log(
        tableLine(
          row.name,
          HEADS.map(([, cell]) => cell(shown)),
        ),
      );
    }
  }
  return prepared.map((entry) => figuresOf(entry, runs.get(entry.row.name) ?? []));
}

function figuresOf({ row, rawBytesPerSample, bytesPerSample }: Prepared, runs: readonly Run[]): MeasuredRow {
  const [figures] = summarise(row, new Map([[OURS, runs]])).tools;
  if (figures === undefined) throw new Error(`no run of row "${row.name}" worked`);
  return {
    name: row.name,
    places: row.places,
    samplesPerRequest: row.samplesPerRequest,
    samplesPerSeries: row.samplesPerSeries,
    extraLabels: row.extraLabels ?? 0,
    connections: row.connections,
    keys: row.senders,
    upstreamLatencyMs: row.upstreamLatencyMs,
    upstreamTls: row.upstreamTls,
    isCheck: row.isCheck,
    ratePerSecond: row.ratePerSecond ?? null,
    maxSamplesPerSend: row.maxSamplesPerSend,
    rawBytesPerSample,
    bytesPerSample,
    samplesPerSecond: figures.samplesPerSecond,
    samplesPerCpuSecond: figures.samplesPerCpuSecond,
    samplesPerBatch: figures.samplesPerUpstreamRequest,
    p50Ms: figures.p50Ms,
    p99Ms: figures.p99Ms,
    peakMemoryMb: figures.peakMemoryMb,
    loadCpuShare: figures.loadCpuShare,
    sinkCpuShare: figures.sinkCpuShare,
    otherCores: figures.otherCores,
    failed: Object.values(figures.failed).reduce((sum, times) => sum + times, 0),
  };
}

const HEADS: readonly (readonly [head: string, cell: (row: MeasuredRow) => string])[] = [
  ['samples/s', (row) => count(row.samplesPerSecond)],
  ['samples/CPU s', (row) => count(row.samplesPerCpuSecond)],
  ['CPU us/request', (row) => ((1e6 * row.samplesPerRequest) / row.samplesPerCpuSecond).toFixed(0)],
  ['samples/batch', (row) => row.samplesPerBatch.toFixed(0)],
  ['p50 ms', (row) => row.p50Ms.toFixed(1)],
  ['p99 ms', (row) => row.p99Ms.toFixed(1)],
  ['peak MB', (row) => row.peakMemoryMb.toFixed(0)],
  ['load, sink CPU', (row) => `${(row.loadCpuShare * 100).toFixed(0)}%, ${(row.sinkCpuShare * 100).toFixed(0)}%`],
  ['other cores', (row) => row.otherCores.toFixed(2)],
  ['failed', (row) => String(row.failed)],
];

function tableLine(name: string, cells: readonly string[]): string {
  return [name.padEnd(24), ...cells.map((cell, index) => cell.padStart(HEADS[index]?.[0].length ?? 0))].join('  ');
}

function write(results: ScalingResults, out: string): void {
  mkdirSync(out, { recursive: true });
  writeFileSync(path.join(out, 'scaling.json'), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(path.join(out, 'scaling.svg'), renderScalingPlot(results));
  // The prose around the generated parts stays: it is that of the checkout.
  const prose = readFileSync(path.join(home, 'SCALING.md'), 'utf8');
  writeFileSync(path.join(out, 'SCALING.md'), fillSections(prose, scalingSections(results)));
  console.log(`written to ${path.relative(process.cwd(), out) || '.'}: scaling.json, scaling.svg, SCALING.md`);
}

async function main(directory: string): Promise<void> {
  const settings = readSettings();
  if (settings === undefined) return;
  if (settings.render) {
    const out = settings.out ?? home;
    write(scalingResults.parse(JSON.parse(readFileSync(path.join(out, 'scaling.json'), 'utf8'))), out);
    return;
  }
  const machine = describeMachine();
  console.log(`${machine.cpu}, ${machine.cores} cores, node ${machine.node}, ${machine.date}`);
  const rows = await measureRows(settings, directory);
  const results: ScalingResults = {
    machine,
    command: commandLine('bench:scaling'),
    timing: settings.timing,
    repetitions: settings.repetitions,
    rows,
  };
  if (rows.some(({ failed }) => failed > 0)) process.exitCode = 1;
  if (settings.out === undefined) console.log('nothing is written for a run of some rows; --out DIR keeps it');
  else write(results, settings.out);
}

await runInDirectory('scaling', main);
