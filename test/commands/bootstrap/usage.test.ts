/** Command line, bootstrap.yml and settings: nothing is asked of AWS here, the endpoint is a dead one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { HELP, readOptions } from '../../../src/commands/bootstrap/options.ts';
import { settingsOf } from '../../../src/commands/bootstrap/settings.ts';
import { bootstrap, tooWide } from '../../support/bootstrap-run.ts';

const DEAD = { AWS_ENDPOINT_URL: 'http://127.0.0.1:9' };

describe('usage', () => {
  test.each([
    [[], 'what to do?'],
    [['make'], 'no verb make'],
    [['plan', 'apply'], 'one verb at a time'],
    [['plan', '--frobnicate'], '--frobnicate'],
    [['plan'], 'Give --cluster NAME (EKS) or --oidc-issuer URL'],
    [['plan', '--cluster', 'a', '--oidc-issuer', 'https://b'], 'both name the cluster'],
    [['plan', '--oidc-issuer', 'http://b'], 'must be an https:// URL'],
    [['plan', '--cluster', 'a', '--identity', 'kiam'], 'must be irsa or pod-identity'],
    [['plan', '--identity', 'pod-identity'], 'needs --cluster NAME'],
    [['plan', '--cluster', 'a', '--output', 'helm'], '--output helm is for apply and status'],
    [['plan', '--cluster', 'a', '--output', 'xml'], '--output xml must be one of'],
    [['plan', '--cluster', 'a', '--role-name', 'no spaces please'], '--role-name "no spaces please" must be'],
    [['plan', '--cluster', 'a', '--namespace', 'Prometheus'], '--namespace "Prometheus" must be a Kubernetes name'],
    [['plan', '--cluster', 'a', '--tag', 'team'], '--tag team must be KEY=VALUE'],
    [['plan', '--cluster', 'a', '--tag', 'amp-write-proxy:bootstrap=x'], 'is what marks our resources'],
    [['plan', '--config', 'nowhere.yml'], '--config nowhere.yml cannot be read'],
    [['plan', '--cluster', 'a', '--dashboard', 'nowhere.json'], 'dashboard nowhere.json: ENOENT'],
    [['oidc-documents'], 'needs --oidc-issuer URL'],
  ])('of %j is refused with exit status 2 and in words', async (args, words) => {
    const { status, out, err } = await bootstrap(args, DEAD);
    expect(status).toBe(2);
    expect(err.replaceAll(/\s+/gu, ' ')).toContain(words);
    expect(out).toBe('');
    expect(tooWide(err)).toEqual([]);
  });

  test('prints its help in 80 columns', async () => {
    const { status, out } = await bootstrap(['--help'], DEAD);
    expect(status).toBe(0);
    expect(out).toBe(HELP);
    expect(tooWide(out)).toEqual([]);
  });

  test('says how to get credentials when there are none', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) vi.stubEnv(name, '');
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent');
    const { status, err } = await bootstrap(['plan', '--oidc-issuer', 'https://b'], DEAD);
    vi.unstubAllEnvs();
    expect(status).toBe(1);
    expect(err).toContain('no AWS credentials');
    expect(err).toContain('aws sso login');
  });

  test('names the call when nobody answers', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'testing');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'testing');
    const { status, err } = await bootstrap(['plan', '--oidc-issuer', 'https://b'], DEAD);
    vi.unstubAllEnvs();
    expect(status).toBe(1);
    expect(err).toContain('sts:GetCallerIdentity got no answer');
  });
});

describe('bootstrap.yml', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'bootstrap-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const withFile = async (text: string, ...flags: readonly string[]): Promise<ReturnType<typeof settingsOf>> => {
    const file = join(directory, 'bootstrap.yml');
    await writeFile(file, text);
    const options = await readOptions(['plan', '--config', file, ...flags]);
    return settingsOf(options?.given ?? {}, undefined, true);
  };

  test('gives what flags do not, and the rest has the names of the AMP user guide', async () => {
    const settings = await withFile('region: eu-west-1\ncluster: prod\ntags: {team: sre}\ngrafana: true\n', '--query');
    expect(settings).toMatchObject({
      region: 'eu-west-1',
      cluster: 'prod',
      workspaceAlias: 'amp-write-proxy',
      namespace: 'prometheus',
      serviceAccount: 'amp-iamproxy-ingest-service-account',
      roleName: 'amp-iamproxy-ingest-role',
      policyName: 'AMPIngestPolicy',
      identity: 'irsa',
      query: true,
      tags: { team: 'sre' },
      grafana: { enabled: true, workspaceName: 'amp-write-proxy' },
    });
  });

  test('gives way to a cluster on the command line, and joins tags with those of flags', async () => {
    const text = 'region: eu-west-1\noidc_issuer: https://a.example.com\ntags: {team: sre, env: dev}\n';
    const settings = await withFile(text, '--cluster', 'prod', '--tag', 'env=prod');
    expect(settings).toMatchObject({ cluster: 'prod', oidcIssuer: undefined, tags: { team: 'sre', env: 'prod' } });
  });

  test('is refused by key where it has an unknown one, and by value where that is wrong', async () => {
    await expect(withFile('regoin: eu-west-1\n')).rejects.toThrow('regoin is no key of bootstrap.yml');
    await expect(withFile('region: us\ncluster: a\n')).rejects.toThrow('--region "us" must be a region');
    await expect(withFile('cluster: [\n')).rejects.toThrow('is no YAML');
  });
});
