// npm run bench: what forwarding costs, in CPU seconds of the process that does it, for amp-write-proxy and for the
// tools that users run today, side by side in one run on one machine. See RESULTS.md for the figures and how to read them.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { capturedBodies, prepareBodies } from '../bodies/bodies.ts';
import { writeBodyFile } from '../bodies/body-file.ts';
import { isEnding } from '../rig/children.ts';
import { commandLine, positive } from '../rig/flags.ts';
import { describeMachine, makeCertificate } from '../rig/machine.ts';
import { measureRun, WARM_UP_MS, type Run, type Timing } from '../rig/measure.ts';
import { findPeers } from './peers.ts';
import { OURS, proxyUnderTest } from '../rig/proxy-under-test.ts';
import { renderResults, type Results } from './report.ts';
import type { Certificate } from '../rig/rig.ts';
import { runInDirectory } from '../rig/run-in-directory.ts';
import { ROWS, selectRows, type Row } from '../rig/rows.ts';
import { DIRECT, summarise, type RowFigures } from '../figures/summary.ts';
import { renderPlot } from '../figures/svg.ts';
import { columnHeads, tableLine } from '../figures/table.ts';
import type { Tool } from '../rig/tool.ts';

const USAGE = `npm run bench -- [flags]
  --quick         the core rows (100, 500, 2000 samples a request), one short repetition, no nginx or prometheus
  --rows FILTER   only rows whose name contains FILTER; the names: ${ROWS.map((row) => `"${row.name}"`).join(', ')}
  --seconds N     measure each run for N seconds (4; with --quick 2)
  --reps N        interleaved repetitions, of which the table shows the median (3; with --quick 1)
  --workers N     also measure amp-write-proxy with server.workers N (1: not)
  --peers on|off  also measure vmagent, aws-sigv4-proxy, prometheus, nginx where PEERS_DIR or PATH has them (on)
  --out DIR       where results.json, RESULTS.md and throughput.svg go (a run of all rows: bench/throughput/; any other: nowhere)
`;

type Settings = {
  readonly rows: readonly Row[];
  readonly tools: readonly Tool[];
  readonly missing: readonly string[];
  readonly timing: Timing;
  readonly repetitions: number;
  readonly out: string | undefined;
};

const failures = new Set<string>();
const root = path.resolve(import.meta.dirname, '..', '..');

/** Ahead of now, because a Prometheus agent forwards nothing older than its own start; it takes up to 10 minutes. */
const TIMESTAMP_AHEAD_MS = 5 * 60_000;

function readSettings(): Settings {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      rows: { type: 'string' },
      seconds: { type: 'string' },
      reps: { type: 'string' },
      workers: { type: 'string', default: '1' },
      peers: { type: 'string', default: 'on' },
      out: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const rows = selectRows(values.quick, values.rows);
  const workers = Number(values.workers);
  if (!(Number.isInteger(workers) && workers >= 1))
    throw new Error(`--workers ${values.workers}: give a whole number from 1`);
  if (values.peers !== 'on' && values.peers !== 'off') throw new Error(`--peers ${values.peers}: give on or off`);
  const { found, missing } = values.peers === 'on' ? findPeers() : { found: [], missing: [] };
  const peers = values.quick
    ? found.filter((tool) => tool.name === 'vmagent' || tool.name === 'aws-sigv4-proxy')
    : found;
  return {
    rows,
    tools: [
      proxyUnderTest(root),
      ...(workers === 1 ? [] : [proxyUnderTest(root, `${OURS}, ${workers} workers`, workers)]),
      ...peers,
    ],
    missing,
    timing: {
      warmUpMs: values.quick ? 1500 : WARM_UP_MS,
      measureMs: positive('--seconds', values.seconds, values.quick ? 2 : 4) * 1000,
    },
    repetitions: Math.ceil(positive('--reps', values.reps, values.quick ? 1 : 3)),
    out: values.out ?? (rows.length === ROWS.length ? import.meta.dirname : undefined),
  };
}

/** One row: every tool in turn, then all again, so that a drift of the machine hits all alike. */
async function measureRow(
  row: Row,
  settings: Settings,
  certificate: Certificate | undefined,
  directory: string,
): Promise<RowFigures> {
  const bodyFile = path.join(directory, 'bodies');
  const fixtures = path.join(root, 'test', 'fixtures', 'wire');
  const bodies = row.captured
    ? capturedBodies(fixtures, row.connections)
    : prepareBodies(row, Date.now() + TIMESTAMP_AHEAD_MS);
  writeBodyFile(bodyFile, bodies);

  const tools = settings.tools.filter((tool) => tool.runs?.(row) ?? true);
  const runs = new Map<string, Run[]>([[DIRECT, []], ...tools.map((tool): [string, Run[]] => [tool.name, []])]);
  runs
    .get(DIRECT)
    ?.push(await measureRun(row, undefined, bodyFile, certificate, { warmUpMs: 700, measureMs: 1000 }, directory));
  for (let repetition = 0; repetition < settings.repetitions; repetition += 1) {
    for (const tool of tools) {
      try {
        const run = await measureRun(row, tool, bodyFile, certificate, settings.timing, directory);
        runs.get(tool.name)?.push(run);
      } catch (error) {
        if (isEnding()) throw error;
        console.error(`${tool.name} in row "${row.name}": ${error instanceof Error ? error.message : String(error)}`);
        failures.add(tool.name);
      }
    }
  }
  return summarise(row, runs);
}

async function main(directory: string): Promise<void> {
  const settings = readSettings();
  const certificate = makeCertificate(directory);
  const machine = describeMachine();
  console.log(`${machine.cpu}, ${machine.cores} cores, node ${machine.node}, ${machine.date}`);
  if (settings.missing.length > 0) console.log(`not found in PEERS_DIR or PATH: ${settings.missing.join(', ')}`);
  console.log(columnHeads());

  const measured: RowFigures[] = [];
  for (const row of settings.rows) {
    if (row.upstreamTls && certificate === undefined) {
      console.log(`${row.name}: left out, there is no openssl to make the sink's certificate`);
      continue;
    }
    const figures = await measureRow(row, settings, certificate, directory);
    measured.push(figures);
    for (const tool of figures.tools) console.log(tableLine(row, tool));
  }

  if (settings.out === undefined) {
    console.log('nothing is written for a run of some rows; --out DIR keeps it');
  } else {
    mkdirSync(settings.out, { recursive: true });
    const results: Results = {
      machine,
      command: commandLine('bench'),
      timing: settings.timing,
      repetitions: settings.repetitions,
      missing: settings.missing,
      tools: settings.tools.map(({ name, note }) => ({ name, note })),
      rows: measured,
    };
    writeFileSync(path.join(settings.out, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
    writeFileSync(path.join(settings.out, 'RESULTS.md'), renderResults(results));
    const floors = settings.tools.filter(({ signs }) => !signs).map(({ name }) => name);
    writeFileSync(path.join(settings.out, 'throughput.svg'), renderPlot(measured, floors));
    console.log(
      `written to ${path.relative(process.cwd(), settings.out) || '.'}: results.json, RESULTS.md, throughput.svg`,
    );
  }
  // A peer that fails is a gap in the table; the proxy failing is a failure.
  if (failures.has(OURS)) process.exitCode = 1;
}

await runInDirectory('bench', main);
