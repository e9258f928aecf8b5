/**
 * Grafana: IAM and AMP by moto, Amazon Managed Grafana by the sandbox's stand-in, which the AWS CLI reads as well.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CreateWorkspaceCommand, DescribeWorkspaceCommand, GrafanaClient } from '@aws-sdk/client-grafana';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

import type { ManagedGrafana } from '../../../src/dev/sandbox/managed-grafana.ts';
import { startManagedGrafana } from '../../../src/dev/sandbox/managed-grafana.ts';
import { bootstrap, type BootstrapRun, tooWide } from '../../support/bootstrap-run.ts';
import { CuttingProxy } from '../../support/cutting-proxy.ts';
import { aws, LOCK_TIMEOUT_MS, lockMoto, MOTO_URL, resetMoto, WHY_NO_MOTO } from '../../support/moto.ts';
import { stretched } from '../../support/slowness.ts';

const ADMIN = '9267d6a0-1234-5678-9abc-def012345678';
const ISSUER_ARGS = ['--oidc-issuer', 'https://oidc.example.com/id/CLUSTER1', '--create-oidc-provider'];
const ARGS = [...ISSUER_ARGS, '--yes', '--grafana', '--grafana-admin', ADMIN];

describe.skipIf(WHY_NO_MOTO !== '')(`bootstrap --grafana ${WHY_NO_MOTO}`, () => {
  let grafana: ManagedGrafana;
  let line: CuttingProxy;
  let directory: string;
  let unlock: (() => Promise<void>) | undefined;

  beforeAll(async () => {
    unlock = await lockMoto();
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'testing');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'testing');
  }, stretched(LOCK_TIMEOUT_MS));
  beforeEach(async () => {
    await resetMoto();
    // Its HTTP API is behind the same line.
    grafana = await startManagedGrafana({ pendingReads: 2, endpointUrl: () => line.url });
    line = new CuttingProxy(grafana.url);
    await line.listen();
    directory = await mkdtemp(join(tmpdir(), 'grafana-'));
  });
  afterEach(async () => {
    await line.close();
    await grafana.close();
    await rm(directory, { recursive: true });
  });
  afterAll(async () => {
    await unlock?.();
    vi.unstubAllEnvs();
  });

  const run = (args: readonly string[]): Promise<BootstrapRun> =>
    bootstrap(args, { AWS_ENDPOINT_URL: MOTO_URL, AWS_ENDPOINT_URL_GRAFANA: line.url });

  test('makes the workspace, its role, the admin, the data source and the dashboards', async () => {
    const file = join(directory, 'mine.json');
    const mine = {
      __inputs: [{ name: 'DS_PROMETHEUS', type: 'datasource' }],
      id: 7,
      title: 'Mine',
      panels: [{ datasource: { uid: '${DS_PROMETHEUS}' } }],
    };
    await writeFile(file, JSON.stringify(mine));
    const applied = await run(['apply', ...ARGS, '--dashboard', file]);
    expect(applied).toMatchObject({ status: 0 });
    expect(applied.err).toContain('to be ACTIVE: CREATING');

    const [listed] = (await aws(['grafana', 'list-workspaces'], { endpoint: grafana.url })).at('workspaces').list;
    const id = listed?.at('id').text ?? '';
    const described = await aws(['grafana', 'describe-workspace', '--workspace-id', id], { endpoint: grafana.url });
    const role = (await aws(['iam', 'get-role', '--role-name', 'amp-iamproxy-grafana-role'])).at('Role');
    expect(described.at('workspace').value).toMatchObject({
      name: 'amp-write-proxy',
      accountAccessType: 'CURRENT_ACCOUNT',
      permissionType: 'SERVICE_MANAGED',
      authentication: { providers: ['AWS_SSO'] },
      dataSources: ['PROMETHEUS'],
      notificationDestinations: ['SNS'],
      status: 'ACTIVE',
      workspaceRoleArn: role.at('Arn').text,
    });
    const permissions = await aws(['grafana', 'list-permissions', '--workspace-id', id], { endpoint: grafana.url });
    expect(permissions.at('permissions').value).toEqual([{ user: { id: ADMIN, type: 'SSO_USER' }, role: 'ADMIN' }]);
    expect(role.at('AssumeRolePolicyDocument', 'Statement', 0, 'Principal').value).toEqual({
      Service: 'grafana.amazonaws.com',
    });
    const [amp] = (await aws(['amp', 'list-workspaces'])).at('workspaces').list;
    const inline = ['iam', 'get-role-policy', '--role-name', 'amp-iamproxy-grafana-role', '--policy-name'];
    const statements = (await aws([...inline, 'amp-write-proxy'])).at('PolicyDocument', 'Statement').list;
    expect(statements.map((item) => item.at('Resource').value)).toEqual([
      '*',
      amp?.at('arn').text,
      'arn:aws:sns:*:123456789012:grafana*',
    ]);

    const inside = grafana.workspaces.get(id);
    const [source] = [...(inside?.dataSources.values() ?? [])];
    expect(source).toMatchObject({
      type: 'prometheus',
      url: `https://aps-workspaces.us-west-2.amazonaws.com/workspaces/${amp?.at('workspaceId').text}`,
      jsonData: { sigV4Auth: true, sigV4AuthType: 'workspace-iam-role', sigV4Region: 'us-west-2' },
    });
    const dashboards = [...(inside?.dashboards.values() ?? [])];
    expect(dashboards.map((dashboard) => dashboard['title'])).toEqual(['amp-write-proxy', 'Mine']);
    expect(dashboards[1]).toMatchObject({ panels: [{ datasource: { uid: source?.['uid'] } }] });
    expect(inside?.serviceAccounts.size).toBe(0);
  });

  test('never shows a token, and leaves none behind', async () => {
    const screens = [];
    for (const verb of ['plan', 'apply', 'status', 'destroy']) {
      screens.push(await run([verb, ...ARGS]), await run([verb, ...ARGS, '--output', 'json']));
    }
    expect(grafana.issuedTokens.length).toBeGreaterThan(0);
    const everything = screens.map(({ out, err }) => out + err).join('');
    for (const token of grafana.issuedTokens) expect(everything).not.toContain(token);
  });

  test('changes nothing the second time, and plans without making a token', async () => {
    await run(['apply', ...ARGS]);
    const tokens = grafana.issuedTokens.length;
    expect((await run(['plan', ...ARGS])).status).toBe(0);
    expect((await run(['status', ...ARGS])).status).toBe(0);
    expect(grafana.issuedTokens).toHaveLength(tokens);
    line.calls = [];
    expect((await run(['apply', ...ARGS])).out).toContain('Nothing had to be changed.');
    const changes = line.calls.filter((call) => !call.startsWith('GET '));
    expect(changes.every((call) => call.includes('/serviceaccounts'))).toBe(true);
  });

  test('repairs a data source that was changed by hand, when applied', async () => {
    await run(['apply', ...ARGS]);
    const [inside] = [...grafana.workspaces.values()];
    const [[uid, source] = ['', {}]] = [...(inside?.dataSources ?? [])];
    inside?.dataSources.set(uid, { ...source, url: 'https://elsewhere.example.com' });
    inside?.dashboards.clear();
    expect((await run(['apply', ...ARGS])).out).toContain('(changed)');
    expect(inside?.dataSources.get(uid)).toEqual(source);
    expect(inside?.dashboards.size).toBe(1);
  });

  test(
    'resumes after an interrupt between any two calls',
    async () => {
      await run(['apply', ...ARGS]);
      const calls = line.calls.length;
      for (let cut = 0; cut < calls; cut += 1) {
        await resetMoto();
        for (const id of grafana.workspaces.keys()) {
          await aws(['grafana', 'delete-workspace', '--workspace-id', id], { endpoint: grafana.url });
        }
        line.cutAfter(cut, cut % 2 === 0 ? 'after' : 'before');
        expect((await run(['apply', ...ARGS])).status).toBe(1);
        line.mend();
        expect({ cut, ...(await run(['apply', ...ARGS])) }).toMatchObject({ status: 0 });
        expect((await run(['plan', ...ARGS])).status).toBe(0);
        const [inside, ...others] = [...grafana.workspaces.values()];
        expect(others).toEqual([]);
        expect([inside?.dataSources.size, inside?.dashboards.size, inside?.serviceAccounts.size]).toEqual([1, 1, 0]);
      }
    },
    stretched(180_000),
  );

  test('destroys Grafana without being told that there is one, role last', async () => {
    await run(['apply', ...ARGS]);
    const { status, out } = await run(['destroy', '--yes']);
    expect(status).toBe(0);
    expect(grafana.workspaces.size).toBe(0);
    expect(out).toMatch(/- grafana .*\n(.*\n)*.*- grafana role/u);
    expect(tooWide(out)).toEqual([]);
    await expect(aws(['iam', 'get-role', '--role-name', 'amp-iamproxy-grafana-role'])).rejects.toThrow('NoSuchEntity');
  });

  test('uses a Grafana of others, and takes only its own things out of it', async () => {
    const client = new GrafanaClient({ endpoint: grafana.url, region: 'us-west-2' });
    const made = await client.send(
      new CreateWorkspaceCommand({
        workspaceName: 'amp-write-proxy',
        accountAccessType: 'CURRENT_ACCOUNT',
        permissionType: 'SERVICE_MANAGED',
        authenticationProviders: ['AWS_SSO'],
        workspaceRoleArn: 'arn:aws:iam::123456789012:role/theirs',
      }),
    );
    const inside = grafana.workspaces.get(made.workspace?.id ?? '');
    inside?.dataSources.set('theirs', { name: 'theirs' });
    expect(await run(['apply', ...ARGS])).toMatchObject({ status: 0 });
    expect(inside?.dataSources.size).toBe(2);
    await run(['destroy', '--yes', '--grafana']);
    expect([...(inside?.dataSources.keys() ?? [])]).toEqual(['theirs']);
    const { workspace } = await client.send(new DescribeWorkspaceCommand({ workspaceId: inside?.id }));
    expect(workspace).toMatchObject({ workspaceRoleArn: 'arn:aws:iam::123456789012:role/theirs', tags: {} });
    client.destroy();
  });

  test('says what an SSO user is, when it was given a name', async () => {
    const { status, err } = await run(['apply', ...ARGS.slice(0, -1), 'jane']);
    expect(status).toBe(1);
    expect(err).toContain('the SSO user jane could not be made ADMIN');
    expect(err).toContain('aws identitystore list-users');
  });
});
