// A bench as a program: a directory of its own, and whatever it has started ended with it, also by Ctrl-C.
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isEnding, stopAll } from './children.ts';

/** Runs `main` with a directory that is removed afterwards. What it throws is told, and makes the exit status 1. */
export async function runInDirectory(name: string, main: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(path.join(os.tmpdir(), `amp-write-proxy-${name}-`));
  const cleanUp = async (): Promise<void> => {
    await stopAll();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // npm and timeout(1) pass a signal on that the terminal's group has had already: only the first one counts.
    process.on(signal, () => {
      if (isEnding()) return;
      void cleanUp().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
    });
  }
  try {
    await main(directory);
  } catch (error) {
    if (!isEnding()) console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  } finally {
    if (!isEnding()) await cleanUp();
  }
}
