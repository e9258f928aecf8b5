/** Reads of a rendered manifest what a kubelet would act on. */
import { z } from 'zod';
import type { Manifest } from './helm.ts';

const podSpec = z.object({
  containers: z
    .array(
      z.object({
        name: z.string(),
        args: z.array(z.string()).default([]),
        env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]),
        volumeMounts: z.array(z.object({ mountPath: z.string() })).default([]),
      }),
    )
    .min(1),
});
const spec = z.union([podSpec, z.object({ template: z.object({ spec: podSpec }) })]);

export interface Container {
  readonly args: readonly string[];
  /** The variables that are given by value; Secrets are not known here. */
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly string[];
}

/** The first container of a Pod or of a Deployment's pods. */
export function containerOf(manifest: Manifest): Container {
  const parsed = spec.parse(manifest['spec']);
  const [container] = ('template' in parsed ? parsed.template.spec : parsed).containers;
  if (container === undefined) throw new Error(`${manifest.kind} has no container`);
  const env = Object.fromEntries(
    container.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const])),
  );
  return { args: container.args, env, mounts: container.volumeMounts.map(({ mountPath }) => mountPath) };
}

/** A file of a ConfigMap. */
export function fileIn(configMap: Manifest, name: string): string {
  const text = z.record(z.string(), z.string()).parse(configMap['data'])[name];
  if (text === undefined) throw new Error(`${configMap.metadata.name} holds no ${name}`);
  return text;
}
