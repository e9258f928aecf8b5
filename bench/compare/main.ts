// npm run bench:compare -- REV: this checkout beside another revision, in turns, as the ratio of samples per CPU second
// in the core rows. Exit status 1 where a row's ratio is below 0.9.
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { prepareBodies } from '../bodies/bodies.ts';
import { writeBodyFile } from '../bodies/body-file.ts';
import { positive } from '../rig/flags.ts';
import { proxyUnderTest } from '../rig/proxy-under-test.ts';
import { runInDirectory } from '../rig/run-in-directory.ts';
import { selectRows, type Row } from '../rig/rows.ts';
import { mean } from '../figures/summary.ts';
import { measureInTurns, type TurnFigures, type Turns } from './turns.ts';

const USAGE = `npm run bench:compare -- REV [flags]
  --rows FILTER    only core rows whose name contains FILTER
  --processes N    of each revision, all there at the same time (4)
  --turns N        of each process (20)
  --seconds N      of load for a turn (0.4)
`;

const LEAST_RATIO = 0.9;
/** Shorter than elsewhere: V8 compiles the rest in the turns of both revisions. */
const WARM_UP_MS = 4_000;
const root = path.resolve(import.meta.dirname, '..', '..');

/** The other revision's files in a folder of their own, with this checkout's packages and their own kernel. */
function checkOut(revision: string, directory: string): string {
  const other = path.join(directory, 'other');
  const archive = path.join(directory, 'other.tar');
  execFileSync('git', ['archive', `--output=${archive}`, revision], { cwd: root, stdio: 'pipe' });
  mkdirSync(other);
  execFileSync('tar', ['-xf', archive, '-C', other], { stdio: 'pipe' });
  symlinkSync(path.join(root, 'node_modules'), path.join(other, 'node_modules'));
  execFileSync('npm', ['run', '-s', 'prepare'], { cwd: other, stdio: 'pipe' });
  return other;
}

/** Returns the CPU of a request over that of the other revision, from the means over the processes of each. */
async function compareRow(row: Row, other: string, settings: Turns, directory: string): Promise<number> {
  const bodyFile = path.join(directory, 'bodies');
  writeBodyFile(bodyFile, prepareBodies(row, Date.now()));
  const tools = [proxyUnderTest(root, 'this'), proxyUnderTest(other, 'other')];
  const [ours = [], theirs = []] = await measureInTurns(row, tools, settings, bodyFile, directory);
  const ratio = mean(theirs) / mean(ours);
  const verdict = `${ratio.toFixed(3)}${isEnough(ratio) ? '' : ', BELOW 0.9'}`;
  console.log(`${row.name.padEnd(8)} ${describe(ours)}, other ${describe(theirs)}: ${verdict}`);
  return ratio;
}

/** NaN is not. */
function isEnough(ratio: number): boolean {
  return ratio >= LEAST_RATIO;
}

function describe(seconds: TurnFigures): string {
  const [all, ...each] = [mean(seconds), ...seconds].map((one) => (one * 1e6).toFixed(1));
  return `${all} us a request (${each.join(' ')})`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string' },
    processes: { type: 'string' },
    turns: { type: 'string' },
    seconds: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const [revision] = positionals;
if (values.help || revision === undefined) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 2);
}

await runInDirectory('compare', async (directory) => {
  const settings = {
    processes: Math.ceil(positive('--processes', values.processes, 4)),
    turns: Math.ceil(positive('--turns', values.turns, 20)),
    turnMs: positive('--seconds', values.seconds, 0.4) * 1000,
    warmUpMs: WARM_UP_MS,
  };
  const rows = selectRows(true, values.rows);
  const other = checkOut(revision, directory);
  const turnSeconds = settings.warmUpMs / 1000 + settings.turns * (settings.turnMs / 1000);
  console.log(
    `about ${Math.ceil((rows.length * 2 * settings.processes * turnSeconds) / 60)} min; each process in parentheses`,
  );
  for (const row of rows) {
    const ratio = await compareRow(row, other, settings, directory);
    if (!isEnough(ratio)) process.exitCode = 1;
  }
});
