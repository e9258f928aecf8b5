/**
 * ARNs, in whichever partition the account is: aws, aws-cn or aws-us-gov.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
 */

/** The partition, account and region where everything is made. */
export interface Place {
  readonly partition: string;
  readonly accountId: string;
  readonly region: string;
}

/** @param callerArn as STS GetCallerIdentity tells it; undefined when it cannot be read */
export function placeOf(callerArn: string, region: string): Place | undefined {
  const [prefix, partition, , , accountId] = callerArn.split(':');
  if (prefix !== 'arn' || partition === undefined || accountId === undefined || !/^\d{12}$/u.test(accountId)) {
    return undefined;
  }
  return { partition, accountId, region };
}

export function workspaceArn({ partition, region, accountId }: Place, workspaceId: string): string {
  return `arn:${partition}:aps:${region}:${accountId}:workspace/${workspaceId}`;
}

/** @param path begins and ends with a slash */
export function roleArn({ partition, accountId }: Place, path: string, name: string): string {
  return `arn:${partition}:iam::${accountId}:role${path}${name}`;
}

export function policyArn({ partition, accountId }: Place, path: string, name: string): string {
  return `arn:${partition}:iam::${accountId}:policy${path}${name}`;
}

/** @param issuer without https:// */
export function oidcProviderArn({ partition, accountId }: Place, issuer: string): string {
  return `arn:${partition}:iam::${accountId}:oidc-provider/${issuer}`;
}

export function clusterArn({ partition, region, accountId }: Place, clusterName: string): string {
  return `arn:${partition}:eks:${region}:${accountId}:cluster/${clusterName}`;
}

export function grafanaWorkspaceArn({ partition, region, accountId }: Place, workspaceId: string): string {
  return `arn:${partition}:grafana:${region}:${accountId}:/workspaces/${workspaceId}`;
}
