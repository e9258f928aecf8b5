/**
 * The configuration file as JSON Schema (draft-07), for the chart's values.schema.json and for editors.
 *
 * It checks single values; only parseConfig checks rules on several keys. It adds three things to zod's output, since
 * parseConfig allows them: null for a key that is not given, a text with a ${VAR} for any scalar, and Prometheus's keys
 * without effect.
 */
import { z } from 'zod';

import { PROMETHEUS_ONLY_KEYS } from './prometheus-keys.ts';
import { configSchema } from './schema.ts';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** A value with a variable is checked once the variable is filled in. */
const WITH_VARIABLE: JsonSchema = { type: 'string', pattern: String.raw`\$\{` };

export function configJsonSchema(): JsonSchema {
  const schema: JsonSchema = z.toJSONSchema(configSchema, { target: 'draft-07', io: 'input' });
  allowInSections(schema);
  for (const { section, key, verdict, reason } of PROMETHEUS_ONLY_KEYS) {
    const properties = propertiesAt(schema, section);
    if (verdict === 'ignored' && properties !== undefined) properties[key] = { description: `No effect: ${reason}.` };
  }
  return schema;
}

/** Returns the properties of a section, stepping through lists. The table in docs/configuration.md uses them too. */
function propertiesAt(schema: JsonSchema, section: readonly string[]): JsonSchema['properties'] {
  let current: JsonSchema = schema;
  for (const key of section) {
    const property = sectionOf(current).properties?.[key];
    if (property === undefined || typeof property === 'boolean') return undefined;
    current = property;
  }
  return sectionOf(current).properties;
}

/** Returns the section that a property is or may be: itself, its list's items, or one of its alternatives. */
export function sectionOf(property: JsonSchema): JsonSchema {
  const alternative = property.anyOf?.find((each) => typeof each !== 'boolean' && each.type !== 'null');
  const chosen = typeof alternative === 'object' ? alternative : property;
  const items = chosen.items;
  return typeof items === 'object' && !Array.isArray(items) ? items : chosen;
}

function allowInSections(section: JsonSchema): void {
  for (const [key, property] of Object.entries(section.properties ?? {})) {
    if (typeof property === 'boolean' || section.properties === undefined) continue;
    allowInSections(sectionOf(property));
    section.properties[key] = allowing(property, section.required?.includes(key) === true);
  }
}

function allowing(property: JsonSchema, isRequired: boolean): JsonSchema {
  const { title, description, default: preset, anyOf, ...rest } = property;
  const alternatives = anyOf ?? [rest];
  const isScalar = alternatives.every((each) => each.type !== 'object' && each.type !== 'array');
  const isPlainText = rest.type === 'string' && rest.pattern === undefined && rest.enum === undefined;
  return {
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    ...(preset === undefined ? {} : { default: preset }),
    anyOf: [
      ...alternatives,
      ...(isScalar && !isPlainText ? [WITH_VARIABLE] : []),
      ...(isRequired ? [] : [{ type: 'null' } as const]),
    ],
  };
}
