/**
 * Trust policies: who may take a role, and by which way. Always the narrowest that works: one service account of one
 * cluster.
 *
 * - irsa: https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
 * - pod-identity: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html, narrowed by the session tags of
 *   https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
 * - grafana: https://docs.aws.amazon.com/grafana/latest/userguide/cross-service-confused-deputy-prevention.html
 */
import type { Place } from './arn.ts';
import { clusterArn, oidcProviderArn } from './arn.ts';
import { STS_AUDIENCE } from './oidc-provider.ts';
import type { PolicyDocument, Statement } from './policy-document.ts';
import { POLICY_VERSION } from './policy-document.ts';

export interface ServiceAccount {
  readonly namespace: string;
  readonly serviceAccount: string;
}

export const POD_IDENTITY_SERVICE = 'pods.eks.amazonaws.com';

/** Both `sub` and `aud` by StringEquals: neither another pod nor a token for somebody else fits. */
export function irsaTrust(place: Place, issuer: string, { namespace, serviceAccount }: ServiceAccount): PolicyDocument {
  return trust({
    Sid: 'AmpWriteProxyIrsa',
    Effect: 'Allow',
    Principal: { Federated: oidcProviderArn(place, issuer) },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: {
      StringEquals: {
        [`${issuer}:aud`]: STS_AUDIENCE,
        [`${issuer}:sub`]: `system:serviceaccount:${namespace}:${serviceAccount}`,
      },
    },
  });
}

export function podIdentityTrust(place: Place, clusterName: string, account: ServiceAccount): PolicyDocument {
  return trust({
    Sid: 'AmpWriteProxyPodIdentity',
    Effect: 'Allow',
    Principal: { Service: POD_IDENTITY_SERVICE },
    Action: ['sts:AssumeRole', 'sts:TagSession'],
    Condition: {
      StringEquals: {
        'aws:RequestTag/eks-cluster-arn': clusterArn(place, clusterName),
        'aws:RequestTag/kubernetes-namespace': account.namespace,
        'aws:RequestTag/kubernetes-service-account': account.serviceAccount,
      },
    },
  });
}

export function grafanaTrust({ partition, region, accountId }: Place): PolicyDocument {
  return trust({
    Sid: 'AmpWriteProxyGrafana',
    Effect: 'Allow',
    Principal: { Service: 'grafana.amazonaws.com' },
    Action: 'sts:AssumeRole',
    Condition: {
      StringEquals: { 'aws:SourceAccount': accountId },
      StringLike: { 'aws:SourceArn': `arn:${partition}:grafana:${region}:${accountId}:/workspaces/*` },
    },
  });
}

/** Describes for status who may take the role, how, and from where. */
export function describeTrust(document: PolicyDocument | undefined): string[] {
  return (document?.Statement ?? []).flatMap((statement) => {
    const conditions = conditionsOf(statement);
    return [
      `trust: ${listOf(statement['Effect'])} ${listOf(statement['Action'])} to ${principalOf(statement)}`,
      ...(conditions.length === 0
        ? ['  without any condition']
        : conditions.map((condition) => `  where ${condition}`)),
    ];
  });
}

function trust(statement: Statement): PolicyDocument {
  return { Version: POLICY_VERSION, Statement: [statement] };
}

function principalOf({ Principal: principal }: Statement): string {
  if (typeof principal !== 'object' || principal === null || Array.isArray(principal)) return listOf(principal);
  return Object.values(principal).map(listOf).join(', ');
}

function conditionsOf({ Condition: condition }: Statement): string[] {
  if (typeof condition !== 'object' || condition === null || Array.isArray(condition)) return [];
  return Object.entries(condition).flatMap(([operator, tests]) => {
    if (typeof tests !== 'object' || tests === null || Array.isArray(tests)) return [];
    return Object.entries(tests).map(([key, value]) => `${key} ${operator} ${listOf(value)}`);
  });
}

function listOf(value: unknown): string {
  return [value]
    .flat()
    .map((item) => (typeof item === 'string' ? item : JSON.stringify(item)))
    .join(', ');
}
