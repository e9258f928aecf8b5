/** Programs of the machine that a test runs. */
import path from 'node:path';
import { isExecutable } from '../../bench/rig/executable.ts';

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

/** A program of PEERS_DIR, where real senders and receivers are, or of PATH. */
export function findPeer(name: string): string | undefined {
  const folder = process.env['PEERS_DIR'];
  const peer = folder === undefined ? '' : path.join(folder, name);
  return peer !== '' && isExecutable(peer) ? peer : findOnPath(name);
}
