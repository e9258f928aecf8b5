/**
 * The image's file tree without Docker: the Dockerfile's own COPY and RUN steps, each stage in a directory that stands
 * for its root, the build context filtered by .dockerignore.
 */
import { cp, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { Child, ROOT } from '../support/processes.ts';
import { parseDockerfile, type Stage } from './dockerfile.ts';

export interface ImageTree {
  /** Stands for `/` of the last stage. */
  readonly root: string;
  readonly stage: Stage;
}

/** Runs every step, `npm ci` included. */
export async function buildImageTree(directory: string): Promise<ImageTree> {
  const stages = parseDockerfile(await readFile(path.join(ROOT, 'Dockerfile'), 'utf8'));
  const isIgnored = readIgnore(await readFile(path.join(ROOT, '.dockerignore'), 'utf8'));
  const context = path.join(directory, 'context');
  await copyContext(context, isIgnored);
  let root = '';
  for (const stage of stages) {
    root = path.join(directory, stage.name);
    await buildStage(stage, root, context, directory);
  }
  const stage = stages.at(-1);
  if (stage === undefined) throw new Error('the Dockerfile has no stage');
  return { root, stage };
}

async function buildStage(stage: Stage, root: string, context: string, directory: string): Promise<void> {
  let workdir = '/';
  await mkdir(root, { recursive: true });
  for (const { name, rest } of stage.instructions) {
    if (name === 'WORKDIR') {
      workdir = path.posix.resolve(workdir, rest);
      await mkdir(path.join(root, workdir), { recursive: true });
    } else if (name === 'COPY') {
      const [, from] = /^--from=(\S+)\s/.exec(rest) ?? [];
      const words = rest.split(/\s+/).filter((word) => !word.startsWith('--from='));
      if (words.some((word) => word.startsWith('--'))) throw new Error(`the test does not know COPY ${rest}`);
      const target = words.at(-1) ?? '';
      const source = from === undefined ? context : path.join(directory, from);
      for (const each of words.slice(0, -1)) {
        await copy(path.join(source, each), path.join(root, path.posix.resolve(workdir, target)), target.endsWith('/'));
      }
    } else if (name === 'RUN') {
      const cwd = path.join(root, workdir);
      const { status, stdout, stderr } = await new Child('RUN', '/bin/sh', ['-ec', rest], { cwd }).ended();
      if (status !== 0) throw new Error(`RUN ${rest} ended with ${status}:\n${stdout}\n${stderr}`);
    }
  }
}

/** Copies as COPY does: a directory's content, or a file to a name or into a directory. */
async function copy(from: string, to: string, isInto: boolean): Promise<void> {
  const isDirectory = (await stat(from)).isDirectory();
  const target = isInto && !isDirectory ? path.join(to, path.basename(from)) : to;
  await mkdir(path.dirname(target), { recursive: true });
  await cp(from, target, { recursive: true, verbatimSymlinks: true });
}

/** Lines of `*`, `!path` and `path`, the last that fits decides; no other patterns. */
function readIgnore(text: string): (file: string) => boolean {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return (file) => {
    let isIgnored = false;
    for (const line of lines) {
      const pattern = line.replace('!', '');
      if (pattern !== '*' && /[*?[]/.test(pattern)) throw new Error(`the test does not know ${line} in .dockerignore`);
      if (pattern === '*' || file === pattern || file.startsWith(`${pattern}/`)) isIgnored = !line.startsWith('!');
    }
    return isIgnored;
  };
}

async function copyContext(context: string, isIgnored: (file: string) => boolean): Promise<void> {
  for (const top of await readdir(ROOT)) {
    if (isIgnored(top)) continue;
    await cp(path.join(ROOT, top), path.join(context, top), {
      recursive: true,
      filter: (source) => !isIgnored(path.relative(ROOT, source)),
    });
  }
}
