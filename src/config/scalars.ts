/**
 * The kinds of value that a configuration key can have, as zod schemas.
 *
 * The YAML reader hands over every scalar as text, so that the key decides what it is, not YAML's guess: `0012`
 * stays an external id, and a ${VAR} from the environment can be a number. Numbers and booleans are taken too, for
 * documents that come from JSON (the chart's values).
 *
 * Messages are predicates, as in `is not a duration`: report.ts puts the key and the value as it stands in the file
 * before them. The title names the kind in the table of docs/configuration.md.
 */
import { z } from 'zod';

import { DURATION_PATTERN, formatDuration, type Milliseconds, tryParseDuration } from './durations.ts';
import { type ListenAddress, tryParseListenAddress } from './listen-address.ts';
import { type Bytes, formatSize, SIZE_PATTERN, tryParseSize } from './sizes.ts';

/** Node fires a timer of more than 2^31-1 ms immediately; 24 days is the last whole number of days below it. */
export const LONGEST_DURATION: Milliseconds = 24 * 86_400_000;

/** The kernel's memory is 32-bit, 4 GiB in all: body, decoded body and slack must fit together. */
export const LARGEST_SIZE: Bytes = 2 ** 30;

/** Written for people: in the file, a section is either a set of keys or absent. */
export const SECTION = { error: 'must be a section with keys of its own' } as const;

interface Kind<T> {
  readonly title: string;
  readonly pattern: RegExp;
  readonly refusal: string;
  readonly tryParse: (text: string) => T | undefined;
}

interface Range<T> {
  readonly min: T;
  readonly max: T;
  readonly format: (value: T) => string;
}

export function duration(preset: string, description: string, min: Milliseconds = 1) {
  const kind = {
    title: 'duration',
    pattern: DURATION_PATTERN,
    refusal: 'is not a duration; write it as Prometheus does, for example 50ms, 30s or 1m30s',
    tryParse: tryParseDuration,
  };
  return z
    .union([z.string().regex(kind.pattern, { error: kind.refusal }), z.literal(0)], { error: kind.refusal })
    .transform(reading(kind, { min, max: LONGEST_DURATION, format: formatDuration }))
    .prefault(preset)
    .meta({ title: kind.title, description });
}

export function size(preset: string, description: string, min: Bytes = 1) {
  const kind = {
    title: 'size',
    pattern: SIZE_PATTERN,
    refusal:
      'is not a size; write a whole number of bytes, or with a unit, for example 1MB (10^6) or 10MiB (10 x 2^20)',
    tryParse: tryParseSize,
  };
  return z
    .union([z.string().regex(kind.pattern, { error: kind.refusal }), z.int().nonnegative()], { error: kind.refusal })
    .transform(reading(kind, { min, max: LARGEST_SIZE, format: formatSize }))
    .prefault(preset)
    .meta({ title: kind.title, description });
}

export function wholeNumber(preset: number, description: string, max: number, min = 1) {
  const kind = {
    title: 'number',
    pattern: /^\d+$/,
    refusal: 'is not a whole number; write digits only, for example 50',
    tryParse: Number,
  };
  return z
    .union([z.int().nonnegative(), z.string().regex(kind.pattern, { error: kind.refusal })], { error: kind.refusal })
    .transform(reading(kind, { min, max, format: String }))
    .prefault(preset)
    .meta({ title: kind.title, description });
}

export function flag(preset: boolean, description: string) {
  return z
    .union([z.boolean(), z.enum(['true', 'false'])], { error: 'is not true or false; write one of the two' })
    .transform((input) => String(input) === 'true')
    .prefault(preset)
    .meta({ title: 'true or false', description });
}

export function choice<const Names extends readonly [string, ...string[]]>(
  names: Names,
  preset: Names[number],
  description: string,
) {
  return z
    .enum(names, { error: `is not one of ${names.join(', ')}; write one of these` })
    .prefault(preset)
    .meta({ title: names.join(', '), description });
}

/** A text key without a default: absent means not set. */
export function optionalText(description: string) {
  return z.string({ error: 'must be text' }).optional().meta({ title: 'text', description });
}

/** A section whose keys are the user's own, each with a text. */
export function textMap(description: string) {
  return z
    .record(z.string(), z.string({ error: 'must be text' }), { error: 'must be a section of names, each with a text' })
    .optional()
    .meta({ title: 'section', description });
}

export function listenAddress(preset: string, description: string) {
  return address().prefault(preset).meta({ title: 'address', description });
}

/** An address that is listened on only when it is given. */
export function optionalListenAddress(description: string) {
  return address().optional().meta({ title: 'address', description });
}

function address() {
  return z.string({ error: 'must be an address such as [::]:8005' }).transform((input, context): ListenAddress => {
    const parsed = tryParseListenAddress(input);
    if (parsed !== undefined) return parsed;
    context.addIssue({
      code: 'custom',
      message: 'is not an address to listen on; write host:port, [IPv6]:port or :port, with a port from 0 to 65535',
    });
    return z.NEVER;
  });
}

function reading<T extends number>(kind: Kind<T>, range: Range<T>) {
  return (input: string | number, context: z.RefinementCtx): T => {
    const value = kind.tryParse(String(input));
    const refuse = (message: string): T => {
      context.addIssue({ code: 'custom', message });
      return z.NEVER;
    };
    if (value === undefined) return refuse(kind.refusal);
    if (value < range.min) return refuse(`is below the minimum of ${range.format(range.min)}; raise it`);
    if (value > range.max) return refuse(`is above the maximum of ${range.format(range.max)}; lower it`);
    return value;
  };
}
