import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { watchFiles } from '../../src/platform/watched-file.ts';

/** Longer than the interval of the watch. */
const CHECKED_MS = 6_000;

let folder = '';
let stops: (() => void)[] = [];
let used: string[][] = [];
let logged: { level: 'info' | 'error'; text: string }[] = [];

const log = {
  info: (fields: object, message: string): void =>
    void logged.push({ level: 'info', text: `${message} ${JSON.stringify(fields)}` }),
  error: (fields: object, message: string): void =>
    void logged.push({ level: 'error', text: `${message} ${JSON.stringify(fields)}` }),
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'amp-write-proxy-watch-'));
  // Only the timer of the watch; the files are real, and reading them takes real time.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  used = [];
  logged = [];
});

afterEach(() => {
  for (const stop of stops) stop();
  stops = [];
  vi.useRealTimers();
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, content: string): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}

function watch(
  files: string[],
  use: (contents: string[]) => void = (contents) => void used.push(contents),
): () => void {
  const stop = watchFiles(files, use, log);
  stops.push(stop);
  return stop;
}

/** Lets the watch look, and read what it wants to. */
async function check(): Promise<void> {
  vi.advanceTimersByTime(CHECKED_MS);
  await new Promise((resolve) => {
    setTimeout(resolve, 200);
  });
}

describe('at the start', () => {
  test('the files are read at once, in their order', () => {
    watch([write('a', 'one'), write('b', 'two')]);
    expect(used).toEqual([['one', 'two']]);
  });

  test('a file that is missing is thrown', () => {
    expect(() => watch([join(folder, 'missing')])).toThrow('missing');
  });

  test('unusable content is thrown at the first read', () => {
    const file = write('a', 'one');
    expect(() =>
      watch([file], ([content = '']) => {
        throw new Error(`cannot use ${content}`);
      }),
    ).toThrow('cannot use one');
  });
});

describe('later', () => {
  test('files that did not change are not used again', async () => {
    watch([write('a', 'one')]);
    await check();
    write('a', 'one');
    await check();
    expect(used).toEqual([['one']]);
    expect(logged).toEqual([]);
  });

  test('all files are passed on when one of them has changed', async () => {
    const files = [write('a', 'one'), write('b', 'two')];
    watch(files);
    write('b', 'three');
    await check();
    expect(used).toEqual([
      ['one', 'two'],
      ['one', 'three'],
    ]);
    expect(logged.map(({ level }) => level)).toEqual(['info']);
  });

  test('a symbolic link that is swapped, as Kubernetes does it, is a change', async () => {
    for (const version of ['v1', 'v2']) {
      mkdirSync(join(folder, version));
      write(join(version, 'token'), `token of ${version}`);
    }
    symlinkSync('v1', join(folder, '..data'));
    symlinkSync(join('..data', 'token'), join(folder, 'token'));
    watch([join(folder, 'token')]);
    symlinkSync('v2', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    await check();
    expect(used).toEqual([['token of v1'], ['token of v2']]);
  });

  test('a file that is gone is logged, and taken up again when it is back', async () => {
    const file = write('a', 'one');
    watch([file]);
    rmSync(file);
    await check();
    expect(used).toEqual([['one']]);
    expect(logged.map(({ level }) => level)).toEqual(['error']);
    write('a', 'two');
    await check();
    expect(used).toEqual([['one'], ['two']]);
  });

  test('content that is refused is logged once, without the content', async () => {
    watch([write('a', 'good')], ([content = '']) => {
      if (content.startsWith('bad')) throw new Error('cannot be used');
      used.push([content]);
    });
    write('a', 'bad secret');
    await check();
    await check();
    expect(logged).toHaveLength(1);
    expect(logged[0]).toMatchObject({ level: 'error' });
    expect(logged[0]?.text).toContain('cannot be used');
    expect(logged[0]?.text).not.toContain('secret');
    write('a', 'good again');
    await check();
    expect(used).toEqual([['good'], ['good again']]);
  });

  test('the last good content that comes back is used', async () => {
    watch([write('a', 'good')], ([content = '']) => {
      if (content === 'bad') throw new Error('cannot be used');
      used.push([content]);
    });
    write('a', 'bad');
    await check();
    write('a', 'good');
    await check();
    expect(used).toEqual([['good'], ['good']]);
    expect(logged.map(({ level }) => level)).toEqual(['error', 'info']);
  });

  test('nothing is read after the end of the watch', async () => {
    const stop = watch([write('a', 'one')]);
    stop();
    write('a', 'two');
    await check();
    expect(used).toEqual([['one']]);
  });

  test('a read that was pending when the watch ended is not used', async () => {
    const stop = watch([write('a', 'one')]);
    write('a', 'two');
    vi.advanceTimersByTime(CHECKED_MS);
    stop();
    await check();
    expect(used).toEqual([['one']]);
  });
});
