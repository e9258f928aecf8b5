/**
 * The outputs of an installation for its users: values for Helm, environment lines, JSON. Only this file knows the
 * shape of the chart's values.
 */
import { stringify } from 'yaml';

import type { ChartName } from './options.ts';
import type { Facts } from './resource.ts';
import type { Identity, Settings } from './settings.ts';

export interface Outputs {
  readonly accountId: string;
  readonly partition: string;
  readonly region: string;
  readonly workspaceId: string;
  readonly workspaceArn: string;
  readonly remoteWriteUrl: string;
  readonly queryUrl: string;
  readonly identity: Identity;
  readonly roleArn: string;
  readonly policyArn: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly grafanaUrl?: string;
}

/** Name of the chart's release and of its Service. */
const RELEASE = 'amp-write-proxy';
const WRITE_PORT = 8005;

/** @returns undefined while there is no workspace */
export function outputsOf(facts: Facts, settings: Settings): Outputs | undefined {
  const { place, workspaceId, workspaceArn, prometheusEndpoint, roleArn, policyArn, grafanaUrl } = facts;
  if (workspaceId === undefined || workspaceArn === undefined || prometheusEndpoint === undefined) return undefined;
  const base = prometheusEndpoint.replace(/\/+$/u, '');
  return {
    accountId: place.accountId,
    partition: place.partition,
    region: place.region,
    workspaceId,
    workspaceArn,
    remoteWriteUrl: `${base}/api/v1/remote_write`,
    queryUrl: base,
    identity: settings.identity,
    roleArn: roleArn ?? '',
    policyArn: policyArn ?? '',
    namespace: settings.namespace,
    serviceAccount: settings.serviceAccount,
    ...(grafanaUrl === undefined ? {} : { grafanaUrl }),
  };
}

/** Values of charts/amp-write-proxy. With Pod Identity the association names the role, and no annotation must. */
export function proxyValues(outputs: Outputs): Readonly<Record<string, unknown>> {
  const annotations = outputs.identity === 'irsa' ? { 'eks.amazonaws.com/role-arn': outputs.roleArn } : {};
  return {
    aws: { identity: outputs.identity, region: outputs.region, roleArn: outputs.roleArn },
    serviceAccount: { create: true, name: outputs.serviceAccount, annotations },
    config: {
      remote_write: [{ name: 'default', url: outputs.remoteWriteUrl, sigv4: { region: outputs.region } }],
    },
  };
}

/** Values of prometheus-community/prometheus: its servers write to the proxy, with the queue_config of the AMP user guide. */
export function prometheusValues(outputs: Outputs): Readonly<Record<string, unknown>> {
  return {
    server: {
      remoteWrite: [
        {
          url: `http://${RELEASE}.${outputs.namespace}.svc:${WRITE_PORT}/api/v1/write`,
          queue_config: { max_samples_per_send: 1000, max_shards: 200, capacity: 2500 },
        },
      ],
    },
  };
}

/**
 * Both charts' values as two YAML documents, the proxy's first: `helm -f` reads only the first of a file. With `chart`
 * one document alone.
 */
export function formatHelm(outputs: Outputs, chart: ChartName | undefined): string {
  const proxy = `# Values of charts/amp-write-proxy: helm install ${RELEASE} -n ${outputs.namespace} -f FILE\n${stringify(proxyValues(outputs), YAML)}`;
  const prometheus = `# Values of prometheus-community/prometheus\n${formatPrometheusValues(outputs)}`;
  if (chart === 'amp-write-proxy') return proxy;
  return chart === 'prometheus' ? prometheus : `${proxy}---\n${prometheus}`;
}

export function formatPrometheusValues(outputs: Outputs): string {
  return stringify(prometheusValues(outputs), YAML);
}

/** One line per value, for `eval` and for env files. */
export function formatEnv(outputs: Outputs): string {
  const { grafanaUrl } = outputs;
  const entries: [string, string][] = [
    ['AWS_REGION', outputs.region],
    ['AMP_WORKSPACE_ID', outputs.workspaceId],
    ['AMP_WORKSPACE_ARN', outputs.workspaceArn],
    ['AMP_REMOTE_WRITE_URL', outputs.remoteWriteUrl],
    ['AMP_QUERY_URL', outputs.queryUrl],
    ['AMP_ROLE_ARN', outputs.roleArn],
    ['AMP_POLICY_ARN', outputs.policyArn],
    ['AMP_NAMESPACE', outputs.namespace],
    ['AMP_SERVICE_ACCOUNT', outputs.serviceAccount],
    ...(grafanaUrl === undefined ? [] : [['GRAFANA_URL', grafanaUrl] satisfies [string, string]]),
  ];
  return entries.map(([name, value]) => `${name}=${quote(value)}\n`).join('');
}

/** Lines are never folded: URLs and ARNs stay whole. */
const YAML = { lineWidth: 0 } as const;

/** Quotes a value for the shell, if it needs quotes. */
function quote(value: string): string {
  return /^[\w@%+=:,./-]*$/u.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`;
}
