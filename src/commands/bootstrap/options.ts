/** Reads the command line: verb and flags. This file sends no request to AWS and asks no questions. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import { parse } from 'yaml';
import { z } from 'zod';

import { UsageError } from './errors.ts';
import type { Given } from './settings.ts';

export const VERBS = ['plan', 'apply', 'status', 'destroy', 'oidc-documents'] as const;
export type Verb = (typeof VERBS)[number];

export const OUTPUTS = ['text', 'json', 'helm', 'env'] as const;
export type OutputFormat = (typeof OUTPUTS)[number];

export const CHARTS = ['amp-write-proxy', 'prometheus'] as const;
export type ChartName = (typeof CHARTS)[number];

export const DEFAULT_FILE = 'bootstrap.yml';

export interface Options {
  readonly verb: Verb;
  readonly given: Given;
  /** The file that was read. */
  readonly file: string | undefined;
  readonly isYes: boolean;
  readonly output: OutputFormat;
  /** For --output helm: the values of this chart alone. */
  readonly chart: ChartName | undefined;
  readonly deleteData: boolean;
  readonly publicKeyFile: string | undefined;
  readonly jwksFile: string | undefined;
  readonly outDirectory: string;
}

const FLAGS = {
  config: { type: 'string' },
  region: { type: 'string' },
  'workspace-alias': { type: 'string' },
  cluster: { type: 'string' },
  'oidc-issuer': { type: 'string' },
  'create-oidc-provider': { type: 'boolean' },
  namespace: { type: 'string' },
  'service-account': { type: 'string' },
  'role-name': { type: 'string' },
  'policy-name': { type: 'string' },
  path: { type: 'string' },
  'permissions-boundary': { type: 'string' },
  tag: { type: 'string', multiple: true },
  identity: { type: 'string' },
  query: { type: 'boolean' },
  grafana: { type: 'boolean' },
  'grafana-admin': { type: 'string' },
  dashboard: { type: 'string', multiple: true },
  yes: { type: 'boolean', short: 'y', default: false },
  output: { type: 'string', default: 'text' },
  chart: { type: 'string' },
  'delete-data': { type: 'boolean', default: false },
  'public-key': { type: 'string' },
  jwks: { type: 'string' },
  out: { type: 'string', default: 'oidc-documents' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export const HELP = `Usage: amp-write-proxy bootstrap VERB [options]

  plan              show what apply would do; changes nothing
  apply             make it so; can be repeated, and resumed when interrupted
  status            show each resource, who may take the role, what is wrong
  destroy           remove what bears our tag, in reverse order
  oidc-documents    write the discovery document and the key set of a cluster
                    without a public issuer

  --config FILE             bootstrap.yml (default: ./${DEFAULT_FILE}, if any)
  --region NAME             default: AWS_REGION, then your AWS profile
  --workspace-alias NAME    default amp-write-proxy
  --cluster NAME            the EKS cluster, or
  --oidc-issuer URL         the issuer of any other cluster
  --create-oidc-provider    make the IAM OIDC provider where there is none
  --namespace NAME          default prometheus
  --service-account NAME    default amp-iamproxy-ingest-service-account
  --role-name NAME          default amp-iamproxy-ingest-role
  --policy-name NAME        default AMPIngestPolicy
  --path PATH               IAM path of role and policy, default /
  --permissions-boundary ARN
  --tag KEY=VALUE           on everything that is made; can be repeated
  --identity WAY            irsa (default) or pod-identity
  --query                   let the role read the workspace as well
  --grafana                 Amazon Managed Grafana with data source, dashboard
  --grafana-admin ID        SSO user who becomes ADMIN there
  --dashboard FILE          one more dashboard; can be repeated
  --yes                     ask nothing
  --output FORMAT           text (default), json, helm or env
  --chart NAME              with helm: amp-write-proxy or prometheus alone
  --delete-data             destroy the workspace and its data as well

  of oidc-documents:
  --public-key FILE         the cluster's service account key (sa.pub), or
  --jwks FILE               its key set; default: asks kubectl
  --out DIR                 default ./oidc-documents

AWS_ENDPOINT_URL is honoured. Exit status: 0 done, 1 failed, 2 wrong usage,
3 (plan, status) there are changes to make.
`;

/** @returns undefined when help was asked for. @throws UsageError */
export async function readOptions(args: readonly string[]): Promise<Options | undefined> {
  const { values, positionals } = parseFlags(args);
  if (values.help) return undefined;
  const [verb, ...rest] = positionals;
  if (verb === undefined) throw new UsageError(`what to do? One of ${VERBS.join(', ')}`);
  if (!isOneOf(VERBS, verb)) throw new UsageError(`no verb ${verb}; there are ${VERBS.join(', ')}`);
  if (rest.length > 0) throw new UsageError(`one verb at a time: ${rest.join(' ')} is too much`);
  const { output, chart } = values;
  if (!isOneOf(OUTPUTS, output)) throw new UsageError(`--output ${output} must be one of ${OUTPUTS.join(', ')}`);
  if (chart !== undefined && !isOneOf(CHARTS, chart)) {
    throw new UsageError(`--chart ${chart} must be one of ${CHARTS.join(', ')}`);
  }
  if ((output === 'helm' || output === 'env') && verb !== 'apply' && verb !== 'status') {
    throw new UsageError(`--output ${output} is for apply and status: ${verb} has no values to print`);
  }
  const { file, content } = await readFileOf(values.config);
  return {
    verb,
    given: merge(content, givenOf(values)),
    file,
    isYes: values.yes,
    output,
    chart,
    deleteData: values['delete-data'],
    publicKeyFile: values['public-key'],
    jwksFile: values.jwks,
    outDirectory: values.out,
  };
}

function parseFlags(args: readonly string[]): { values: Values; positionals: string[] } {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

type Values = ReturnType<typeof parseArgs<{ options: typeof FLAGS; allowPositionals: true }>>['values'];

function givenOf(values: Values): Given {
  const wantsGrafana =
    values.grafana === true || values['grafana-admin'] !== undefined || values.dashboard !== undefined;
  const entries: [string, unknown][] = [
    ['region', values.region],
    ['workspace_alias', values['workspace-alias']],
    ['cluster', values.cluster],
    ['oidc_issuer', values['oidc-issuer']],
    ['create_oidc_provider', values['create-oidc-provider']],
    ['namespace', values.namespace],
    ['service_account', values['service-account']],
    ['role_name', values['role-name']],
    ['policy_name', values['policy-name']],
    ['path', values.path],
    ['permissions_boundary', values['permissions-boundary']],
    ['tags', values.tag === undefined ? undefined : tagsOf(values.tag)],
    ['identity', values.identity],
    ['query', values.query],
    [
      'grafana',
      wantsGrafana
        ? defined([
            ['admin_user_id', values['grafana-admin']],
            ['dashboards', values.dashboard],
          ])
        : undefined,
    ],
  ];
  return defined(entries);
}

function defined(entries: readonly (readonly [string, unknown])[]): Given {
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function tagsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((item) => {
      const at = item.indexOf('=');
      if (at < 1) throw new UsageError(`--tag ${item} must be KEY=VALUE`);
      return [item.slice(0, at), item.slice(at + 1)];
    }),
  );
}

/** A cluster on the command line replaces the other way to name it in the file; sections are joined. */
function merge(file: Given, flags: Given): Given {
  const merged: Record<string, unknown> = { ...file, ...flags };
  if ('cluster' in flags && !('oidc_issuer' in flags)) delete merged['oidc_issuer'];
  if ('oidc_issuer' in flags && !('cluster' in flags)) delete merged['cluster'];
  for (const section of ['tags', 'grafana']) {
    const [below, above] = [file[section], flags[section]];
    if (isObject(below) && isObject(above)) merged[section] = { ...below, ...above };
  }
  return merged;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function readFileOf(config: string | undefined): Promise<{ file: string | undefined; content: Given }> {
  const name = config ?? DEFAULT_FILE;
  let text: string;
  try {
    text = await readFile(name, 'utf8');
  } catch (error) {
    if (config === undefined) return { file: undefined, content: {} };
    throw new UsageError(`--config ${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  let content: unknown;
  try {
    content = parse(text);
  } catch (error) {
    throw new UsageError(`${name} is no YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = z.record(z.string(), z.unknown()).nullable().safeParse(content);
  if (!parsed.success) throw new UsageError(`${name} must have keys, such as region: us-west-2`);
  // A key with nothing behind it is a key that is not given.
  return { file: name, content: defined(Object.entries(parsed.data ?? {}).filter(([, value]) => value !== null)) };
}

function isOneOf<T extends string>(list: readonly T[], value: string): value is T {
  return (list as readonly string[]).includes(value);
}
