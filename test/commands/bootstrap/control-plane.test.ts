/** The life of an installation against moto, read back with the AWS CLI. */
import { describe, expect, test } from 'vitest';

import { tooWide } from '../../support/bootstrap-run.ts';
import {
  exists,
  expectInstallation,
  POLICY_ARN,
  policyDocument,
  READS,
  ROLE,
  role,
  TAG,
  WITH_ISSUER,
  workspaces,
  useControlPlane,
} from '../../support/control-plane.ts';
import { aws, resetMoto, WHY_NO_MOTO } from '../../support/moto.ts';
import { stretched } from '../../support/slowness.ts';

describe.skipIf(WHY_NO_MOTO !== '')(`bootstrap against moto ${WHY_NO_MOTO}`, () => {
  const { line, run } = useControlPlane();

  test('plans without changing anything, and says by its exit status that there is something to do', async () => {
    const { status, out } = await run(['plan', ...WITH_ISSUER]);
    expect(status).toBe(3);
    expect(out).toContain('+ workspace        amp-write-proxy');
    expect(out).toContain('4 to create.');
    expect(line.calls.filter((call) => !READS.test(call))).toEqual([]);
    expect(await workspaces()).toEqual([]);
    expect(await exists(['iam', 'get-role', '--role-name', ROLE])).toBe(false);
  });

  test('applies everything that the AMP user guide makes by hand', async () => {
    const { status, out } = await run(['apply', ...WITH_ISSUER]);
    expect(status).toBe(0);
    expect(out).toContain('(created)');
    await expectInstallation();
    expect((await run(['plan', ...WITH_ISSUER])).status).toBe(0);
    expect((await run(['status', ...WITH_ISSUER])).status).toBe(0);
  });

  test('changes nothing when it is applied again', async () => {
    await run(['apply', ...WITH_ISSUER]);
    line.calls = [];
    const { status, out } = await run(['apply', ...WITH_ISSUER]);
    expect(status).toBe(0);
    expect(out).toContain('Nothing had to be changed.');
    expect(line.calls.filter((call) => !READS.test(call))).toEqual([]);
    await expectInstallation();
  });

  test('shows drift as a diff and repairs it', async () => {
    await run(['apply', ...WITH_ISSUER]);
    const anybody = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: '*' }, Action: 'sts:AssumeRole' }],
    };
    const wide = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'aps:*', Resource: '*' }] };
    await aws(['iam', 'update-assume-role-policy', '--role-name', ROLE, '--policy-document', JSON.stringify(anybody)]);
    await aws(['iam', 'detach-role-policy', '--role-name', ROLE, '--policy-arn', POLICY_ARN]);
    for (let version = 2; version <= 5; version += 1) {
      const document = ['--policy-document', JSON.stringify(wide), '--set-as-default'];
      await aws(['iam', 'create-policy-version', '--policy-arn', POLICY_ARN, ...document]);
    }
    const plan = await run(['plan', ...WITH_ISSUER]);
    expect(plan.status).toBe(3);
    expect(plan.out).toMatch(/^ +- +"Action": "aps:\*",$/mu);
    expect(plan.out).toMatch(/^ +\+ +"Action": "aps:RemoteWrite",$/mu);
    expect(plan.out).toMatch(/^ +- +"AWS": "\*"$/mu);
    expect(plan.out).toContain(`+ attached ${POLICY_ARN}`);
    expect(tooWide(plan.out)).toEqual([]);

    expect((await run(['apply', ...WITH_ISSUER])).status).toBe(0);
    await expectInstallation();
  });

  test('deletes the oldest version of a policy that has five, in whatever order IAM lists them', async () => {
    await run(['apply', ...WITH_ISSUER]);
    const wide = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'aps:*', Resource: '*' }] };
    const document = ['--policy-document', JSON.stringify(wide), '--set-as-default'];
    for (let version = 2; version <= 5; version += 1) {
      await aws(['iam', 'create-policy-version', '--policy-arn', POLICY_ARN, ...document]);
    }
    const listed = [3, 5, 1, 4, 2].map(
      (version) =>
        `<member><VersionId>v${version}</VersionId><IsDefaultVersion>${version === 5}</IsDefaultVersion>` +
        `<CreateDate>2026-01-0${version}T00:00:00Z</CreateDate></member>`,
    );
    const body =
      '<ListPolicyVersionsResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListPolicyVersionsResult>' +
      `<Versions>${listed.join('')}</Versions><IsTruncated>false</IsTruncated>` +
      '</ListPolicyVersionsResult></ListPolicyVersionsResponse>';
    line.override = (call) => (call === 'ListPolicyVersions' ? { status: 200, body } : undefined);
    expect((await run(['apply', ...WITH_ISSUER])).status).toBe(0);
    const { list } = (await aws(['iam', 'list-policy-versions', '--policy-arn', POLICY_ARN])).at('Versions');
    expect(list.map((version) => version.at('VersionId').text).toSorted()).toEqual(['v2', 'v3', 'v4', 'v5', 'v6']);
    expect((await policyDocument()).at('Statement', 0, 'Action').value).toEqual(['aps:RemoteWrite']);
  });

  test(
    'resumes after an interrupt between any two calls, whether the last one arrived or not',
    async () => {
      await run(['apply', ...WITH_ISSUER]);
      const calls = line.calls.length;
      expect(calls).toBeGreaterThan(10);
      for (const mode of ['before', 'after'] as const) {
        for (let cut = 0; cut < calls; cut += 1) {
          await resetMoto();
          line.cutAfter(cut, mode);
          const interrupted = await run(['apply', ...WITH_ISSUER]);
          expect({ cut, mode, ...interrupted }).toMatchObject({ status: 1 });
          expect(interrupted.err).toContain('got no answer');
          line.mend();
          const resumed = await run(['apply', ...WITH_ISSUER]);
          expect({ cut, mode, ...resumed }).toMatchObject({ status: 0 });
          const again = await run(['plan', ...WITH_ISSUER]);
          expect({ cut, mode, ...again }).toMatchObject({ status: 0 });
          // The CLI is slow: it looks where something was just being made.
          if (cut % 5 === 0) await expectInstallation();
        }
      }
      await expectInstallation();
    },
    stretched(240_000),
  );

  test(
    'resumes a destroy after an interrupt between any two calls',
    async () => {
      await run(['apply', ...WITH_ISSUER]);
      line.calls = [];
      await run(['destroy', ...WITH_ISSUER, '--delete-data']);
      const calls = line.calls.length;
      for (let cut = 0; cut < calls; cut += 1) {
        await resetMoto();
        line.mend();
        await run(['apply', ...WITH_ISSUER]);
        line.cutAfter(cut, cut % 2 === 0 ? 'before' : 'after');
        expect((await run(['destroy', ...WITH_ISSUER, '--delete-data'])).status).toBe(1);
        line.mend();
        const resumed = await run(['destroy', ...WITH_ISSUER, '--delete-data']);
        expect(resumed).toMatchObject({ status: 0 });
        const plan = await run(['plan', ...WITH_ISSUER]);
        expect(plan.out).toContain('4 to create.');
      }
    },
    stretched(240_000),
  );

  test('destroys in the reverse order, and keeps the workspace with its data', async () => {
    await run(['apply', ...WITH_ISSUER]);
    line.calls = [];
    const { status, out } = await run(['destroy', ...WITH_ISSUER]);
    expect(status).toBe(0);
    const changes = line.calls.filter((call) => !READS.test(call));
    expect(changes).toEqual(['DetachRolePolicy', 'DeleteRole', 'DeletePolicy', 'DeleteOpenIDConnectProvider']);
    expect(out).toContain('left: it holds data');
    expect(await workspaces()).toHaveLength(1);
    expect((await run(['destroy', '--yes', '--delete-data'])).status).toBe(0);
    expect(await workspaces()).toEqual([]);
  });

  test('takes the issuer from the EKS cluster', async () => {
    const cluster = ['eks', 'create-cluster', '--name', 'prod', '--role-arn', 'arn:aws:iam::123456789012:role/eks'];
    const made = await aws([...cluster, '--resources-vpc-config', 'subnetIds=subnet-1,subnet-2']);
    const issuer = made.at('cluster', 'identity', 'oidc', 'issuer').text.replace('https://', '');
    expect((await run(['apply', '--cluster', 'prod', '--create-oidc-provider'])).status).toBe(0);
    const condition = (await role()).at('AssumeRolePolicyDocument', 'Statement', 0, 'Condition', 'StringEquals');
    expect(condition.at(`${issuer}:aud`).text).toBe('sts.amazonaws.com');
    expect(await run(['destroy', '--cluster', 'prod', '--yes'])).toMatchObject({ status: 0 });
    const missing = await run(['plan', '--cluster', 'elsewhere']);
    expect(missing.status).toBe(1);
    expect(missing.err).toContain('there is no EKS cluster elsewhere in us-west-2');
  });

  test('writes ARNs of the partition that the account is in', async () => {
    const [region, partition] = ['us-gov-west-1', 'aws-us-gov'];
    const { status } = await run(['apply', ...WITH_ISSUER, '--region', region]);
    expect(status).toBe(0);
    const made = (await aws(['iam', 'get-role', '--role-name', ROLE], { region })).at('Role');
    const principal = made.at('AssumeRolePolicyDocument', 'Statement', 0, 'Principal', 'Federated').text;
    expect(principal).toMatch(new RegExp(`^arn:${partition}:iam::123456789012:oidc-provider/`, 'u'));
    const arn = `arn:${partition}:iam::123456789012:policy/AMPIngestPolicy`;
    const args = ['iam', 'get-policy-version', '--policy-arn', arn, '--version-id', 'v1'];
    const document = (await aws(args, { region })).at('PolicyVersion', 'Document');
    expect(document.at('Statement', 0, 'Resource').text).toContain(`arn:${partition}:aps:${region}:`);
  });

  test('takes path, permissions boundary, tags and the read actions', async () => {
    const boundary = 'arn:aws:iam::aws:policy/PowerUserAccess';
    const extra = ['--path', '/obs/', '--permissions-boundary', boundary, '--tag', 'team=sre', '--query'];
    expect((await run(['apply', ...WITH_ISSUER, ...extra])).status).toBe(0);
    const made = await role();
    expect(made.at('Arn').text).toBe(`arn:aws:iam::123456789012:role/obs/${ROLE}`);
    expect(made.at('PermissionsBoundary', 'PermissionsBoundaryArn').text).toBe(boundary);
    expect(made.at('Tags').tags).toEqual({ team: 'sre', [TAG]: 'amp-write-proxy' });
    const document = await policyDocument('arn:aws:iam::123456789012:policy/obs/AMPIngestPolicy');
    expect(document.at('Statement', 0, 'Action').value).toEqual([
      'aps:RemoteWrite',
      'aps:GetLabels',
      'aps:GetMetricMetadata',
      'aps:GetSeries',
      'aps:QueryMetrics',
    ]);
    expect((await run(['plan', ...WITH_ISSUER, ...extra])).status).toBe(0);
    const moved = await run(['plan', ...WITH_ISSUER]);
    expect(moved.status).toBe(1);
    expect(moved.out.replaceAll(/\s+/gu, ' ')).toContain('its path is /obs/, not /, and cannot be changed');
  });
});
