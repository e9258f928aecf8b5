// npm run bench:compare -- REV: this checkout beside another revision, interleaved, as the ratio of samples per CPU
// second in the core rows. Exit status 1 where a row's median is below 0.9.
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { prepareBodies } from './bodies.ts';
import { writeBodyFile } from './body-file.ts';
import { measureRun, type Run } from './measure.ts';
import { proxyUnderTest } from './proxy-under-test.ts';
import { runInDirectory } from './run-in-directory.ts';
import { selectRows, type Row } from './rows.ts';
import { median } from './summary.ts';

const USAGE = `npm run bench:compare -- REV [flags]
  --rows FILTER   only core rows whose name contains FILTER
  --seconds N     measure each run for N seconds (3)
  --reps N        pairs of runs, of which the median counts (5)
`;

const LEAST_RATIO = 0.9;
const root = path.resolve(import.meta.dirname, '..');

/** The other revision in a folder of its own, with this checkout's packages and its own kernel. */
function checkOut(revision: string, directory: string): string {
  const other = path.join(directory, 'other');
  execFileSync('git', ['worktree', 'add', '--detach', '--force', other, revision], { cwd: root, stdio: 'pipe' });
  symlinkSync(path.join(root, 'node_modules'), path.join(other, 'node_modules'));
  execFileSync('npm', ['run', '-s', 'prepare'], { cwd: other, stdio: 'pipe' });
  return other;
}

const perCpuSecond = (run: Run): number => run.tool?.samplesPerCpuSecond ?? Number.NaN;

async function compareRow(row: Row, other: string, pairs: number, seconds: number, directory: string): Promise<number> {
  const bodyFile = path.join(directory, 'bodies');
  writeBodyFile(bodyFile, prepareBodies(row, Date.now()));
  const timing = { warmUpMs: 2000, measureMs: seconds * 1000 };
  const ratios: number[] = [];
  for (let pair = 0; pair < pairs; pair += 1) {
    const ours = await measureRun(row, proxyUnderTest(root, 'this'), bodyFile, undefined, timing, directory);
    const theirs = await measureRun(row, proxyUnderTest(other, 'other'), bodyFile, undefined, timing, directory);
    const ratio = perCpuSecond(ours) / perCpuSecond(theirs);
    ratios.push(ratio);
    const [here, there] = [ours, theirs].map((run) => `${(perCpuSecond(run) / 1e6).toFixed(2)}M`);
    console.log(`${row.name.padEnd(8)} ${here} beside ${there} samples/CPU s: ${ratio.toFixed(2)}`);
  }
  return median(ratios);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string' },
    seconds: { type: 'string', default: '3' },
    reps: { type: 'string', default: '5' },
    help: { type: 'boolean', default: false },
  },
});
const [revision] = positionals;
const seconds = Number(values.seconds);
const pairs = Number(values.reps);
if (values.help || revision === undefined || !(seconds > 0) || !(pairs >= 1)) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 2);
}

await runInDirectory('compare', async (directory) => {
  const other = checkOut(revision, directory);
  for (const row of selectRows(true, values.rows)) {
    const ratio = await compareRow(row, other, pairs, seconds, directory);
    console.log(`${row.name.padEnd(8)} median ratio ${ratio.toFixed(2)}${ratio < LEAST_RATIO ? ' BELOW 0.9' : ''}`);
    if (ratio < LEAST_RATIO) process.exitCode = 1;
  }
});
execFileSync('git', ['worktree', 'prune'], { cwd: root, stdio: 'pipe' });
