/**
 * Knows the keys of the schema, and the remedy for an unknown key: the key that was probably meant, or the section in
 * which it belongs.
 */
import { z } from 'zod';

import { formatKeyPath, type KeyPath } from './problem.ts';
import { PROMETHEUS_ONLY_KEYS } from './prometheus-keys.ts';
import { configSchema } from './schema.ts';

/** With more changes than this, a suggestion would be a guess. */
const MOST_EDITS = 3;

/** Returns the predicate for an unknown key. */
export function unknownKeyMessage(section: KeyPath, key: string): string {
  return `is an unknown key; ${didYouMean(section, key)}`;
}

/** Returns true for a key in a known section that neither the schema nor the list of Prometheus's keys has. */
export function isUnknownKey(path: KeyPath): boolean {
  const section = sectionName(path.slice(0, -1));
  const key = path.at(-1);
  const siblings = knownKeys().filter((known) => known.section === section);
  if (typeof key === 'number' || siblings.length === 0) return false;
  const isPrometheusOnly = PROMETHEUS_ONLY_KEYS.some(
    (prometheusOnly) => prometheusOnly.section.join('.') === section && prometheusOnly.key === key,
  );
  return !isPrometheusOnly && !siblings.some((known) => known.key === key);
}

function didYouMean(section: KeyPath, key: string): string {
  if (key === '<<') return 'merge keys are not read; write the keys out';
  const here = sectionName(section);
  const keys = knownKeys();
  const siblings = keys.filter((known) => known.section === here);
  const nearest = siblings
    .map((known) => ({ key: known.key, edits: editDistance(plain(known.key), plain(key)) }))
    .toSorted((a, b) => a.edits - b.edits)[0];
  if (nearest?.edits === 0) return `did you mean ${nearest.key}?`;
  // prometheus-operator writes Prometheus's keys in camelCase: sendExemplars.
  const prometheusOnly = PROMETHEUS_ONLY_KEYS.find(
    (each) => each.section.join('.') === here && plain(each.key) === plain(key),
  );
  if (prometheusOnly !== undefined) {
    return `did you mean ${prometheusOnly.key}? That one ${prometheusOnly.verdict === 'ignored' ? 'has no effect' : 'is not supported'}: ${prometheusOnly.reason}`;
  }
  const elsewhere = keys.find((known) => plain(known.key) === plain(key));
  if (elsewhere !== undefined) {
    return `${elsewhere.key} belongs in ${elsewhere.section === '' ? 'the top level of the file' : elsewhere.section}`;
  }
  if (nearest !== undefined && nearest.edits <= Math.min(MOST_EDITS, Math.floor(key.length / 2))) {
    return `did you mean ${nearest.key}?`;
  }
  return `known here: ${siblings.map((known) => known.key).join(', ')}`;
}

/** Returns a path without its list numbers: `remote_write.queue_config`. */
function sectionName(path: KeyPath): string {
  return formatKeyPath(path.filter((part) => typeof part === 'string'));
}

/** Makes `maxShards`, `max-shards` and `max_shards` the same word. */
function plain(key: string): string {
  return key.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

interface KnownKey {
  readonly section: string;
  readonly key: string;
}

function knownKeys(schema: z.core.$ZodType = configSchema, section = ''): KnownKey[] {
  if (schema instanceof z.ZodObject) {
    return Object.entries<z.core.$ZodType>(schema.shape).flatMap(([key, child]) => [
      { section, key },
      ...knownKeys(child, section === '' ? key : `${section}.${key}`),
    ]);
  }
  if (schema instanceof z.ZodArray) return knownKeys(schema.element, section);
  if (schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional)
    return knownKeys(schema.def.innerType, section);
  return [];
}

/** Computes the Levenshtein distance: insertions, deletions and replacements of one character. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [row, left] of a.split('').entries()) {
    const current = [row + 1];
    for (const [column, right] of b.split('').entries()) {
      const replaced = (previous[column] ?? 0) + (left === right ? 0 : 1);
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
