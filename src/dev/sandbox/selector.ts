/** Bare series selectors: `up`, `up{job="x"}`, `{__name__="up"}`. Equality only, no functions, no ranges. */
import type { Label } from './write-request.ts';

const SELECTOR = /^\s*(?<metric>[a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(?:\{(?<matchers>.*)\})?\s*$/su;
const MATCHER = /\s*(?<name>[a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*(?<value>"(?:[^"\\]|\\.)*")\s*(?:,|$)/suy;

/** A test of label sets, or undefined when `text` is more than a bare selector. */
export function parseSelector(text: string): ((labels: readonly Label[]) => boolean) | undefined {
  const groups = SELECTOR.exec(text)?.groups;
  if (groups === undefined || (groups['metric'] === undefined && groups['matchers'] === undefined)) return undefined;
  const wanted: Label[] = [];
  if (groups['metric'] !== undefined) wanted.push({ name: '__name__', value: groups['metric'] });
  const matchers = groups['matchers'] ?? '';
  MATCHER.lastIndex = 0;
  while (MATCHER.lastIndex < matchers.trimEnd().length) {
    const { name, value } = MATCHER.exec(matchers)?.groups ?? {};
    if (name === undefined || value === undefined) return undefined;
    const parsed = tryParseString(value);
    if (parsed === undefined) return undefined;
    wanted.push({ name, value: parsed });
  }
  return (labels) =>
    wanted.every((matcher) => (labels.find(({ name }) => name === matcher.name)?.value ?? '') === matcher.value);
}

function tryParseString(literal: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(literal);
    return typeof parsed === 'string' ? parsed : undefined;
  } catch {
    return undefined;
  }
}
