import { accessSync, constants } from 'node:fs';

/** Returns true if such a program exists and may be run. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
