/** The captured request bodies of test/fixtures/wire, by name. */
import { readFileSync, readdirSync } from 'node:fs';

const FOLDER = new URL('../fixtures/wire/', import.meta.url);

export function wireBody(name: string): Buffer {
  return readFileSync(new URL(`${name}.bin`, FOLDER));
}

export const WIRE_NAMES: readonly string[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.bin'))
  .map((file) => file.slice(0, -'.bin'.length));
