/**
 * Settings -> the resources of one installation, in the order in which they are made:
 *
 *     workspace -> oidc provider -> policy -> role -> pod identity -> grafana role -> grafana -> its content
 */
import { GetRoleCommand } from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';

import { placeOf, policyArn, roleArn } from './arn.ts';
import type { AwsClients } from './clients.ts';
import { type MakeDashboard, projectDashboard, readDashboardFile } from './dashboard.ts';
import { BootstrapError, isAwsCode } from './errors.ts';
import { GrafanaContentResource } from './grafana-content.ts';
import { GrafanaWorkspaceResource } from './grafana-workspace.ts';
import { issuerUrlOfCluster, OidcProviderResource } from './oidc-provider.ts';
import { fromTagList, OWNER_TAG } from './ownership.ts';
import { PodIdentityResource } from './pod-identity.ts';
import type { PolicyDocument } from './policy-document.ts';
import { POLICY_VERSION, readPolicyDocument, showPolicyDocument } from './policy-document.ts';
import { PolicyResource, QUERY_ACTIONS, UNKNOWN_WORKSPACE } from './policy.ts';
import type { Facts, Resource } from './resource.ts';
import { newFacts } from './resource.ts';
import { RoleResource } from './role.ts';
import type { Settings } from './settings.ts';
import { grafanaTrust, irsaTrust, podIdentityTrust } from './trust.ts';
import type { Waiting } from './wait.ts';
import { WorkspaceResource } from './workspace.ts';

export interface Installation {
  readonly facts: Facts;
  readonly resources: readonly Resource[];
}

export interface Purpose {
  /** destroy works by tags, and must not fail because a cluster is gone. */
  readonly isDestroy: boolean;
  readonly deleteData: boolean;
}

/** Asks STS who we are, EKS for the issuer, and IAM whether there is a Grafana part. */
export async function openInstallation(
  settings: Settings,
  clients: AwsClients,
  purpose: Purpose,
  waiting: Waiting,
): Promise<Installation> {
  // A wrong file is reported before any request to AWS.
  const dashboards = await Promise.all(settings.grafana.dashboardFiles.map(readDashboardFile));
  const { Arn: callerArn } = await clients.sts.send(new GetCallerIdentityCommand({}));
  const place = placeOf(callerArn ?? '', settings.region);
  if (place === undefined) {
    throw new BootstrapError('NO_ACCOUNT', `STS does not say which account this is: ${callerArn}`, '');
  }
  const facts = newFacts(place);
  facts.roleArn = roleArn(place, settings.path, settings.roleName);
  facts.policyArn = policyArn(place, settings.path, settings.policyName);

  const shared = { alias: settings.workspaceAlias, tags: settings.tags };
  const resources: Resource[] = [
    new WorkspaceResource(clients.amp, { ...shared, deleteData: purpose.deleteData }, facts, waiting),
  ];
  if (settings.identity === 'irsa' || purpose.isDestroy) {
    resources.push(await oidcProvider(settings, clients, purpose, facts));
  }
  resources.push(
    new PolicyResource(clients.iam, { ...shared, ...settings }, facts),
    ingestRole(settings, clients, purpose, facts, waiting),
  );
  const clusterName = purpose.isDestroy ? await clusterOfTrust(settings, clients) : settings.cluster;
  if (clusterName !== undefined && (settings.identity === 'pod-identity' || purpose.isDestroy)) {
    const options = { ...shared, ...settings, clusterName, mayLackCluster: purpose.isDestroy };
    resources.push(new PodIdentityResource(clients.eks, options, facts, waiting));
  }
  if (settings.grafana.enabled || (await hasGrafanaRole(settings, clients))) {
    resources.push(...grafanaParts(settings, clients, facts, waiting, dashboards));
  }
  return { facts, resources };
}

async function oidcProvider(
  settings: Settings,
  clients: AwsClients,
  { isDestroy }: Purpose,
  facts: Facts,
): Promise<OidcProviderResource> {
  const { workspaceAlias: alias, tags, roleName, createOidcProvider } = settings;
  const issuerUrl = await issuerOfSettings(settings, clients, isDestroy);
  const mayCreate = createOidcProvider || isDestroy;
  return new OidcProviderResource(clients.iam, { alias, tags, issuerUrl, mayCreate, roleName }, facts);
}

async function issuerOfSettings(
  { oidcIssuer, cluster, region }: Settings,
  { eks }: AwsClients,
  isDestroy: boolean,
): Promise<string | undefined> {
  if (oidcIssuer !== undefined || cluster === undefined) return oidcIssuer;
  try {
    return await issuerUrlOfCluster(eks, cluster, region);
  } catch (error) {
    // The cluster may be gone before its role, which is then found by its tag.
    if (isDestroy && error instanceof BootstrapError) return undefined;
    throw error;
  }
}

