/**
 * Sizes: a whole number with an optional unit. `MB` is 10^6 bytes and `MiB` is 2^20, because AMP's limit is 1 MB
 * and a reader who takes one for the other is 5% over it.
 */

/** A size in whole bytes. */
export type Bytes = number;

const UNITS = [
  ['GiB', 2 ** 30],
  ['GB', 1e9],
  ['MiB', 2 ** 20],
  ['MB', 1e6],
  ['KiB', 2 ** 10],
  ['KB', 1e3],
  ['B', 1],
] as const;

/** Also used as the pattern in the JSON Schema. */
export const SIZE_PATTERN = /^(\d+)(B|KB|KiB|MB|MiB|GB|GiB)?$/;

/** Returns bytes, or undefined if the text is not a size. */
export function tryParseSize(text: string): Bytes | undefined {
  const match = SIZE_PATTERN.exec(text);
  if (match === null) return undefined;
  const unit = match[2] ?? 'B';
  const factor = UNITS.find(([name]) => name === unit)?.[1] ?? 1;
  return Number(match[1]) * factor;
}

/** Returns the size in the largest unit that divides it: 10485760 -> `10MiB`, 1000000 -> `1MB`. */
export function formatSize(bytes: Bytes): string {
  for (const [unit, factor] of UNITS) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return `${bytes}B`;
}
