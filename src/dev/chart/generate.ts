/**
 * Generates two files from the chart's values.yaml and the configuration schema: values.schema.json and the table of
 * values in the chart's README.
 *
 *     node src/dev/chart/generate.ts           reports outdated files, and fails if there are any
 *     node src/dev/chart/generate.ts --write   writes them
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { isSection, readValuesFile, type DocumentedValue } from './values-file.ts';
import { valuesJsonSchema } from './values-schema.ts';

const CHART = fileURLToPath(new URL('../../../charts/amp-write-proxy/', import.meta.url));
const START_MARKER = '<!-- values:start -->';
const END_MARKER = '<!-- values:end -->';
/** Longer defaults are not shown; the reader finds them in values.yaml. */
const LONGEST_PRESET = 60;

/** Maps a file name in the chart to its content. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const text = readFileSync(`${CHART}values.yaml`, 'utf8');
  const presets: unknown = parse(text);
  if (!isSection(presets)) throw new Error('values.yaml holds no section');
  const values = readValuesFile(text);
  const readme = readFileSync(`${CHART}README.md`, 'utf8');
  return new Map([
    ['values.schema.json', `${JSON.stringify(valuesJsonSchema(values, presets), undefined, 2)}\n`],
    ['README.md', withTable(readme, values)],
  ]);
}

/** @throws Error if the text has no pair of markers */
function withTable(readme: string, values: readonly DocumentedValue[]): string {
  const start = readme.indexOf(START_MARKER);
  const end = readme.indexOf(END_MARKER);
  if (start === -1 || end < start) throw new Error(`no ${START_MARKER} followed by ${END_MARKER}`);
  const rows = values.map(
    ({ path, preset, description }) => `| \`${path.join('.')}\` | ${presetOf(preset)} | ${cell(description)} |`,
  );
  const table = ['| key | default | meaning |', '|---|---|---|', ...rows].join('\n');
  return `${readme.slice(0, start + START_MARKER.length)}\n\n${table}\n\n${readme.slice(end)}`;
}

function presetOf(preset: unknown): string {
  const text = JSON.stringify(preset);
  return text.length > LONGEST_PRESET ? 'see values.yaml' : `\`${cell(text)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`);
}

if (import.meta.main) {
  const writes = process.argv.includes('--write');
  for (const [name, content] of generatedFiles()) {
    if (writes) writeFileSync(`${CHART}${name}`, content);
    else if (readFileSync(`${CHART}${name}`, 'utf8') !== content) {
      process.stderr.write(`${name} is out of date: npm run chart:generate\n`);
      process.exitCode = 1;
    }
  }
}
