/** Pod Identity: IAM, AMP and the cluster by moto, associations by the sandbox's stand-in, read with the AWS CLI. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';

import type { PodIdentity } from '../../../src/dev/sandbox/pod-identity.ts';
import { startPodIdentity } from '../../../src/dev/sandbox/pod-identity.ts';
import { bootstrap, type BootstrapRun } from '../../support/bootstrap-run.ts';
import { aws, type AwsJson, LOCK_TIMEOUT_MS, lockMoto, MOTO_URL, resetMoto, WHY_NO_MOTO } from '../../support/moto.ts';
import { stretched } from '../../support/slowness.ts';

const ARGS = ['--cluster', 'prod', '--identity', 'pod-identity', '--yes'];
const ROLE_ARN = 'arn:aws:iam::123456789012:role/amp-iamproxy-ingest-role';
const CLUSTER_ARN = 'arn:aws:eks:us-west-2:123456789012:cluster/prod';

describe.skipIf(WHY_NO_MOTO !== '')(`bootstrap --identity pod-identity ${WHY_NO_MOTO}`, () => {
  let eks: PodIdentity;
  let unlock: (() => Promise<void>) | undefined;

  beforeAll(async () => {
    unlock = await lockMoto();
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'testing');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'testing');
  }, stretched(LOCK_TIMEOUT_MS));
  beforeEach(async () => {
    await resetMoto();
    const cluster = ['eks', 'create-cluster', '--name', 'prod', '--role-arn', 'arn:aws:iam::123456789012:role/eks'];
    await aws([...cluster, '--resources-vpc-config', 'subnetIds=subnet-1,subnet-2']);
    eks = await startPodIdentity({ clustersUrl: MOTO_URL });
  });
  afterEach(() => eks.close());
  afterAll(async () => {
    await unlock?.();
    vi.unstubAllEnvs();
  });

  const run = (args: readonly string[]): Promise<BootstrapRun> =>
    bootstrap(args, { AWS_ENDPOINT_URL: MOTO_URL, AWS_ENDPOINT_URL_EKS: eks.url });
  const associations = async (): Promise<AwsJson[]> => {
    const args = ['eks', 'list-pod-identity-associations', '--cluster-name', 'prod'];
    return (await aws(args, { endpoint: eks.url })).at('associations').list;
  };

  test('makes a trust for the pods of this service account, and the association', async () => {
    expect(await run(['apply', ...ARGS])).toMatchObject({ status: 0 });
    const role = (await aws(['iam', 'get-role', '--role-name', 'amp-iamproxy-ingest-role'])).at('Role');
    expect(role.at('AssumeRolePolicyDocument', 'Statement').value).toEqual([
      {
        Sid: 'AmpWriteProxyPodIdentity',
        Effect: 'Allow',
        Principal: { Service: 'pods.eks.amazonaws.com' },
        Action: ['sts:AssumeRole', 'sts:TagSession'],
        Condition: {
          StringEquals: {
            'aws:RequestTag/eks-cluster-arn': CLUSTER_ARN,
            'aws:RequestTag/kubernetes-namespace': 'prometheus',
            'aws:RequestTag/kubernetes-service-account': 'amp-iamproxy-ingest-service-account',
          },
        },
      },
    ]);
    const [association, ...others] = await associations();
    expect(others).toEqual([]);
    const id = association?.at('associationId').text ?? '';
    const key = ['--cluster-name', 'prod', '--association-id', id];
    const described = await aws(['eks', 'describe-pod-identity-association', ...key], { endpoint: eks.url });
    expect(described.at('association').value).toMatchObject({
      namespace: 'prometheus',
      serviceAccount: 'amp-iamproxy-ingest-service-account',
      roleArn: ROLE_ARN,
      tags: { 'amp-write-proxy:bootstrap': 'amp-write-proxy' },
    });
    expect((await run(['apply', ...ARGS])).out).toContain('Nothing had to be changed.');
    const { out } = await run(['status', ...ARGS, '--output', 'helm', '--chart', 'amp-write-proxy']);
    expect(parse(out)).toMatchObject({ aws: { identity: 'pod-identity' }, serviceAccount: { annotations: {} } });
  });

  test('repairs an association of ours that points elsewhere', async () => {
    await run(['apply', ...ARGS]);
    const [association] = [...eks.associations.values()];
    if (association !== undefined) association.roleArn = 'arn:aws:iam::123456789012:role/other';
    const plan = await run(['plan', ...ARGS]);
    expect(plan.status).toBe(3);
    expect(plan.out).toContain('- role arn:aws:iam::123456789012:role/other');
    expect((await run(['apply', ...ARGS])).status).toBe(0);
    expect(association?.roleArn).toBe(ROLE_ARN);
  });

  test('refuses a service account that others have given a role', async () => {
    const theirs = ['--namespace', 'prometheus', '--service-account', 'amp-iamproxy-ingest-service-account'];
    const other = ['--role-arn', 'arn:aws:iam::123456789012:role/other'];
    await aws(['eks', 'create-pod-identity-association', '--cluster-name', 'prod', ...theirs, ...other], {
      endpoint: eks.url,
    });
    const { status, out } = await run(['apply', ...ARGS]);
    expect(status).toBe(1);
    expect(out.replaceAll(/\s+/gu, ' ')).toContain('the service account already has the role');
    expect((await aws(['amp', 'list-workspaces'])).at('workspaces').list).toEqual([]);
  });

  test('goes from IRSA to Pod Identity, and destroys it from the trust alone', async () => {
    const irsa = ['--oidc-issuer', 'https://oidc.example.com/id/C', '--create-oidc-provider', '--yes'];
    await run(['apply', ...irsa]);
    expect((await run(['apply', ...ARGS])).status).toBe(0);
    expect(await associations()).toHaveLength(1);
    const { status, out } = await run(['destroy', '--yes']);
    expect(status).toBe(0);
    expect(out).toContain('- oidc provider    oidc.example.com/id/C (removed)');
    expect(await associations()).toEqual([]);
  });
});
