/** Shared by the tests of the bootstrap command against moto: the connection to it, and the AWS CLI's view of it. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from 'vitest';

import { bootstrap, type BootstrapRun } from './bootstrap-run.ts';
import { CuttingProxy } from './cutting-proxy.ts';
import { aws, type AwsJson, LOCK_TIMEOUT_MS, lockMoto, MOTO_URL, resetMoto } from './moto.ts';
import { stretched } from './slowness.ts';

export const ISSUER = 'https://oidc.example.com/id/CLUSTER1';
export const ROLE = 'amp-iamproxy-ingest-role';
export const POLICY_ARN = 'arn:aws:iam::123456789012:policy/AMPIngestPolicy';
export const PROVIDER_ARN = 'arn:aws:iam::123456789012:oidc-provider/oidc.example.com/id/CLUSTER1';
export const TAG = 'amp-write-proxy:bootstrap';
export const WITH_ISSUER = ['--oidc-issuer', ISSUER, '--create-oidc-provider', '--yes'];

/** Calls that change nothing. */
export const READS = /^(?:Get|List)|^GET /u;

export interface ControlPlane {
  /** The proxy in front of moto. */
  readonly line: CuttingProxy;
  readonly run: (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<BootstrapRun>;
}

/** Takes moto for this file, empties it before each test, and gives it back. To be called in a `describe`. */
export function useControlPlane(): ControlPlane {
  const line = new CuttingProxy(MOTO_URL);
  let unlock: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    unlock = await lockMoto();
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'testing');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'testing');
    await line.listen();
  }, stretched(LOCK_TIMEOUT_MS));
  beforeEach(resetMoto);
  afterEach(() => line.mend());
  afterAll(async () => {
    await line.close();
    await unlock?.();
    vi.unstubAllEnvs();
  });
  return { line, run: (args, env = {}) => bootstrap(args, { AWS_ENDPOINT_URL: line.url, ...env }) };
}

export async function workspaces(alias = 'amp-write-proxy'): Promise<AwsJson[]> {
  return (await aws(['amp', 'list-workspaces', '--alias', alias])).at('workspaces').list;
}

export async function role(name = ROLE): Promise<AwsJson> {
  return (await aws(['iam', 'get-role', '--role-name', name])).at('Role');
}

export async function policyDocument(arn = POLICY_ARN): Promise<AwsJson> {
  const version = (await aws(['iam', 'get-policy', '--policy-arn', arn])).at('Policy', 'DefaultVersionId').text;
  const args = ['iam', 'get-policy-version', '--policy-arn', arn, '--version-id', version];
  return (await aws(args)).at('PolicyVersion', 'Document');
}

export async function exists(args: readonly string[]): Promise<boolean> {
  try {
    await aws(args);
    return true;
  } catch {
    return false;
  }
}

/** Everything that the AMP user guide makes by hand exists, once, and exactly so. */
export async function expectInstallation(): Promise<void> {
  const [workspace, ...others] = await workspaces();
  expect(others).toEqual([]);
  expect(workspace?.at('status', 'statusCode').text).toBe('ACTIVE');
  expect(workspace?.at('tags').value).toEqual({ [TAG]: 'amp-write-proxy' });
  const made = await role();
  expect(made.at('AssumeRolePolicyDocument').value).toEqual({
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'AmpWriteProxyIrsa',
        Effect: 'Allow',
        Principal: { Federated: PROVIDER_ARN },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: {
            'oidc.example.com/id/CLUSTER1:aud': 'sts.amazonaws.com',
            'oidc.example.com/id/CLUSTER1:sub': 'system:serviceaccount:prometheus:amp-iamproxy-ingest-service-account',
          },
        },
      },
    ],
  });
  expect(made.at('Tags').tags).toEqual({ [TAG]: 'amp-write-proxy' });
  expect((await policyDocument()).value).toEqual({
    Version: '2012-10-17',
    Statement: [
      { Sid: 'AmpWriteProxy', Effect: 'Allow', Action: ['aps:RemoteWrite'], Resource: workspace?.at('arn').text },
    ],
  });
  const attached = await aws(['iam', 'list-attached-role-policies', '--role-name', ROLE]);
  expect(attached.at('AttachedPolicies').list.map((item) => item.at('PolicyArn').text)).toEqual([POLICY_ARN]);
  const providerArgs = ['iam', 'get-open-id-connect-provider', '--open-id-connect-provider-arn', PROVIDER_ARN];
  const provider = await aws(providerArgs);
  expect(provider.at('ClientIDList').value).toEqual(['sts.amazonaws.com']);
  expect(provider.at('Tags').tags).toEqual({ [TAG]: 'amp-write-proxy' });
}
