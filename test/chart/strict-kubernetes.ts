/**
 * Checks a manifest against Kubernetes's OpenAPI types, and those of the Prometheus Operator and KEDA, as the packages
 * kubernetes-models and @kubernetes-models/* carry them: compiled validators of types, formats and required fields.
 *
 * They do not mind a field that they do not know, while a server that is asked to be strict refuses it. A validator has
 * to read a field to check it; so it is given the manifest behind a proxy, and what it has never read is unknown.
 */
import type { Manifest } from './helm.ts';

interface Validator {
  (data: unknown): boolean;
  readonly errors?: readonly { instancePath: string; message?: string; keyword: string; params: object }[] | null;
}

/** Beside a package's main file; only kubernetes-models exports its own. */
function schemas(name: string): string {
  return new URL('_schemas/', import.meta.resolve(name)).href;
}

const CORE = `${schemas('kubernetes-models')}IoK8sApi`;
const KEDA = `${schemas('@kubernetes-models/keda')}ComGithubKedacoreKedaV2ApisKeda`;
const OPERATOR = `${schemas('@kubernetes-models/prometheus-operator')}ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1`;

const MODULES: Readonly<Record<string, string>> = {
  'v1 ConfigMap': `${CORE}CoreV1ConfigMap`,
  'v1 Pod': `${CORE}CoreV1Pod`,
  'v1 Service': `${CORE}CoreV1Service`,
  'v1 ServiceAccount': `${CORE}CoreV1ServiceAccount`,
  'apps/v1 Deployment': `${CORE}AppsV1Deployment`,
  'autoscaling/v2 HorizontalPodAutoscaler': `${CORE}AutoscalingV2HorizontalPodAutoscaler`,
  'networking.k8s.io/v1 NetworkPolicy': `${CORE}NetworkingV1NetworkPolicy`,
  'policy/v1 PodDisruptionBudget': `${CORE}PolicyV1PodDisruptionBudget`,
  'monitoring.coreos.com/v1 ServiceMonitor': `${OPERATOR}ServiceMonitor`,
  'monitoring.coreos.com/v1 PodMonitor': `${OPERATOR}PodMonitor`,
  'monitoring.coreos.com/v1 PrometheusRule': `${OPERATOR}PrometheusRule`,
  'keda.sh/v1alpha1 ScaledObject': `${KEDA}V1alpha1ScaledObject`,
};

/** @returns a line for each problem: a wrong type, a missing, an unknown or an empty field */
export async function problemsOf(manifest: Manifest): Promise<string[]> {
  const type = `${manifest.apiVersion} ${manifest.kind}`;
  const module = MODULES[type];
  if (module === undefined) return [`${type} is no type that the test knows`];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every module of _schemas has this one export
  const { validate } = (await import(`${module}.js`)) as { validate: Validator };
  const seen = new Set<string>();
  const where = `${manifest.kind} ${manifest.metadata.name}`;
  const isValid = validate(watched(manifest, '', seen));
  const wrong = isValid
    ? []
    : (validate.errors ?? []).map(
        ({ instancePath, message, keyword, params }) =>
          `${instancePath}: ${message ?? keyword} ${JSON.stringify(params)}`,
      );
  return [...wrong, ...unread(manifest, '', seen)].map((problem) => `${where}: ${problem}`);
}

function watched(value: unknown, path: string, seen: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      const inner: unknown = Reflect.get(target, key);
      if (typeof key === 'symbol' || !Object.hasOwn(target, key)) return inner;
      const innerPath = `${path}/${key}`;
      seen.add(innerPath);
      return watched(inner, innerPath, seen);
    },
  });
}

function unread(value: unknown, path: string, seen: ReadonlySet<string>): string[] {
  if (value === null) return [`${path}: is empty`];
  if (typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const innerPath = `${path}/${key}`;
    return seen.has(innerPath) ? unread(inner, innerPath, seen) : [`${innerPath}: is no field of this type`];
  });
}
