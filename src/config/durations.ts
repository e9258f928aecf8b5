/**
 * Durations as Prometheus writes them: `1h30m`, `50ms`, `0`.
 *
 * Units go from large to small and each appears at most once, as in Prometheus's own parser, so that a section pasted
 * from a prometheus.yml reads the same in both.
 */

/** A length of time in whole milliseconds. */
export type Milliseconds = number;

const UNITS = [
  ['y', 365 * 86_400_000],
  ['w', 7 * 86_400_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;

/**
 * Also used as the pattern in the JSON Schema, which Helm gives to Go's RE2. RE2 has no look-ahead, so the empty text
 * passes here and is refused below.
 */
export const DURATION_PATTERN = /^(?:0|(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?)$/;

/** Returns milliseconds, or undefined if the text is not a duration. */
export function tryParseDuration(text: string): Milliseconds | undefined {
  if (text === '' || !DURATION_PATTERN.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|[ywdhms])/g)) {
    const factor = UNITS.find(([name]) => name === unit)?.[1];
    total += Number(count) * (factor ?? 0);
  }
  return total;
}

/** Returns the shortest way to write it: 90000 -> `1m30s`. */
export function formatDuration(milliseconds: Milliseconds): string {
  let rest = milliseconds;
  let text = '';
  for (const [unit, factor] of UNITS) {
    const count = Math.floor(rest / factor);
    if (count === 0) continue;
    text += `${count}${unit}`;
    rest -= count * factor;
  }
  return text === '' ? '0s' : text;
}
