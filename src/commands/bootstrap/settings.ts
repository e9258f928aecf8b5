/**
 * The settings of `bootstrap`, from flags, bootstrap.yml and defaults, and the schema of bootstrap.yml. The default names are
 * those of the AMP user guide: https://docs.aws.amazon.com/prometheus/latest/userguide/set-up-irsa.html
 *
 * Flags win over the file, the file over the defaults. Every problem is named at once, with its value and what is
 * allowed. Limits are IAM's and Kubernetes's own
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
 */
import { z } from 'zod';

import { UsageError } from './errors.ts';
import { OWNER_TAG } from './ownership.ts';

export const IDENTITIES = ['irsa', 'pod-identity'] as const;
export type Identity = (typeof IDENTITIES)[number];

export const DEFAULTS = {
  workspaceAlias: 'amp-write-proxy',
  namespace: 'prometheus',
  serviceAccount: 'amp-iamproxy-ingest-service-account',
  roleName: 'amp-iamproxy-ingest-role',
  policyName: 'AMPIngestPolicy',
  grafanaRoleName: 'amp-iamproxy-grafana-role',
} as const;

const text = (pattern: RegExp, allowed: string): z.ZodString =>
  z.string({ error: `must be text: ${allowed}` }).regex(pattern, { error: `must be ${allowed}` });

const dnsLabel = text(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/u, 'a Kubernetes name: a-z, 0-9 and -, 63 at most');
const dnsName = text(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/u, 'a Kubernetes name: a-z, 0-9, . and -, 253 at most');
const roleName = text(/^[\w+=,.@-]{1,64}$/u, 'a role name of IAM: letters, digits and +=,.@_-, 64 at most');

const grafanaSchema = z.strictObject({
  workspace_name: text(/^[\w.~-]{1,255}$/u, 'letters, digits and ._~-').optional(),
  role_name: roleName.default(DEFAULTS.grafanaRoleName),
  admin_user_id: text(/^[\w-]{1,100}$/u, 'the id of an SSO user, not a name').optional(),
  dashboards: z.array(z.string()).default([]),
});

