/**
 * values.schema.json: the chart's values as their file documents them, and below `config` the proxy's own configuration
 * schema. Helm checks values against it before anything is rendered.
 */
import { configJsonSchema } from '../../config/json-schema.ts';
import { isSection, type DocumentedValue } from './values-file.ts';

type Schema = Record<string, unknown>;

export function valuesJsonSchema(
  values: readonly DocumentedValue[],
  presets: Readonly<Record<string, unknown>>,
): Schema {
  const root = sectionSchema(values, presets, []);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of charts/amp-write-proxy',
    ...root,
    // Helm passes this key to every chart.
    properties: { ...(isSection(root['properties']) ? root['properties'] : {}), global: { type: 'object' } },
  };
}

function sectionSchema(values: readonly DocumentedValue[], section: Schema, path: readonly string[]): Schema {
  const properties = Object.fromEntries(
    Object.entries(section).map(([key, preset]) => [key, valueSchema(values, preset, [...path, key])]),
  );
  return { type: 'object', additionalProperties: false, properties };
}

function valueSchema(values: readonly DocumentedValue[], preset: unknown, path: readonly string[]): Schema {
  const own = values.find((value) => isSame(value.path, path));
  const description = own === undefined ? {} : { description: own.description };
  if (path.length === 1 && path[0] === 'config') return { ...description, ...configSection() };
  if (isSection(preset) && values.some((value) => value.path.length > path.length && isBelow(value.path, path))) {
    return { ...description, ...sectionSchema(values, preset, path) };
  }
  return { ...description, ...typeOf(preset), ...own?.extraSchema };
}

/** Missing keys are reported by the chart in a sentence, and `existingConfigMap` may hold them. */
function configSection(): Schema {
  const { $schema: _draft, required: _required, ...schema } = configJsonSchema();
  return schema;
}

function typeOf(preset: unknown): Schema {
  if (preset === null) return {};
  if (Array.isArray(preset)) return { type: 'array' };
  if (Number.isInteger(preset)) return { type: 'integer' };
  return { type: typeof preset };
}

function isBelow(path: readonly string[], section: readonly string[]): boolean {
  return section.every((key, index) => path[index] === key);
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && isBelow(a, b);
}
