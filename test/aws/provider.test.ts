import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Sigv4Config } from '../../src/config/schema.ts';
import { makeProvider, stsRegion, type ExpiringIdentity } from '../../src/aws/provider.ts';
import { trySelfSigned } from '../support/certificates.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'amp-write-proxy-aws-'));
  // Nothing of the machine that runs the tests.
  for (const name of Object.keys(process.env).filter((each) => each.startsWith('AWS_'))) vi.stubEnv(name, undefined);
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(folder, 'credentials'));
  vi.stubEnv('AWS_CONFIG_FILE', join(folder, 'config'));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

function sigv4(parts: Partial<Sigv4Config> = {}): Sigv4Config {
  return { region: 'us-west-2', use_fips_sts_endpoint: false, service_name: 'aps', ...parts };
}

/** Returns the result of the provider for these keys, without a proxy, in the environment of this test. */
async function provide(keys: Sigv4Config): Promise<ExpiringIdentity> {
  return makeProvider(keys, { proxy: {} }, process.env)();
}

function writeProfile(key: string): void {
  writeFileSync(join(folder, 'credentials'), `[amp]\naws_access_key_id = ${key}\naws_secret_access_key = s\n`);
}

test('keys of the configuration come first', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDENV');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'env');
  const identity = await provide(sigv4({ access_key: 'AKIDCONFIG', secret_key: 'config' }));
  expect(identity).toMatchObject({ accessKeyId: 'AKIDCONFIG', secretAccessKey: 'config' });
});

test('the environment is next', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDENV');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'env');
  vi.stubEnv('AWS_SESSION_TOKEN', 'token');
  expect(await provide(sigv4())).toMatchObject({
    accessKeyId: 'AKIDENV',
    secretAccessKey: 'env',
    sessionToken: 'token',
  });
});

test('a profile is read from the shared files, anew for every provider', async () => {
  writeProfile('AKIDONE');
  expect(await provide(sigv4({ profile: 'amp' }))).toMatchObject({ accessKeyId: 'AKIDONE' });
  writeProfile('AKIDTWO');
  expect(await provide(sigv4({ profile: 'amp' }))).toMatchObject({ accessKeyId: 'AKIDTWO' });
});

test('a profile that is not there is an error that names it', async () => {
  await expect(provide(sigv4({ profile: 'nowhere' }))).rejects.toThrow('nowhere');
});

test('a provider without any source fails instead of giving an empty identity', async () => {
  await expect(provide(sigv4())).rejects.toThrow(/credentials/i);
});

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