/** Keys of bootstrap.yml; every flag has its key under the same name with underscores. */
export const fileSchema = z.strictObject({
  region: text(/^[a-z]{2}(-[a-z]+)+-\d{1,2}$/u, 'a region such as us-west-2').optional(),
  workspace_alias: text(/^[0-9A-Za-z][\w.-]{0,99}$/u, 'letters, digits and ._-, 100 at most').default(
    DEFAULTS.workspaceAlias,
  ),
  cluster: text(/^[0-9A-Za-z][\w-]{0,99}$/u, 'the name of an EKS cluster: letters, digits, - and _').optional(),
  oidc_issuer: text(/^https:\/\/[^\s?#@]+$/u, 'an https:// URL without query').optional(),
  create_oidc_provider: z.boolean({ error: 'must be true or false' }).default(false),
  namespace: dnsLabel.default(DEFAULTS.namespace),
  service_account: dnsName.default(DEFAULTS.serviceAccount),
  role_name: roleName.default(DEFAULTS.roleName),
  policy_name: text(/^[\w+=,.@-]{1,128}$/u, 'a policy name of IAM: letters, digits and +=,.@_-').default(
    DEFAULTS.policyName,
  ),
  path: text(/^\/([\x21-\x7e]{1,500}\/)?$/u, 'a path of IAM that begins and ends with /').default('/'),
  permissions_boundary: text(/^arn:aws[a-z-]*:iam::(\d{12}|aws):policy\/.+$/u, 'the ARN of a policy').optional(),
  tags: z.record(z.string().min(1).max(128), z.string().max(256)).default({}),
  identity: z.enum(IDENTITIES, { error: `must be ${IDENTITIES.join(' or ')}` }).default('irsa'),
  query: z.boolean({ error: 'must be true or false' }).default(false),
  grafana: z
    .union([z.boolean(), grafanaSchema], { error: 'must be true, false, or a section with keys of its own' })
    .default(false),
});

export interface GrafanaSettings {
  readonly enabled: boolean;
  readonly workspaceName: string;
  readonly roleName: string;
  readonly adminUserId: string | undefined;
  readonly dashboardFiles: readonly string[];
}

export interface Settings {
  readonly region: string;
  readonly workspaceAlias: string;
  readonly cluster: string | undefined;
  readonly oidcIssuer: string | undefined;
  readonly createOidcProvider: boolean;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly roleName: string;
  readonly policyName: string;
  readonly path: string;
  readonly permissionsBoundary: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly identity: Identity;
  readonly query: boolean;
  readonly grafana: GrafanaSettings;
}

/** The values given so far, under the keys of bootstrap.yml. */
export type Given = Readonly<Record<string, unknown>>;

/**
 * @param given flags over file
 * @param needsCluster true if the cluster must be known; destroy works by tags and needs none
 * @throws UsageError with one line per problem
 */
export function settingsOf(given: Given, defaultRegion: string | undefined, needsCluster: boolean): Settings {
  const parsed = fileSchema.safeParse(given);
  if (!parsed.success)
    throw new UsageError(parsed.error.issues.flatMap((issue) => sentencesOf(issue, given)).join('\n'));
  const file = parsed.data;
  const problems: string[] = [];
  const region = file.region ?? defaultRegion;
  if (region === undefined) {
    problems.push('no region: give --region, region: in bootstrap.yml, AWS_REGION, or one in your AWS profile');
  }
  problems.push(...contradictions(file, needsCluster));
  if (problems.length > 0 || region === undefined) throw new UsageError(problems.join('\n'));
  const grafana = grafanaSchema.parse(typeof file.grafana === 'boolean' ? {} : file.grafana);
  return {
    region,
    workspaceAlias: file.workspace_alias,
    cluster: file.cluster,
    oidcIssuer: file.oidc_issuer,
    createOidcProvider: file.create_oidc_provider,
    namespace: file.namespace,
    serviceAccount: file.service_account,
    roleName: file.role_name,
    policyName: file.policy_name,
    path: file.path,
    permissionsBoundary: file.permissions_boundary,
    tags: file.tags,
    identity: file.identity,
    query: file.query,
    grafana: {
      enabled: file.grafana !== false,
      workspaceName: grafana.workspace_name ?? file.workspace_alias,
      roleName: grafana.role_name,
      adminUserId: grafana.admin_user_id,
      dashboardFiles: grafana.dashboards,
    },
  };
}

function contradictions(file: z.output<typeof fileSchema>, needsCluster: boolean): string[] {
  const { cluster, oidc_issuer: issuer, identity, tags } = file;
  const problems: string[] = [];
  if (cluster !== undefined && issuer !== undefined) {
    problems.push(`--cluster ${cluster} and --oidc-issuer ${issuer} both name the cluster: give one of them`);
  }
  if (identity === 'pod-identity') {
    if (issuer !== undefined) {
      problems.push(`--oidc-issuer ${issuer} is for --identity irsa: Pod Identity works on EKS only, give --cluster`);
    } else if (cluster === undefined && needsCluster) {
      problems.push('--identity pod-identity needs --cluster NAME, an EKS cluster');
    }
  } else if (cluster === undefined && issuer === undefined && needsCluster) {
    problems.push('which cluster? Give --cluster NAME (EKS) or --oidc-issuer URL (EKS Anywhere and others)');
  }
  if (tags[OWNER_TAG] !== undefined) problems.push(`the tag ${OWNER_TAG} is what marks our resources: leave it out`);
  return problems;
}

function sentencesOf(issue: z.core.$ZodIssue, given: Given): string[] {
  const key = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(fileSchema.shape).join(', ');
    return issue.keys.map(
      (name) => `${key === '' ? name : `${key}.${name}`} is no key of bootstrap.yml; known are ${known}`,
    );
  }
  const value = issue.path.length === 1 ? given[key] : undefined;
  const flag = `--${key.replaceAll('_', '-')}`;
  return [`${flag} ${value === undefined ? '' : `${JSON.stringify(value)} `}${issue.message}`];
}
