/** The stand-in for Pod Identity associations, asked by the SDK's own client. */
import {
  CreatePodIdentityAssociationCommand,
  DeletePodIdentityAssociationCommand,
  DescribeClusterCommand,
  DescribePodIdentityAssociationCommand,
  EKSClient,
  ListPodIdentityAssociationsCommand,
  TagResourceCommand,
  UpdatePodIdentityAssociationCommand,
} from '@aws-sdk/client-eks';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { type ApiServer, startApi } from '../../../src/dev/sandbox/json-api.ts';
import { type PodIdentity, startPodIdentity } from '../../../src/dev/sandbox/pod-identity.ts';

const KEY = { clusterName: 'prod', namespace: 'ns', serviceAccount: 'sa' };
const ROLE = 'arn:aws:iam::123456789012:role/writer';

describe('the stand-in for EKS Pod Identity', () => {
  let clusters: ApiServer;
  let eks: PodIdentity;
  let client: EKSClient;

  beforeEach(async () => {
    clusters = await startApi(({ path }) =>
      path.join('/') === 'clusters/prod' ? { status: 200, body: { cluster: { name: 'prod' } } } : undefined,
    );
    eks = await startPodIdentity({ clustersUrl: clusters.url });
    const credentials = { accessKeyId: 'AKIASANDBOX', secretAccessKey: 'of-no-account' };
    client = new EKSClient({ endpoint: eks.url, region: 'us-west-2', credentials, maxAttempts: 1 });
  });
  afterEach(async () => {
    client.destroy();
    await eks.close();
    await clusters.close();
  });

  test('makes, finds, changes, tags and deletes an association', async () => {
    const made = await client.send(
      new CreatePodIdentityAssociationCommand({ ...KEY, roleArn: ROLE, tags: { a: 'b' } }),
    );
    const { associationId, associationArn } = made.association ?? {};
    const other = { ...KEY, namespace: 'other' };
    expect((await client.send(new ListPodIdentityAssociationsCommand(other))).associations).toEqual([]);
    expect((await client.send(new ListPodIdentityAssociationsCommand(KEY))).associations).toHaveLength(1);
    const roleArn = `${ROLE}2`;
    await client.send(new UpdatePodIdentityAssociationCommand({ clusterName: 'prod', associationId, roleArn }));
    await client.send(new TagResourceCommand({ resourceArn: associationArn, tags: { c: 'd' } }));
    const key = { clusterName: 'prod', associationId };
    const { association } = await client.send(new DescribePodIdentityAssociationCommand(key));
    expect(association).toMatchObject({
      ...KEY,
      roleArn,
      tags: { a: 'b', c: 'd' },
    });
    expect(association?.createdAt).toBeInstanceOf(Date);
    await client.send(new DeletePodIdentityAssociationCommand(key));
    expect((await client.send(new ListPodIdentityAssociationsCommand(KEY))).associations).toEqual([]);
  });

  test('takes one role for a service account, and knows only clusters that there are', async () => {
    const create = new CreatePodIdentityAssociationCommand({ ...KEY, roleArn: ROLE });
    await client.send(create);
    await expect(client.send(create)).rejects.toMatchObject({ name: 'ResourceInUseException' });
    await expect(client.send(new ListPodIdentityAssociationsCommand({ clusterName: 'none' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
    expect((await client.send(new DescribeClusterCommand({ name: 'prod' }))).cluster?.name).toBe('prod');
  });
});