describe('STS', () => {
  /** A call to STS: its target as the request line has it, the Authorization header, the form. */
  interface Call {
    readonly target: string;
    readonly authorization: string;
    readonly form: URLSearchParams;
  }

  /** Answers as STS does, https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html; every call is noted. */
  function answerAsSts(calls: Call[]): RequestListener {
    return (request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        const form = new URLSearchParams(text);
        calls.push({ target: request.url ?? '', authorization: request.headers.authorization ?? '', form });
        const action = form.get('Action') ?? '';
        response.setHeader('content-type', 'text/xml');
        response.end(
          `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials>` +
            '<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>' +
            `<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></${action}Result></${action}Response>`,
        );
      });
    };
  }

  const role = { role_arn: 'arn:aws:iam::123456789012:role/writer', access_key: 'AKID', secret_key: 's' };

  test('is asked through the HTTP proxy, for a role as for a web identity', async () => {
    const calls: Call[] = [];
    const proxy = `http://127.0.0.1:${await listen(createServer(answerAsSts(calls)))}`;
    vi.stubEnv('AWS_ENDPOINT_URL_STS', 'http://sts.eu-west-1.amazonaws.com');
    const way = { proxy: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } };
    const keys = sigv4({ ...role, session_name: 'mine', tags: { team: 'a' } });
    expect(await makeProvider(keys, way, process.env)()).toMatchObject({ accessKeyId: 'ASIAROLE' });
    vi.stubEnv('AWS_ROLE_ARN', role.role_arn);
    writeFileSync(join(folder, 'token'), 'a.b.c');
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', join(folder, 'token'));
    expect(await makeProvider(sigv4(), way, process.env)()).toMatchObject({ accessKeyId: 'ASIAROLE' });
    expect(calls.map(({ target, form }) => [target, form.get('Action')])).toEqual([
      ['http://sts.eu-west-1.amazonaws.com/', 'AssumeRole'],
      ['http://sts.eu-west-1.amazonaws.com/', 'AssumeRoleWithWebIdentity'],
    ]);
    // The endpoint's own region signs, not the workspace's.
    expect(calls[0]?.authorization).toContain('/eu-west-1/sts/aws4_request');
    expect(Object.fromEntries(calls[0]?.form ?? [])).toMatchObject({
      RoleSessionName: 'mine',
      'Tags.member.1.Key': 'team',
      'Tags.member.1.Value': 'a',
    });
  });

  test('is asked directly where NO_PROXY covers its name', async () => {
    const calls: Call[] = [];
    const port = await listen(createServer(answerAsSts(calls)));
    vi.stubEnv('AWS_ENDPOINT_URL_STS', `http://localhost:${port}`);
    const way = { proxy: { HTTP_PROXY: 'http://127.0.0.1:9', NO_PROXY: 'other.example,localhost' } };
    expect(await makeProvider(sigv4(role), way, process.env)()).toMatchObject({ accessKeyId: 'ASIAROLE' });
    expect(calls.map(({ target }) => target)).toEqual(['/']);
  });

  const certificate = trySelfSigned('DNS:sts.us-east-2.amazonaws.com');

  test.skipIf(certificate === undefined)(
    'is asked in a tunnel, and trusted by the authorities of tls_config',
    async () => {
      const calls: Call[] = [];
      const sts = await listen(createTlsServer({ ...certificate }, answerAsSts(calls)));
      const tunnels: string[] = [];
      const proxy = createServer();
      proxy.on('connect', (request, socket) => {
        tunnels.push(request.url ?? '');
        const upstream = connect(sts, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
        upstream.pipe(socket).pipe(upstream);
        for (const each of [upstream, socket]) each.on('error', () => undefined);
      });
      const url = `http://127.0.0.1:${await listen(proxy)}`;
      vi.stubEnv('AWS_REGION', 'us-east-2');
      const way = { proxy: { HTTP_PROXY: url, HTTPS_PROXY: url }, ca: certificate?.cert };
      expect(await makeProvider(sigv4(role), way, process.env)()).toMatchObject({ accessKeyId: 'ASIAROLE' });
      expect(tunnels).toEqual(['sts.us-east-2.amazonaws.com:443']);
      expect(calls).toHaveLength(1);
      await expect(makeProvider(sigv4(role), { proxy: way.proxy }, process.env)()).rejects.toThrow(/self-signed/i);
    },
  );

  test.each([
    [{ sts_region: 'eu-central-1' }, { AWS_REGION: 'us-east-2' }, 'eu-central-1'],
    [{}, { AWS_REGION: 'us-east-2', AWS_ENDPOINT_URL_STS: 'https://sts.eu-west-3.amazonaws.com' }, 'eu-west-3'],
    [{}, { AWS_ENDPOINT_URL: 'https://vpce-1-a.sts.ap-south-1.vpce.amazonaws.com' }, 'ap-south-1'],
    [{}, { AWS_ENDPOINT_URL_STS: 'https://sts-fips.us-gov-west-1.amazonaws.com' }, 'us-gov-west-1'],
    [{}, { AWS_REGION: 'us-east-2', AWS_ENDPOINT_URL_STS: 'http://127.0.0.1:5050' }, 'us-east-2'],
    [{}, { AWS_REGION: 'us-east-2' }, 'us-east-2'],
    [{}, { AWS_REGION: '' }, 'us-west-2'],
    [{}, {}, 'us-west-2'],
  ])('of %j in the environment %j is the one of %s', (keys, env, region) => {
    expect(stsRegion(sigv4(keys), env)).toBe(region);
  });
});
