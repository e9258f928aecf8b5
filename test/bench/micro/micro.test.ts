import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { ROOT } from '../../support/processes.ts';

const MICRO = path.join(ROOT, 'bench/micro');

async function run(file: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(MICRO, file), ...args]);
  return stdout;
}

/** The tables in what was printed: a title, a line of heads, and a line for each contender, indented by two. */
function tablesIn(printed: string): { heads: string; lines: string[] }[] {
  return [...printed.matchAll(/^\S.*\n {3,}(\S.*)\n((?: {2}\S.*\n)+)/gmu)].map(([, heads = '', lines = '']) => ({
    heads,
    lines: lines.trimEnd().split('\n'),
  }));
}

test('bench:micro runs every micro-bench, and each prints figures for its contenders', async () => {
  const [, ...parts] = (await run('main.ts', '0.001')).split(/^== /mu);
  const measuring = readdirSync(MICRO).filter((file) =>
    /^ *await measure/mu.test(readFileSync(path.join(MICRO, file), 'utf8')),
  );
  expect(parts.map((part) => `${part.split(' ', 1)[0]}.ts`).toSorted()).toEqual(measuring.toSorted());
  for (const part of parts) {
    expect(part).not.toMatch(/NaN|Infinity|undefined/u);
    const tables = tablesIn(part);
    expect(tables.length).toBeGreaterThan(2);
    for (const { heads, lines } of tables) {
      expect(heads).toMatch(/^ns\/\w+ +\w+\/s( |$)/u);
      expect(lines.length).toBeGreaterThan(1);
      for (const line of lines.filter((line) => !line.includes('raw / encoded'))) {
        expect(line).toMatch(/^ {2}\S.*? {2,}[\d. ]*\d {2,}[\d. ]*\d( |$)/u);
      }
    }
  }
});

test('a micro-bench refuses a time that is none', async () => {
  await expect(run('queue.ts', 'long')).rejects.toThrow('seconds for each figure must be more than 0, and are long');
});
