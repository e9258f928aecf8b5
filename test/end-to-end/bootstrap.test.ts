/**
 * docs/bootstrap.md from end to end, with no manual step: bootstrap makes everything (moto), the values that it prints
 * configure the proxy and a real Prometheus, STS lets the proxy in by nothing but the role's own trust policy, samples
 * arrive, and destroy takes it all away again.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';

import { type Sandbox, startSandbox } from '../../src/dev/sandbox/sandbox.ts';
import { startTrustingSts, type TrustingSts } from '../../src/dev/sandbox/trusting-sts.ts';
import { bootstrap, type BootstrapRun } from '../support/bootstrap-run.ts';
import { aws, LOCK_TIMEOUT_MS, lockMoto, MOTO_URL, resetMoto, WHY_NO_MOTO } from '../support/moto.ts';
import { freePort, run, startChild, temporaryDirectory, until } from '../support/processes.ts';
import { PROMETHEUS } from '../support/prometheus.ts';
import { startProxy, writeConfig } from '../support/proxy.ts';
import { stretched } from '../support/slowness.ts';

const ACCOUNT = '123456789012';
const ISSUER = 'https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE';
const ARGS = ['--oidc-issuer', ISSUER, '--create-oidc-provider', '--yes'];
const SUBJECT = 'system:serviceaccount:prometheus:amp-iamproxy-ingest-service-account';
const AUDIENCE = 'sts.amazonaws.com';

const proxyValuesSchema = z.object({
  aws: z.object({ region: z.string() }),
  serviceAccount: z.object({
    name: z.string(),
    annotations: z.object({ 'eks.amazonaws.com/role-arn': z.string() }),
  }),
  config: z.object({
    remote_write: z.tuple([z.object({ name: z.string(), url: z.string(), sigv4: z.object({ region: z.string() }) })]),
  }),
});

const prometheusValuesSchema = z.object({
  server: z.object({
    remoteWrite: z.tuple([z.object({ url: z.string(), queue_config: z.record(z.string(), z.number()) })]),
  }),
});

const WHY_NOT = WHY_NO_MOTO === '' && PROMETHEUS === undefined ? 'PROMETHEUS_BIN is not set' : WHY_NO_MOTO;

describe.skipIf(WHY_NOT !== '')(`bootstrap, end to end ${WHY_NOT}`, () => {
  let unlock: (() => Promise<void>) | undefined;

  beforeAll(async () => {
    unlock = await lockMoto();
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'testing');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'testing');
    await resetMoto();
  }, stretched(LOCK_TIMEOUT_MS));
  afterAll(async () => {
    await unlock?.();
    vi.unstubAllEnvs();
  });

  test(
    'brings samples of a real Prometheus to the workspace, and goes away again',
    { timeout: stretched(120_000) },
    async () => {
      expect(await command(['apply', ...ARGS])).toMatchObject({ status: 0 });
      const values = proxyValuesSchema.parse(await valuesOf('amp-write-proxy'));
      const roleArn = values.serviceAccount.annotations['eks.amazonaws.com/role-arn'];
      const [entry] = values.config.remote_write;

      const { sandbox, sts } = await startCloud(values.aws.region, workspaceOf(entry.url), roleArn);
      const url = entry.url.replace(new URL(entry.url).origin, sandbox.url);
      const tokenFile = path.join(await temporaryDirectory(), 'token');
      const pod = {
        AWS_ACCESS_KEY_ID: '',
        AWS_SECRET_ACCESS_KEY: '',
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_REGION: values.aws.region,
        AWS_ROLE_ARN: roleArn,
        AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
        AWS_ENDPOINT_URL_STS: sts.url,
      };
      const doctorFile = await writeConfig({ remote_write: [{ ...entry, url }] });
      const doctor = async (token: string): Promise<{ status: number | null; stdout: string }> => {
        await writeFile(tokenFile, token);
        return run(process.execPath, ['src/commands/doctor/doctor.ts', '--config', doctorFile], { env: pod });
      };

      const claims = { iss: ISSUER, sub: SUBJECT, aud: AUDIENCE };
      const stranger = await doctor(sts.issueToken({ ...claims, sub: 'system:serviceaccount:default:default' }));
      expect(stranger.status).toBe(1);
      expect(words(stranger.stdout)).toContain("The role's trust policy does not let this service account in.");
      expect((await doctor(sts.issueToken({ ...claims, aud: 'vault' }))).stdout).toContain('audience');
      const elsewhere = await doctor(sts.issueToken({ ...claims, iss: 'https://oidc.example.com/id/OTHER' }));
      expect(words(elsewhere.stdout)).toContain("IAM has no OIDC provider for the token's issuer.");
      expect((await doctor(sts.forgeToken(claims))).status).toBe(1);
      expect(sts.verdicts).not.toContain('ok');
      const well = await doctor(sts.issueToken(claims));
      expect(well.stdout).toContain('AMP took a signed, empty write (200)');
      expect(well.status).toBe(0);

      const proxy = await startProxy({ remoteWrite: [{ ...entry, url }], env: pod });
      await startPrometheusWith(prometheusValuesSchema.parse(await valuesOf('prometheus')), proxy.url);
      await until('samples of Prometheus are in the workspace', () => sandbox.store.sampleCount > 1000);
      const names = [...sandbox.store.series()].flatMap(({ labels }) => labels.map(({ value }) => value));
      expect(names).toContain('prometheus_build_info');
      expect(sandbox.ledger.requests().every(({ status }) => status === 200)).toBe(true);

      const { status, out } = await command(['destroy', ...ARGS, '--delete-data', '--output', 'json']);
      expect(status).toBe(0);
      expect(JSON.parse(out)).toMatchObject({ left: [] });
      await expect(aws(['iam', 'get-role', '--role-name', roleArn.split('/').at(-1) ?? ''])).rejects.toThrow(
        'NoSuchEntity',
      );
      expect((await aws(['amp', 'list-workspaces'])).at('workspaces').list).toEqual([]);
      expect((await aws(['iam', 'list-policies', '--scope', 'Local'])).at('Policies').list).toEqual([]);
      expect((await aws(['iam', 'list-open-id-connect-providers'])).at('OpenIDConnectProviderList').list).toEqual([]);
    },
  );
});

function command(args: readonly string[]): Promise<BootstrapRun> {
  return bootstrap(args, { AWS_ENDPOINT_URL: MOTO_URL });
}

async function valuesOf(chart: string): Promise<unknown> {
  return parse((await command(['status', ...ARGS, '--output', 'helm', '--chart', chart])).out);
}

/** AMP and STS. What STS knows of role and provider is what the AWS CLI reads from IAM. */
async function startCloud(
  region: string,
  workspaceId: string,
  roleArn: string,
): Promise<{ sandbox: Sandbox; sts: TrustingSts }> {
  const roleName = roleArn.split('/').at(-1) ?? '';
  const trust = (await aws(['iam', 'get-role', '--role-name', roleName])).at('Role', 'AssumeRolePolicyDocument').value;
  const issuer = ISSUER.replace('https://', '');
  const arn = `arn:aws:iam::${ACCOUNT}:oidc-provider/${issuer}`;
  const provider = await aws(['iam', 'get-open-id-connect-provider', '--open-id-connect-provider-arn', arn]);
  const clientIds = provider.at('ClientIDList').list.map(({ text }) => text);
  const sandbox = await startSandbox({ region, workspaceId });
  const sts = await startTrustingSts(
    {
      accountId: ACCOUNT,
      trustByRole: new Map([[roleArn, trust]]),
      clientIdsByIssuer: new Map([[issuer, clientIds]]),
    },
    sandbox.keys,
  );
  onTestFinished(async () => {
    await sts.close();
    await sandbox.close();
  });
  return { sandbox, sts };
}

/** The printed block as it is, but for the host: there is no cluster DNS here. */
async function startPrometheusWith(values: z.infer<typeof prometheusValuesSchema>, proxyUrl: string): Promise<void> {
  const [block] = values.server.remoteWrite;
  const directory = await temporaryDirectory();
  const address = `127.0.0.1:${await freePort()}`;
  const configFile = path.join(directory, 'prometheus.yml');
  const configuration = {
    global: { scrape_interval: '500ms' },
    scrape_configs: [{ job_name: 'itself', static_configs: [{ targets: [address] }] }],
    remote_write: [{ ...block, url: block.url.replace(new URL(block.url).origin, proxyUrl) }],
  };
  await writeFile(configFile, stringify(configuration));
  startChild('prometheus', PROMETHEUS ?? '', [
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${path.join(directory, 'data')}`,
    `--web.listen-address=${address}`,
  ]);
}

function workspaceOf(url: string): string {
  return /\/workspaces\/([^/]+)\//u.exec(url)?.[1] ?? '';
}

/** Without the line breaks of the screen. */
function words(screen: string): string {
  return screen.replaceAll(/\s+/gu, ' ');
}
