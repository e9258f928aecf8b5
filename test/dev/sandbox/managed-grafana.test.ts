/** The stand-in for Amazon Managed Grafana, asked by the SDK's own client. */
import {
  CreateWorkspaceCommand,
  CreateWorkspaceServiceAccountCommand,
  CreateWorkspaceServiceAccountTokenCommand,
  DeleteWorkspaceCommand,
  DeleteWorkspaceServiceAccountCommand,
  DescribeWorkspaceCommand,
  GrafanaClient,
  ListTagsForResourceCommand,
  ListWorkspacesCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdatePermissionsCommand,
} from '@aws-sdk/client-grafana';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { ManagedGrafana } from '../../../src/dev/sandbox/managed-grafana.ts';
import { startManagedGrafana } from '../../../src/dev/sandbox/managed-grafana.ts';

const WORKSPACE = {
  workspaceName: 'dashboards',
  accountAccessType: 'CURRENT_ACCOUNT',
  permissionType: 'SERVICE_MANAGED',
  authenticationProviders: ['AWS_SSO'],
  workspaceRoleArn: 'arn:aws:iam::123456789012:role/grafana',
  tags: { team: 'sre' },
} as const;

describe('the stand-in for Amazon Managed Grafana', () => {
  let grafana: ManagedGrafana;
  let client: GrafanaClient;

  beforeEach(async () => {
    grafana = await startManagedGrafana({ pendingReads: 1 });
    const credentials = { accessKeyId: 'AKIASANDBOX', secretAccessKey: 'of-no-account' };
    client = new GrafanaClient({ endpoint: grafana.url, region: 'us-west-2', credentials, maxAttempts: 1 });
  });
  afterEach(async () => {
    client.destroy();
    await grafana.close();
  });

  const create = async (): Promise<string> => {
    const input = { ...WORKSPACE, authenticationProviders: [...WORKSPACE.authenticationProviders] };
    const { workspace } = await client.send(new CreateWorkspaceCommand(input));
    return workspace?.id ?? '';
  };

  test('creates a workspace that becomes ACTIVE, lists it, and deletes it', async () => {
    const workspaceId = await create();
    const look = async (): Promise<unknown> =>
      (await client.send(new DescribeWorkspaceCommand({ workspaceId }))).workspace?.status;
    expect([await look(), await look()]).toEqual(['CREATING', 'ACTIVE']);
    const { workspaces } = await client.send(new ListWorkspacesCommand({}));
    expect(workspaces?.[0]).toMatchObject({ id: workspaceId, name: 'dashboards' });
    expect(workspaces?.[0]?.created).toBeInstanceOf(Date);
    await client.send(new DeleteWorkspaceCommand({ workspaceId }));
    await expect(look()).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });

  test('keeps tags, by the ARN that AWS gives', async () => {
    const resourceArn = `arn:aws:grafana:us-west-2:123456789012:/workspaces/${await create()}`;
    await client.send(new TagResourceCommand({ resourceArn, tags: { env: 'prod' } }));
    await client.send(new UntagResourceCommand({ resourceArn, tagKeys: ['team'] }));
    expect((await client.send(new ListTagsForResourceCommand({ resourceArn }))).tags).toEqual({ env: 'prod' });
  });

  test('refuses what the service refuses: no role, no signature, a user by name', async () => {
    const { workspaceRoleArn: _, ...incomplete } = WORKSPACE;
    const input = { ...incomplete, authenticationProviders: [...incomplete.authenticationProviders] };
    await expect(client.send(new CreateWorkspaceCommand(input))).rejects.toMatchObject({ name: 'ValidationException' });
    expect((await fetch(`${grafana.url}/workspaces`)).status).toBe(403);
    const { errors } = await client.send(
      new UpdatePermissionsCommand({
        workspaceId: await create(),
        updateInstructionBatch: [{ action: 'ADD', role: 'ADMIN', users: [{ id: 'jane', type: 'SSO_USER' }] }],
      }),
    );
    expect(errors?.[0]?.message).toContain('jane');
  });

  test('answers its HTTP API only to a token whose service account lives', async () => {
    const workspaceId = await create();
    const { workspace } = await client.send(new DescribeWorkspaceCommand({ workspaceId }));
    const account = await client.send(
      new CreateWorkspaceServiceAccountCommand({ workspaceId, name: 'me', grafanaRole: 'ADMIN' }),
    );
    const { serviceAccountToken } = await client.send(
      new CreateWorkspaceServiceAccountTokenCommand({
        workspaceId,
        serviceAccountId: account.id,
        name: 'me',
        secondsToLive: 60,
      }),
    );
    const headers = { authorization: `Bearer ${serviceAccountToken?.key}`, 'content-type': 'application/json' };
    const url = `${workspace?.endpoint}/api/datasources`;
    const body = JSON.stringify({ uid: 'a', name: 'amp', type: 'prometheus' });
    expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(200);
    expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(409);
    await client.send(new DeleteWorkspaceServiceAccountCommand({ workspaceId, serviceAccountId: account.id }));
    expect((await fetch(`${url}/uid/a`, { headers })).status).toBe(401);
  });
});
