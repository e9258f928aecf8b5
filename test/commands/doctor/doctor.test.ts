/** The doctor against the sandbox: each thing that can be wrong, found by name and with its remedy. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { doctorMain } from '../../../src/commands/doctor/doctor.ts';
import { type Sandbox, startSandbox } from '../../../src/dev/sandbox/sandbox.ts';
import { tooWide } from '../../support/bootstrap-run.ts';

const CERTIFICATE = trySelfSigned();

interface WriteRequestHandler {
  readonly status: number;
  /** Without the line breaks of the screen. */
  readonly words: string;
  readonly out: string;
}

describe('doctor', () => {
  let directory: string;
  let sandbox: Sandbox;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'doctor-'));
    sandbox = await startSandbox();
    vi.stubEnv('AWS_ENDPOINT_URL_STS', sandbox.stsUrl);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent');
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) vi.stubEnv(name, '');
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await sandbox.close();
    await rm(directory, { recursive: true });
  });

  const visit = async (
    entry: object = {},
    sigv4: object = {},
    args: readonly string[] = [],
  ): Promise<WriteRequestHandler> => {
    const file = join(directory, 'amp-write-proxy.yml');
    const keys = { access_key: sandbox.accessKeyId, secret_key: sandbox.secretAccessKey };
    const remoteWrite = { url: sandbox.remoteWriteUrl, sigv4: { region: sandbox.region, ...keys, ...sigv4 }, ...entry };
    await writeFile(file, JSON.stringify({ remote_write: [remoteWrite] }));
    let out = '';
    const status = await doctorMain(['--config', file, ...args], {
      env: process.env,
      writeOut: (text) => {
        out += text;
      },
      writeError: () => undefined,
    });
    if (!args.includes('json')) expect(tooWide(out)).toEqual([]);
    return { status, out, words: out.replaceAll(/\s+/gu, ' ') };
  };

  test('finds nothing when all is well, and writes no sample', async () => {
    const { status, words } = await visit();
    expect(words).toMatch(/AMP took a signed, empty write \(200\) in \d+ ms/u);
    expect(words).toContain('arn:aws:iam::123456789012:user/sandbox');
    expect(words).toContain('All is well.');
    expect(status).toBe(0);
    expect(sandbox.store.sampleCount).toBe(0);
  });

  test('knows a wrong secret key, and shows nothing secret', async () => {
    const { status, words, out } = await visit({}, { secret_key: 'not-the-secret-of-anybody' });
    expect(status).toBe(1);
    expect(words).toContain('refused: the signature does not match (403');
    expect(words).toContain('The secret key is wrong');
    for (const secret of ['not-the-secret-of-anybody', sandbox.secretAccessKey, 'Canonical']) {
      expect(out).not.toContain(secret);
    }
  });

  test('knows keys that AWS does not', async () => {
    const { status, words } = await visit({}, { access_key: 'AKIAUNKNOWNUNKNOWN00' });
    expect(status).toBe(1);
    expect(words).toContain('AWS does not know these credentials');
  });

  test('knows the wrong region', async () => {
    const { status, words } = await visit({}, { region: 'eu-central-1' });
    expect(status).toBe(1);
    expect(words).toContain('it is signed for the wrong region (eu-central-1)');
    expect(words).toContain('Set sigv4.region to the region of the workspace');
  });

  test('knows a workspace that is not there', async () => {
    const url = sandbox.remoteWriteUrl.replace('ws-sandbox', 'ws-nowhere');
    const { status, words } = await visit({ url });
    expect(status).toBe(1);
    expect(words).toContain('there is no such workspace or path (404');
    expect(words).toContain('without a slash at its end');
  });

  test('knows a wrong clock', async () => {
    sandbox.clock.offsetMs = 10 * 60_000;
    const { status, words } = await visit();
    expect(status).toBe(1);
    expect(words).toMatch(/FAIL clock (?:599|600) s behind AMP's/u);
    expect(words).toContain('chrony');
  });

  test('knows a name that is not found, and does not go on from there', async () => {
    const { status, words } = await visit({ url: 'https://aps.invalid/workspaces/ws-1/api/v1/remote_write' });
    expect(status).toBe(1);
    expect(words).toMatch(/FAIL dns aps\.invalid is not found: (?:ENOTFOUND|EAI_AGAIN)/u);
    expect(words).toContain('- write without a way there');
  });

  test('knows a port where nobody listens, and one that does not speak TLS', async () => {
    const dead = await visit({ url: 'https://127.0.0.1:9/workspaces/ws-1/api/v1/remote_write' });
    expect(dead.words).toContain('Nothing listens on that port');
    const plain = await visit({ url: sandbox.remoteWriteUrl.replace('http:', 'https:') });
    expect(plain.words).toContain('FAIL tls');
    expect([dead.status, plain.status]).toEqual([1, 1]);
  });

  test.skipIf(CERTIFICATE === undefined)(
    'knows a certificate that nobody vouches for, and takes one that it is given',
    async () => {
      await sandbox.close();
      if (CERTIFICATE !== undefined) sandbox = await startSandbox({ tls: CERTIFICATE });
      vi.stubEnv('AWS_ENDPOINT_URL_STS', sandbox.stsUrl);
      const unknown = await visit();
      expect(unknown.status).toBe(1);
      expect(unknown.words).toContain('(DEPTH_ZERO_SELF_SIGNED_CERT)');
      expect(unknown.words).toContain('tls_config.ca_file');
      expect(unknown.words).toContain('- write without a way there');
      const file = join(directory, 'ca.pem');
      await writeFile(file, CERTIFICATE?.cert ?? '');
      const known = await visit({ tls_config: { ca_file: file } });
      expect(known).toMatchObject({ status: 0 });
      expect(known.words).toMatch(/ok tls TLSv1\.3, certificate of .* for \d+ more days/u);
      const missing = await visit({ tls_config: { ca_file: join(directory, 'none.pem') } });
      expect(missing.words).toContain('cannot be read: ENOENT');
    },
  );

  test('says what a pod lacks when there are no credentials', async () => {
    const { status, words } = await visit({ sigv4: { region: 'us-west-2' } });
    expect(status).toBe(1);
    expect(words).toContain('neither AWS_WEB_IDENTITY_TOKEN_FILE');
    expect(words).toContain('then restart the pod');
    expect(words).toContain('- write without credentials');
  });

  test('shows what a web identity token says, and never the token', async () => {
    const token = sandbox.issueWebIdentityToken({ sub: 'system:serviceaccount:default:default' });
    await writeFile(join(directory, 'token'), token);
    vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/x');
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', join(directory, 'token'));
    const refused = await visit({ sigv4: { region: 'us-west-2' } });
    expect(refused.words).toContain("The role's trust policy does not let this service account in.");
    expect(refused.words).toContain('sub "system:serviceaccount:default:default"');
    expect(refused.out.replaceAll(/\s/gu, '')).not.toContain(token.split('.')[2]);
    await rm(join(directory, 'token'));
    const missing = await visit({ sigv4: { region: 'us-west-2' } });
    expect(missing.words).toContain('cannot be read: the pod');
    await writeFile(join(directory, 'token'), sandbox.issueWebIdentityToken());
    expect((await visit({ sigv4: { region: 'us-west-2' } })).status).toBe(0);
  });

  test('names every mistake of the configuration', async () => {
    const { status, words } = await visit({ remote_timeuot: '1s' });
    expect(status).toBe(1);
    expect(words).toContain('remote_timeuot');
  });

  test('answers scripts in JSON', async () => {
    const { status, out } = await visit({}, {}, ['--output', 'json']);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      command: 'doctor',
      reports: [{}, { name: 'remote_write default', url: sandbox.remoteWriteUrl }],
    });
  });

  test.each([[['--frobnicate']], [[]], [['--config', 'x', '--output', 'xml']]])('refuses %j as usage', async (args) => {
    const io = { env: {}, writeOut: () => undefined, writeError: () => undefined };
    expect(await doctorMain(args, io)).toBe(2);
  });
});

/** Makes a certificate with openssl, if it is installed. */
function trySelfSigned(): { readonly key: string; readonly cert: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'doctor-cert-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-nodes', '-days', '90', '-subj', '/O=Nobody', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
    execFileSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
