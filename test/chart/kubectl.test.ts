/**
 * kubectl reads workloads into Go's own types without a server: what it does not know is gone from what it prints, and
 * what is of a wrong type it refuses. KUBECTL_BIN names it, or PATH has it.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { isSection } from '../../src/dev/chart/values-file.ts';
import { CHART, helm, pick, render, type Manifest } from './helm.ts';

const KUBECTL = process.env['KUBECTL_BIN'] ?? 'kubectl';
const hasKubectl = spawnSync(KUBECTL, ['version', '--client'], { encoding: 'utf8' }).status === 0;
const FEATURES = readdirSync(path.join(CHART, 'ci'));

describe.skipIf(helm === undefined || !hasKubectl)('kubectl', () => {
  test.each(FEATURES)('with %s, keeps every field of the Deployment', (feature) => {
    const { manifests } = render({ files: [path.join(CHART, 'ci', feature)] });
    const deployment = pick(manifests, 'Deployment');
    expect(lostFrom(deployment, read(deployment), '')).toEqual([]);
  });

  test('keeps every field of the pod of helm test', () => {
    const pod = pick(render({ files: [path.join(CHART, 'ci/tls-values.yaml')] }).manifests, 'Pod', '-test');
    expect(lostFrom(pod, read(pod), '')).toEqual([]);
  });

  test('loses a field that it does not know, and refuses a wrong type', () => {
    const { manifests } = render({ files: [path.join(CHART, 'ci/secret-values.yaml')] });
    const deployment = pick(manifests, 'Deployment');
    const spec = isSection(deployment['spec']) ? deployment['spec'] : {};
    const odd = { ...deployment, spec: { ...spec, replcas: 2 } };
    expect(lostFrom(odd, read(odd), '')).toEqual(['/spec/replcas']);
    expect(() => read({ ...deployment, spec: { ...spec, minReadySeconds: 'many' } })).toThrow(
      /cannot unmarshal string/,
    );
  });
});

/** Reads the manifest as kubectl understands it. */
function read(manifest: Manifest): unknown {
  // It wants something to set: the container gets an image.
  const container = manifest.kind === 'Pod' ? 'probe' : 'proxy';
  const args = ['set', 'image', '--local', '--filename', '-', '--output', 'json', `${container}=another`];
  const { status, stdout, stderr } = spawnSync(KUBECTL, args, { input: stringify(manifest), encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** @returns the paths of what is in `given` and not in `kept` */
function lostFrom(given: unknown, kept: unknown, where: string): string[] {
  if (typeof given !== 'object' || given === null) return kept === undefined ? [where] : [];
  return Object.entries(given).flatMap(([key, value]: [string, unknown]) => {
    const inner: unknown = typeof kept === 'object' && kept !== null ? Reflect.get(kept, key) : undefined;
    return inner === undefined ? [`${where}/${key}`] : lostFrom(value, inner, `${where}/${key}`);
  });
}
