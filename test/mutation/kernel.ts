/**
 * Builds each mutant of the kernel in a copy of the tree and runs the tests of the kernel against it: `npm run
 * mutation:kernel`, or with a part of a file's name for some of them. Exits with 1 unless every mutant is killed. One
 * that hangs, or whose original text is not there any more, is told apart.
 */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { KERNEL_MUTANTS, type KernelMutant } from './kernel-mutants.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['build', 'package.json', 'proto', 'src', 'test', 'tsconfig.json', 'vitest.config.ts'];
const TESTS = ['test/codec', 'test/batch/split.test.ts', 'test/decode'];
/** A mutant that takes so many times as long as the kernel itself hangs. */
const HANGS_AFTER = 5;
const LEAST_LIMIT_MS = 60_000;

type Result = 'killed' | 'killed by a timeout' | 'survived' | 'not built' | 'original text not found';

const tree = await mkdtemp(path.join(tmpdir(), 'kernel-mutants-'));
try {
  process.exitCode = await main(process.argv[2] ?? '');
} finally {
  await rm(tree, { recursive: true, force: true });
}

async function main(part: string): Promise<number> {
  for (const name of COPIED) await cp(path.join(ROOT, name), path.join(tree, name), { recursive: true });
  await symlink(path.join(ROOT, 'node_modules'), path.join(tree, 'node_modules'));
  const startedAtMs = performance.now();
  if ((await build()) !== 0 || (await test(10 * LEAST_LIMIT_MS)) !== 0) {
    process.stderr.write('the tests of the kernel fail without a mutant\n');
    return 1;
  }
  const limitMs = Math.max(LEAST_LIMIT_MS, HANGS_AFTER * (performance.now() - startedAtMs));
  let left = 0;
  for (const mutant of KERNEL_MUTANTS.filter(({ file }) => file.includes(part))) {
    const result = await tryMutant(mutant, limitMs);
    if (!result.startsWith('killed')) left += 1;
    process.stdout.write(`${result}: ${mutant.file}: ${oneLine(mutant.original)} -> ${oneLine(mutant.mutated)}\n`);
  }
  process.stdout.write(left === 0 ? 'all are killed\n' : `${left} are not killed\n`);
  return left === 0 ? 0 : 1;
}

async function tryMutant({ file, original, mutated }: KernelMutant, limitMs: number): Promise<Result> {
  const source = path.join(tree, 'src/codec/kernel', file);
  const text = await readFile(source, 'utf8');
  if (text.split(original).length !== 2) return 'original text not found';
  try {
    await writeFile(
      source,
      text.replace(original, () => mutated),
    );
    if ((await build()) !== 0) return 'not built';
    const status = await test(limitMs);
    if (status === undefined) return 'killed by a timeout';
    return status === 0 ? 'survived' : 'killed';
  } finally {
    await writeFile(source, text);
  }
}

/** Builds the kernel as `npm run prepare` does. */
async function build(): Promise<number | undefined> {
  const config = ['--config', 'src/codec/kernel/asconfig.json', '--outFile', 'build/kernel.wasm'];
  return run('asc', ['src/codec/kernel/index.ts', ...config], LEAST_LIMIT_MS);
}

async function test(limitMs: number): Promise<number | undefined> {
  return run('vitest', ['run', '--bail=1', '--maxWorkers=1', ...TESTS], limitMs);
}

/** Runs a program of node_modules. @returns its exit status; undefined when the time was up */
async function run(program: string, args: readonly string[], limitMs: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    // A process group of its own: a worker of vitest that hangs in the kernel is ended with it.
    const options = { cwd: tree, stdio: 'ignore', detached: true } as const;
    const child = spawn(process.execPath, [path.join('node_modules/.bin', program), ...args], options);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, limitMs);
    child.on('error', reject);
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve(isLate ? undefined : (status ?? 1));
    });
  });
}

function oneLine(text: string): string {
  return text === '' ? '(nothing)' : text.replaceAll(/\s+/g, ' ');
}
