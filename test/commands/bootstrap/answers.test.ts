/** Answers of bootstrap to people and scripts: JSON, values, screens, waits, and errors of AWS. Runs against moto. */
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

import { tooWide } from '../../support/bootstrap-run.ts';
import { expectInstallation, ROLE, WITH_ISSUER, workspaces, useControlPlane } from '../../support/control-plane.ts';
import { WHY_NO_MOTO } from '../../support/moto.ts';

describe.skipIf(WHY_NO_MOTO !== '')(`bootstrap's answers ${WHY_NO_MOTO}`, () => {
  const { line, run } = useControlPlane();

  test('prints JSON, and nothing else, on standard output', async () => {
    const applied = await run(['apply', ...WITH_ISSUER, '--output', 'json']);
    expect(JSON.parse(applied.out)).toMatchObject({
      command: 'apply',
      changed: true,
      outputs: { roleArn: `arn:aws:iam::123456789012:role/${ROLE}`, region: 'us-west-2' },
      values: { prometheus: { server: { remoteWrite: [{ queue_config: { capacity: 2500 } }] } } },
    });
    expect(applied.err).toContain('(created)');
    for (const verb of ['plan', 'status', 'destroy']) {
      expect(JSON.parse((await run([verb, ...WITH_ISSUER, '--output', 'json'])).out)).toMatchObject({ command: verb });
    }
    const failed = await run(['plan', '--output', 'json', '--cluster', 'none']);
    expect(failed.status).toBe(1);
    expect(JSON.parse(failed.out)).toMatchObject({ error: { code: 'NO_CLUSTER' } });
  });

  test('prints values for both charts, and environment lines', async () => {
    await run(['apply', ...WITH_ISSUER]);
    const [workspace] = await workspaces();
    const id = workspace?.at('workspaceId').text;
    const url = `https://aps-workspaces.us-west-2.amazonaws.com/workspaces/${id}/api/v1/remote_write`;
    const ours = await run(['status', ...WITH_ISSUER, '--output', 'helm', '--chart', 'amp-write-proxy']);
    const annotations = { 'eks.amazonaws.com/role-arn': `arn:aws:iam::123456789012:role/${ROLE}` };
    expect(parse(ours.out)).toMatchObject({
      serviceAccount: { create: true, name: 'amp-iamproxy-ingest-service-account', annotations },
      config: { remote_write: [{ url }] },
    });
    const theirs = await run(['status', ...WITH_ISSUER, '--output', 'helm', '--chart', 'prometheus']);
    expect(parse(theirs.out)).toEqual({
      server: {
        remoteWrite: [
          {
            url: 'http://amp-write-proxy.prometheus.svc:8005/api/v1/write',
            queue_config: { max_samples_per_send: 1000, max_shards: 200, capacity: 2500 },
          },
        ],
      },
    });
    const env = await run(['status', ...WITH_ISSUER, '--output', 'env']);
    expect(env.out).toContain(`AMP_REMOTE_WRITE_URL=${url}\n`);
  });

  test('shows who may take the role, and fits in 80 columns', async () => {
    await run(['apply', ...WITH_ISSUER]);
    const screens = [
      await run(['status', ...WITH_ISSUER]),
      await run(['plan', ...WITH_ISSUER, '--query']),
      await run(['destroy', ...WITH_ISSUER]),
      await run(['apply', ...WITH_ISSUER]),
      await run(['--help']),
    ];
    expect(screens[0]?.out).toContain('trust: Allow sts:AssumeRoleWithWebIdentity to');
    for (const { out, err } of screens) expect([...tooWide(out), ...tooWide(err)]).toEqual([]);
  });

  test('waits until the workspace is ACTIVE, with a line for each look', async () => {
    const creating = { workspace: { workspaceId: 'ws-1', status: { statusCode: 'CREATING' } } };
    line.override = (call, count) =>
      call.startsWith('GET /workspaces/ws-') && count <= 2
        ? { status: 200, body: JSON.stringify(creating), headers: { 'content-type': 'application/json' } }
        : undefined;
    const { status, err } = await run(['apply', ...WITH_ISSUER]);
    expect(status).toBe(0);
    expect(err).toMatch(/waiting for workspace ws-\S+ to be ACTIVE:\s+CREATING, 0 s/u);
    expect(err).toContain('CREATING, 3 s');
    expect(tooWide(err)).toEqual([]);
  });

  test('goes on waiting for a workspace that is being created, and refuses one whose creation failed', async () => {
    await run(['apply', ...WITH_ISSUER]);
    const headers = { 'content-type': 'application/json' };
    line.override = (call) =>
      call === 'GET /workspaces' ? { status: 200, body: listing('CREATION_FAILED'), headers } : undefined;
    const failed = await run(['apply', ...WITH_ISSUER]);
    expect(failed.status).toBe(1);
    expect(failed.out.replaceAll(/\s+/gu, ' ')).toContain('aws amp delete-workspace --workspace-id ws-1');
    line.override = (call) =>
      call === 'GET /workspaces' ? { status: 200, body: listing('CREATING'), headers } : undefined;
    expect((await run(['plan', ...WITH_ISSUER])).out).toContain('+ status ACTIVE (it is being created)');
  });

  test('tries again when AWS throttles', async () => {
    const body =
      '<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>';
    line.override = (call, count) => (call === 'CreateRole' && count <= 2 ? { status: 400, body } : undefined);
    const { status, err } = await run(['apply', ...WITH_ISSUER], { AWS_MAX_ATTEMPTS: '5' });
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(line.calls.filter((call) => call === 'CreateRole')).toHaveLength(3);
    await expectInstallation();
  });

  test('waits until IAM sees the role that was made a moment ago', async () => {
    const body =
      '<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>not yet</Message></Error></ErrorResponse>';
    line.override = (call, count) => (call === 'AttachRolePolicy' && count <= 2 ? { status: 404, body } : undefined);
    const { status, err } = await run(['apply', ...WITH_ISSUER]);
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(err).toContain('waiting for IAM to see what was just made');
    await expectInstallation();
  });

  test('tries a creation again under the same token, so that AWS makes one workspace of two tries', async () => {
    const tokens: unknown[] = [];
    line.override = (call, count, body) => {
      if (call !== 'POST /workspaces') return undefined;
      tokens.push(JSON.parse(body));
      return count === 1 ? { status: 503, body: '{}', headers: { 'content-type': 'application/json' } } : undefined;
    };
    expect((await run(['apply', ...WITH_ISSUER], { AWS_MAX_ATTEMPTS: '3' })).status).toBe(0);
    expect(tokens).toHaveLength(2);
    expect(tokens[0]).toEqual(tokens[1]);
    expect(tokens[0]).toHaveProperty('clientToken');
  });

  test('names the IAM action that is missing', async () => {
    const full =
      'User: arn:aws:iam::123456789012:user/me is not authorized to perform: iam:CreateRole on resource: role x';
    line.override = (call) => (call === 'CreateRole' ? { status: 403, body: denied(full) } : undefined);
    const told = await run(['apply', ...WITH_ISSUER, '--output', 'json']);
    expect(told.status).toBe(1);
    expect(JSON.parse(told.out)).toMatchObject({ error: { code: 'ACCESS_DENIED', action: 'iam:CreateRole' } });
    line.override = (call) => (call === 'AttachRolePolicy' ? { status: 403, body: denied('no') } : undefined);
    const silent = await run(['apply', ...WITH_ISSUER]);
    expect(silent.err).toContain('the IAM action iam:AttachRolePolicy is missing');
    line.override = (call) =>
      call === 'GET /workspaces'
        ? { status: 403, body: '{"message":"no"}', headers: { 'x-amzn-errortype': 'AccessDeniedException' } }
        : undefined;
    expect((await run(['plan', ...WITH_ISSUER])).err).toContain('the IAM action aps:ListWorkspaces is missing');
  });
});

function denied(message: string): string {
  return `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>${message}</Message></Error></ErrorResponse>`;
}

function listing(statusCode: string): string {
  return JSON.stringify({ workspaces: [{ workspaceId: 'ws-1', alias: 'amp-write-proxy', status: { statusCode } }] });
}
