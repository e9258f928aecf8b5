import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { proxyValues } from '../../src/commands/bootstrap/output.ts';
import { generatedFiles } from '../../src/dev/chart/generate.ts';
import { isSection, readValuesFile } from '../../src/dev/chart/values-file.ts';
import { CHART } from './helm.ts';
import { OUTPUTS } from './outputs.ts';

const VALUES = readFileSync(path.join(CHART, 'values.yaml'), 'utf8');

function readYamlFile(name: string): unknown {
  return parse(readFileSync(path.join(CHART, name), 'utf8'));
}

describe("the chart's generated files", () => {
  test.each([...generatedFiles()])('%s is up to date (npm run chart:generate)', (name, content) => {
    expect(readFileSync(path.join(CHART, name), 'utf8')).toBe(content);
  });

  test('document every value: each key has a comment, or is inside one that has', () => {
    const documented = readValuesFile(VALUES).map((value) => value.path.join('.'));
    const isCovered = (key: string): boolean => documented.some((each) => key === each || key.startsWith(`${each}.`));
    const keys = leavesOf(parse(VALUES), '');
    expect(keys.filter((key) => !isCovered(key))).toEqual([]);
    expect(keys.length).toBeGreaterThan(80);
  });

  test('the schema is draft-07 that Helm can read, and takes every ci file and the defaults', () => {
    const schema: unknown = JSON.parse(readFileSync(path.join(CHART, 'values.schema.json'), 'utf8'));
    if (!isSection(schema)) throw new Error('no schema');
    expect(schema['$schema']).toBe('http://json-schema.org/draft-07/schema#');
    expect(JSON.stringify(schema)).not.toMatch(/\(\?[=!<]/);
    const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(schema);
    for (const name of ['values.yaml', ...readdirSync(path.join(CHART, 'ci')).map((each) => `ci/${each}`)]) {
      validate(readYamlFile(name));
      expect({ name, errors: validate.errors }).toEqual({ name, errors: null });
    }
    expect(validate({ config: { remote_write: [{ url: 'https://a', remote_timeot: '1s' }] } })).toBe(false);
  });

  test('version of the chart and the application are those of the package', () => {
    expect(readYamlFile('Chart.yaml')).toMatchObject({ appVersion: packageJson.version });
  });

  test('ci/bootstrap-values.yaml is what bootstrap prints', () => {
    expect(readYamlFile('ci/bootstrap-values.yaml')).toEqual(proxyValues(OUTPUTS));
  });

  test.each(['irsa', 'pod-identity'] as const)('takes what bootstrap prints for %s without an edit', (identity) => {
    const printed = proxyValues({ ...OUTPUTS, identity });
    const schema: unknown = JSON.parse(readFileSync(path.join(CHART, 'values.schema.json'), 'utf8'));
    if (!isSection(schema)) throw new Error('no schema');
    const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(schema);
    validate(printed);
    expect(validate.errors).toBeNull();
  });
});

function leavesOf(value: unknown, prefix: string): string[] {
  if (!isSection(value)) return [prefix];
  const entries = Object.entries(value);
  if (entries.length === 0) return [prefix];
  return entries.flatMap(([key, inner]) => leavesOf(inner, prefix === '' ? key : `${prefix}.${key}`));
}