function ingestRole(
  settings: Settings,
  { iam }: AwsClients,
  { isDestroy }: Purpose,
  facts: Facts,
  waiting: Waiting,
): RoleResource {
  const { place } = facts;
  const trust = (): PolicyDocument | undefined => {
    if (isDestroy) return undefined;
    if (settings.identity === 'irsa') return irsaTrust(place, facts.oidcIssuer ?? '', settings);
    return podIdentityTrust(place, settings.cluster ?? '', settings);
  };
  return new RoleResource(
    iam,
    {
      kind: 'role',
      arn: roleArn(place, settings.path, settings.roleName),
      roleName: settings.roleName,
      path: settings.path,
      description: `amp-write-proxy writes to the AMP workspace ${settings.workspaceAlias} by it`,
      alias: settings.workspaceAlias,
      tags: settings.tags,
      permissionsBoundary: settings.permissionsBoundary,
      trust,
      attached: () => facts.policyArn,
      inline: () => undefined,
    },
    waiting,
  );
}

function grafanaParts(
  settings: Settings,
  clients: AwsClients,
  facts: Facts,
  waiting: Waiting,
  dashboards: readonly MakeDashboard[],
): Resource[] {
  const { grafana, workspaceAlias: alias, tags, path } = settings;
  const { place } = facts;
  const arn = roleArn(place, path, grafana.roleName);
  facts.grafanaRoleArn = arn;
  const role = new RoleResource(
    clients.iam,
    {
      kind: 'grafana role',
      arn,
      roleName: grafana.roleName,
      path,
      description: `Amazon Managed Grafana reads the AMP workspace ${alias} by it`,
      alias,
      tags,
      permissionsBoundary: settings.permissionsBoundary,
      trust: () => grafanaTrust(place),
      attached: () => undefined,
      inline: () => ({ name: 'amp-write-proxy', document: grafanaPolicy(facts) }),
    },
    waiting,
  );
  const { workspaceName: name, adminUserId } = grafana;
  return [
    role,
    new GrafanaWorkspaceResource(clients.grafana, { name, alias, tags, adminUserId }, facts, waiting),
    new GrafanaContentResource(
      clients.grafana,
      { alias, dashboards: (uid) => [projectDashboard(uid), ...dashboards.map((make) => make(uid))] },
      facts,
    ),
  ];
}

/** https://docs.aws.amazon.com/grafana/latest/userguide/AMG-manage-permissions.html */
function grafanaPolicy({ place, workspaceArn }: Facts): PolicyDocument {
  const { partition, accountId } = place;
  return {
    Version: POLICY_VERSION,
    Statement: [
      { Sid: 'AmpFind', Effect: 'Allow', Action: 'aps:ListWorkspaces', Resource: '*' },
      {
        Sid: 'AmpRead',
        Effect: 'Allow',
        Action: ['aps:DescribeWorkspace', ...QUERY_ACTIONS],
        Resource: workspaceArn ?? UNKNOWN_WORKSPACE,
      },
      {
        Sid: 'SnsNotify',
        Effect: 'Allow',
        Action: 'sns:Publish',
        Resource: `arn:${partition}:sns:*:${accountId}:grafana*`,
      },
    ],
  };
}

/** The Grafana role is made before the Grafana workspace and removed after it: its tag says whether to look there. */
async function hasGrafanaRole({ grafana, workspaceAlias }: Settings, { iam }: AwsClients): Promise<boolean> {
  try {
    const { Role } = await iam.send(new GetRoleCommand({ RoleName: grafana.roleName }));
    return fromTagList(Role?.Tags)[OWNER_TAG] === workspaceAlias;
  } catch (error) {
    if (isAwsCode(error, 'NoSuchEntity')) return false;
    throw error;
  }
}

/**
 * Finds the cluster that the role is bound to by Pod Identity, if destroy was not given one. The association is removed
 * before the role, so that the role's trust still names it when a destroy is resumed.
 */
async function clusterOfTrust(
  { cluster, identity, roleName }: Settings,
  { iam }: AwsClients,
): Promise<string | undefined> {
  if (cluster !== undefined && identity === 'pod-identity') return cluster;
  try {
    const { Role } = await iam.send(new GetRoleCommand({ RoleName: roleName }));
    const trust = showPolicyDocument(readPolicyDocument(Role?.AssumeRolePolicyDocument));
    return /:cluster\/([\w-]+)"/u.exec(trust)?.[1];
  } catch (error) {
    if (isAwsCode(error, 'NoSuchEntity')) return undefined;
    throw error;
  }
}
