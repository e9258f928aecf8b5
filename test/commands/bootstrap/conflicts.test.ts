/** Resources of others, and resources that exist twice: left alone, added to, or refused. Runs against moto. */
import { describe, expect, test } from 'vitest';

import {
  exists,
  expectInstallation,
  ISSUER,
  policyDocument,
  PROVIDER_ARN,
  READS,
  ROLE,
  role,
  WITH_ISSUER,
  workspaces,
  useControlPlane,
} from '../../support/control-plane.ts';
import { aws, WHY_NO_MOTO } from '../../support/moto.ts';

describe.skipIf(WHY_NO_MOTO !== '')(`bootstrap among others ${WHY_NO_MOTO}`, () => {
  const { line, run } = useControlPlane();

  test('destroys nothing that does not bear our tag, and says what it left', async () => {
    const foreignTrust = '{"Version":"2012-10-17","Statement":[]}';
    await aws(['amp', 'create-workspace', '--alias', 'amp-write-proxy']);
    await aws(['iam', 'create-role', '--role-name', ROLE, '--assume-role-policy-document', foreignTrust]);
    await aws(['iam', 'create-open-id-connect-provider', '--url', ISSUER, '--client-id-list', 'sts.amazonaws.com']);
    const { status, out } = await run(['destroy', ...WITH_ISSUER, '--delete-data']);
    expect(status).toBe(0);
    expect(out.replaceAll(/\s+/gu, ' ').match(/left: it does not bear our tag/gu)).toHaveLength(3);
    expect(await workspaces()).toHaveLength(1);
    expect(await exists(['iam', 'get-role', '--role-name', ROLE])).toBe(true);
    expect(line.calls.filter((call) => !READS.test(call))).toEqual([]);
  });

  test('adds what it needs to a role and a policy of others, and leaves the rest of them alone', async () => {
    const theirs = { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' };
    const trust = JSON.stringify({ Version: '2012-10-17', Statement: [theirs] });
    const grant = { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::x/*' };
    const document = JSON.stringify({ Version: '2012-10-17', Statement: [grant] });
    await aws(['iam', 'create-role', '--role-name', ROLE, '--assume-role-policy-document', trust]);
    await aws(['iam', 'create-policy', '--policy-name', 'AMPIngestPolicy', '--policy-document', document]);
    const { status, out } = await run(['apply', ...WITH_ISSUER]);
    expect(status).toBe(0);
    expect(out).toContain('(changed, made by others)');
    const statements = (await role()).at('AssumeRolePolicyDocument', 'Statement');
    expect(statements.list.map((item) => item.at('Sid').value)).toEqual([undefined, 'AmpWriteProxyIrsa']);
    expect(statements.at(0).value).toEqual(theirs);
    expect((await policyDocument()).at('Statement', 0).value).toEqual(grant);
    expect((await role()).at('Tags').value).toBeUndefined();
    expect((await run(['plan', ...WITH_ISSUER])).status).toBe(0);
    await run(['destroy', '--yes']);
    expect(await exists(['iam', 'get-role', '--role-name', ROLE])).toBe(true);
  });

  test('leaves the permissions boundary of a role of others as it is', async () => {
    const theirs = 'arn:aws:iam::aws:policy/ReadOnlyAccess';
    const trust = '{"Version":"2012-10-17","Statement":[]}';
    const made = ['iam', 'create-role', '--role-name', ROLE, '--assume-role-policy-document', trust];
    await aws([...made, '--permissions-boundary', theirs]);
    const args = [...WITH_ISSUER, '--permissions-boundary', 'arn:aws:iam::aws:policy/PowerUserAccess'];
    expect((await run(['plan', ...args])).out).not.toContain('boundary');
    expect((await run(['apply', ...args])).status).toBe(0);
    expect((await role()).at('PermissionsBoundary', 'PermissionsBoundaryArn').text).toBe(theirs);
    expect(line.calls).not.toContain('PutRolePermissionsBoundary');
    expect((await run(['plan', ...args])).status).toBe(0);
  });

  test('refuses two workspaces of one alias, and lists both', async () => {
    const ids = [];
    for (let count = 0; count < 2; count += 1) {
      ids.push((await aws(['amp', 'create-workspace', '--alias', 'amp-write-proxy'])).at('workspaceId').text);
    }
    await aws(['amp', 'create-workspace', '--alias', 'amp-write-proxy-of-others']);
    for (const verb of ['plan', 'apply', 'status', 'destroy']) {
      const { status, err } = await run([verb, ...WITH_ISSUER]);
      expect(status).toBe(1);
      for (const id of ids) expect(err).toContain(id);
      expect(err).toContain('2 workspaces have the alias amp-write-proxy');
    }
    expect(line.calls.filter((call) => !READS.test(call))).toEqual([]);
  });

  test('says how to help a provider that is missing, or lacks the audience, and creates nothing', async () => {
    const missing = await run(['apply', '--oidc-issuer', ISSUER]);
    expect(missing.status).toBe(1);
    expect(missing.out).toContain('--create-oidc-provider');
    expect(await workspaces()).toEqual([]);
    await aws(['iam', 'create-open-id-connect-provider', '--url', ISSUER, '--client-id-list', 'other']);
    const lacking = await run(['plan', '--oidc-issuer', ISSUER]);
    expect(lacking.status).toBe(1);
    expect(lacking.out.replaceAll(/\s+/gu, ' ')).toContain(
      'does not list sts.amazonaws.com among its client ids (other)',
    );
    // moto does not know this action: the line answers in its place.
    const added =
      '<AddClientIDToOpenIDConnectProviderResponse><ResponseMetadata/></AddClientIDToOpenIDConnectProviderResponse>';
    line.override = (call) =>
      call === 'AddClientIDToOpenIDConnectProvider' ? { status: 200, body: added } : undefined;
    expect((await run(['apply', ...WITH_ISSUER])).status).toBe(0);
    expect(line.calls).toContain('AddClientIDToOpenIDConnectProvider');
  });

  test('leaves the provider of the cluster while other roles trust it', async () => {
    await run(['apply', ...WITH_ISSUER]);
    const statement = {
      Effect: 'Allow',
      Principal: { Federated: PROVIDER_ARN },
      Action: 'sts:AssumeRoleWithWebIdentity',
    };
    const trust = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
    await aws(['iam', 'create-role', '--role-name', 'external-dns', '--assume-role-policy-document', trust]);
    const { out } = await run(['destroy', '--yes']);
    expect(out.replaceAll(/\s+/gu, ' ')).toContain('left: other roles trust it: external-dns');
    expect((await aws(['iam', 'list-open-id-connect-providers'])).at('OpenIDConnectProviderList').list).toHaveLength(1);
  });

  test('does not take the role of an installation for another workspace', async () => {
    await run(['apply', ...WITH_ISSUER]);
    const other = await run(['apply', ...WITH_ISSUER, '--workspace-alias', 'second']);
    expect(other.status).toBe(1);
    expect(other.out.replaceAll(/\s+/gu, ' ')).toContain(
      'it belongs to the installation of workspace alias amp-write-proxy; choose another --role-name',
    );
    expect(await workspaces('second')).toEqual([]);
    const spared = await run(['destroy', '--yes', '--workspace-alias', 'second']);
    expect(spared.out.replaceAll(/\s+/gu, ' ')).toContain('left: it belongs to the installation of workspace alias');
    const names = ['--role-name', 'second-role', '--policy-name', 'SecondPolicy'];
    expect((await run(['apply', ...WITH_ISSUER, '--workspace-alias', 'second', ...names])).status).toBe(0);
    await run(['destroy', '--yes', '--workspace-alias', 'second', ...names, '--delete-data']);
    await expectInstallation();
  });
});
