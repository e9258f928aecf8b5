import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/outcome/errors.ts';
import { run, temporaryDirectory } from '../support/processes.ts';
import { containerOf, fileIn } from './container.ts';
import { CHART, helm, lint, pick, render, type Manifest } from './helm.ts';
import { problemsOf } from './strict-kubernetes.ts';

/** UPDATE_GOLDEN=1 writes them anew; look at the difference before you commit it. */
const GOLDEN = path.join(import.meta.dirname, 'golden');
const UPDATES = process.env['UPDATE_GOLDEN'] === '1';
const FEATURES = (await readdir(path.join(CHART, 'ci'))).map((name) => name.replace('-values.yaml', ''));

const hasOwnFiles = ['dashboard.json', 'rules.yaml'].every((name) => existsSync(path.join(CHART, 'files', name)));
/** The size that the server takes, less some space for metadata. */
const LARGEST_CONFIG_MAP = 1_000_000;

function valuesOf(feature: string): string {
  return path.join(CHART, 'ci', `${feature}-values.yaml`);
}

describe.skipIf(helm === undefined)('the chart, rendered by helm', () => {
  test.each(FEATURES)('with the values of %s, is what it was', async (feature) => {
    const { text } = render({ files: [valuesOf(feature)] });
    const golden = path.join(GOLDEN, `${feature}.yaml`);
    if (UPDATES) {
      await mkdir(GOLDEN, { recursive: true });
      await writeFile(golden, text);
    }
    expect(text).toBe(await readFile(golden, 'utf8'));
  });

  test.each(FEATURES)('with the values of %s, has only fields that Kubernetes knows', async (feature) => {
    for (const kubernetes of feature === 'service' ? ['1.33.0'] : ['1.25.0', '1.33.0']) {
      const { manifests } = render({ files: [valuesOf(feature)], kubernetes });
      const problems = await Promise.all(manifests.map(problemsOf));
      expect(problems.flat()).toEqual([]);
    }
  });

  test.each(FEATURES)('with the values of %s, passes helm lint --strict', (feature) => {
    expect(lint(valuesOf(feature))).toBe('');
  });

  test.each(FEATURES.filter((feature) => feature !== 'existing-config'))(
    'with the values of %s, has a configuration that the proxy can use',
    (feature) => {
      const { manifests } = render({ files: [valuesOf(feature)] });
      const env = { ...containerOf(pick(manifests, 'Deployment')).env, AWS_REGION: 'us-west-2' };
      expect(problemsOfConfig(configOf(manifests), env)).toEqual([]);
    },
  );

  test('passes --check-config of the command line too', async () => {
    const { manifests } = render({ files: [valuesOf('limits')] });
    const text = configOf(manifests);
    const file = path.join(await temporaryDirectory(), 'config.yaml');
    const args = ['src/cli.ts', 'serve', '--config', file, '--check-config'];
    await writeFile(file, text);
    expect(await run(process.execPath, args)).toMatchObject({ status: 0 });
    await writeFile(file, text.replace('max_shards', 'max_shard'));
    expect(await run(process.execPath, args)).toMatchObject({ status: 1 });
  });

  test('with a dashboard and rules of its own, carries them unchanged', async () => {
    const { manifests } = render({ files: [valuesOf('service-monitor')] });
    expect(pick(manifests, 'ConfigMap', '-dashboard')['data']).toEqual({
      'amp-write-proxy.json': '{ "title": "placeholder {{instance}}" }\n',
    });
    expect(JSON.stringify(pick(manifests, 'PrometheusRule'))).toContain('{{ $labels.pod }} is gone');
  });
});

describe.skipIf(helm === undefined || !hasOwnFiles)('the chart with its own dashboard and rules', () => {
  test('renders them as what Kubernetes and the Prometheus Operator take', async () => {
    const { manifests } = render({ files: [valuesOf('service-monitor')], asIs: true });
    const dashboard = pick(manifests, 'ConfigMap', '-dashboard');
    expect(Buffer.byteLength(JSON.stringify(dashboard))).toBeLessThan(LARGEST_CONFIG_MAP);
    expect(JSON.parse(fileIn(dashboard, 'amp-write-proxy.json'))).toHaveProperty('panels');
    expect((await Promise.all(manifests.map(problemsOf))).flat()).toEqual([]);
  });
});

describe('the strict check', () => {
  const containers = [{ name: 'a', image: 'b' }];

  test('accepts a manifest that is right', async () => {
    expect(await problemsOf(pod({ containers, nodeSelector: { any: 'key' } }))).toEqual([]);
  });

  test.each([
    ['an unknown field', { containers, contianers: [] }, '/spec/contianers: is no field'],
    ['an unknown field deep inside', { containers: [{ ...containers[0], livenessProbe: { httpget: {} } }] }, 'httpget'],
    ['a wrong type', { containers, terminationGracePeriodSeconds: '30' }, '/spec/terminationGracePeriodSeconds'],
    ['a missing field', { containers: [{ image: 'b' }] }, '"missingProperty":"name"'],
    ['an empty field', { containers, tolerations: null }, '/spec/tolerations: is empty'],
  ])('refuses %s', async (_what, spec, problem) => {
    expect((await problemsOf(pod(spec))).join('\n')).toContain(problem);
  });

  test('refuses an unknown field of a custom resource', async () => {
    const monitor = {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'ServiceMonitor',
      metadata: { name: 'a' },
      spec: { selector: {}, endpoints: [{ port: 'admin', intervall: '1s' }] },
    };
    expect(await problemsOf(monitor)).toEqual([
      'ServiceMonitor a: /spec/endpoints/0/intervall: is no field of this type',
    ]);
  });
});

function pod(spec: object): Manifest {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec };
}

function configOf(manifests: readonly Manifest[]): string {
  return fileIn(pick(manifests, 'ConfigMap', '-config'), 'config.yaml');
}

function problemsOfConfig(text: string, env: Record<string, string>): readonly string[] {
  try {
    parseConfig(text, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}
