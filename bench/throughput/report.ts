// bench/throughput/RESULTS.md: the figures with what a reader needs to judge them.
import type { Machine } from '../rig/machine.ts';
import type { Timing } from '../rig/measure.ts';
import { OURS } from '../rig/proxy-under-test.ts';
import { describeRow } from '../rig/rows.ts';
import { DIRECT, type RowFigures } from '../figures/summary.ts';
import { BUSY_SHARE, COLUMNS, count, isHeldBack, remarksOn } from '../figures/table.ts';

export type Results = {
  readonly machine: Machine;
  readonly command: string;
  readonly timing: Timing;
  readonly repetitions: number;
  readonly missing: readonly string[];
  readonly tools: readonly { readonly name: string; readonly note: string }[];
  readonly rows: readonly RowFigures[];
};

export function renderResults(results: Results): string {
  const { machine, timing, repetitions } = results;
  const lines = [
    '# Throughput',
    '',
    '![Samples per CPU second, and latency, by tool and request size](throughput.svg)',
    '',
    `Made by \`${results.command}\` on ${machine.date}: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.kernel}, Node ${machine.node}.`,
    '`PEERS_DIR` names the directory with the other tools, where they are not on `PATH`.',
    ...(results.missing.length > 0 ? [`Not found there and so not measured: ${results.missing.join(', ')}.`] : []),
    '',
    '## How it is measured',
    '',
    'Three processes on loopback: a load that sends request bodies prepared beforehand, the tool, and a sink that answers 200 and decodes nothing.',
    'The tool is started anew for each run and warmed up for ' +
      `${timing.warmUpMs / 1000} s; then it is measured for ${timing.measureMs / 1000} s. Figures are medians of ${repetitions} ` +
      `${repetitions === 1 ? 'repetition' : 'repetitions'}, in which the tools take turns.`,
    '',
    '- **samples/CPU s** is what forwarding costs: samples acknowledged to the load, by the user and system CPU seconds of the tool with all its threads and children (`/proc/PID/stat`). **CPU s/M** is the same as CPU seconds per million samples. **ours is** N times as many samples per CPU second as that tool.',
    '- A tool that acknowledges before the upstream has is charged, in CPU and in time, until its own metrics show that its queue is empty. Its latency is that of its memory or disk, not of delivery.',
    '- The sink refuses what is not signed with SigV4 (the first request of each connection, then one in 1000), but from nginx.',
    "- Latency is the sender's. In a closed loop it grows with connections by nature; compare it within a row. At a fixed rate a request that waits for a free connection counts from when it was due.",
    "- **peak MB** is VmHWM during the measured time, **loop p99** the event loop's delay by the proxy's own metrics.",
    "- Where tools compete for too few cores, samples/s shows that; samples per CPU second hardly does, since it counts the tool's own time alone.",
    '',
    ...results.tools.map(({ name, note }) => `- ${name}: ${note}`),
    '',
    '## Figures',
    ...results.rows.flatMap((row) => rowSection(row)),
    '',
    '## Load and sink are not the limit',
    '',
    ...benchLimits(results.rows),
    '',
  ];
  return lines.join('\n');
}

function rowSection({ row, tools }: RowFigures): string[] {
  const measured = tools.filter(({ tool }) => tool !== DIRECT);
  return [
    '',
    `### ${row.name}`,
    '',
    `${describeRow(row)}.`,
    '',
    tableRow(['tool', ...COLUMNS.map(({ head }) => head), 'remarks']),
    tableRow(['---', ...COLUMNS.map(() => '---:'), '---']),
    ...measured.map((figures) =>
      tableRow([
        figures.tool === OURS ? `**${figures.tool}**` : figures.tool,
        ...COLUMNS.map(({ cell }) => cell(figures)),
        remarksOn(figures),
      ]),
    ),
  ];
}

function benchLimits(rows: readonly RowFigures[]): string[] {
  const busy = rows.flatMap(({ row, tools }) =>
    tools.filter((entry) => isHeldBack(entry)).map(({ tool }) => `${tool} in "${row.name}"`),
  );
  return [
    `Load and sink are one thread each, so one core is the most that either can use. Each line above shows their share of one; above ${BUSY_SHARE * 100}% it would be marked. ` +
      (busy.length === 0 ? 'None is.' : `Marked here: ${busy.join('; ')}.`),
    'Beside it, what the two carry with nothing between them, measured in the same run (without upstream latency or fixed rate):',
    '',
    tableRow(['row', 'requests/s', 'samples/s', 'load CPU', 'sink CPU', 'most that a tool reached']),
    tableRow(['---', '---:', '---:', '---:', '---:', '---:']),
    ...rows.flatMap(({ row, tools }) => {
      const direct = tools.find(({ tool }) => tool === DIRECT);
      if (direct === undefined) return [];
      const most = Math.max(0, ...tools.filter((entry) => entry !== direct).map((entry) => entry.samplesPerSecond));
      return tableRow([
        row.name,
        direct.requestsPerSecond.toFixed(0),
        count(direct.samplesPerSecond),
        percent(direct.loadCpuShare),
        percent(direct.sinkCpuShare),
        percent(most / direct.samplesPerSecond),
      ]);
    }),
  ];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)}%`;
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
