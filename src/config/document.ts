/**
 * Generates the tables of docs/configuration.md from the schema and the list of Prometheus's keys.
 *
 *     node src/config/document.ts                                prints them
 *     node src/config/document.ts --write docs/configuration.md  puts them between the markers
 */
import { readFileSync, writeFileSync } from 'node:fs';

import { configJsonSchema, type JsonSchema, sectionOf } from './json-schema.ts';
import { PROMETHEUS_ONLY_KEYS, type PrometheusOnlyKey } from './prometheus-keys.ts';

export const START_MARKER = '<!-- configuration:start -->';
export const END_MARKER = '<!-- configuration:end -->';

/**
 * Returns Markdown: a table of all keys, one of Prometheus's keys that are ignored, and one of those that are refused.
 */
export function configurationDocument(): string {
  const ignored = PROMETHEUS_ONLY_KEYS.filter(({ verdict }) => verdict === 'ignored');
  const refused = PROMETHEUS_ONLY_KEYS.filter(({ verdict, section }) => verdict === 'refused' && section.length > 0);
  return [
    '| key | value | default | meaning |',
    '|---|---|---|---|',
    ...keyRows(configJsonSchema(), ''),
    '',
    "These keys of Prometheus's own section have no effect here. Each is accepted with a warning:",
    '',
    '| key | why |',
    '|---|---|',
    ...ignored.map(prometheusOnlyRow),
    '',
    'These would change the data, the route or the signature. Each is an error that names the key:',
    '',
    '| key | why, and what to do instead |',
    '|---|---|',
    ...refused.map(prometheusOnlyRow),
  ].join('\n');
}

/** @throws Error if the text has no pair of markers */
export function withConfigurationDocument(markdown: string): string {
  const start = markdown.indexOf(START_MARKER);
  const end = markdown.indexOf(END_MARKER);
  if (start === -1 || end < start) throw new Error(`no ${START_MARKER} followed by ${END_MARKER}`);
  const head = markdown.slice(0, start + START_MARKER.length);
  return `${head}\n\n${configurationDocument()}\n\n${markdown.slice(end)}`;
}

function keyRows(section: JsonSchema, prefix: string): string[] {
  return Object.entries(section.properties ?? {}).flatMap(([key, property]) => {
    // Prometheus's keys without effect have no type here; they have a table of their own.
    if (typeof property === 'boolean' || property.anyOf === undefined) return [];
    const inner = sectionOf(property);
    const isList = property.anyOf.some((each) => each.type === 'array');
    const path = `${prefix}${key}`;
    if (inner.properties === undefined) {
      const preset =
        property.default === undefined ? '' : `\`${JSON.stringify(property.default).replaceAll('"', '')}\``;
      return [tableRow(`\`${path}\``, property.title ?? '', preset, property.description ?? '')];
    }
    const kind = isList ? 'list' : 'section';
    const heading = tableRow(`**\`${path}\`**`, kind, '', property.description ?? '');
    return [heading, ...keyRows(inner, `${path}${isList ? '[].' : '.'}`)];
  });
}

function prometheusOnlyRow({ section, key, reason }: PrometheusOnlyKey): string {
  return tableRow(`\`${[...section, key].join('.').replace('remote_write.', 'remote_write[].')}\``, reason);
}

function tableRow(...cells: string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`;
}

if (import.meta.main) {
  const [option, file] = process.argv.slice(2);
  if (option === '--write' && file !== undefined) {
    writeFileSync(file, withConfigurationDocument(readFileSync(file, 'utf8')));
  } else {
    process.stdout.write(`${configurationDocument()}\n`);
  }
}
