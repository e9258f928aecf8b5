/** Programs of the machine that a test runs. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** @param variable of the environment, where the program is @returns undefined: a test that needs it is then skipped, visibly */
export function findProgram(name: string, variable: string): string | undefined {
  const given = process.env[variable];
  if (given === undefined || given === '') return findOnPath(name);
  return isExecutable(given) ? given : undefined;
}

/** The first of these names that there is. */
export function findOnPath(...names: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  return names.flatMap((name) => folders.map((folder) => path.join(folder, name))).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
