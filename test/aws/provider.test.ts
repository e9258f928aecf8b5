import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Sigv4Config } from '../../src/config/schema.ts';
import { makeProvider } from '../../src/aws/provider.ts';

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
  return { region: 'us-west-2', use_fips_sts_endpoint: false, ...parts };
}

function writeProfile(key: string): void {
  writeFileSync(join(folder, 'credentials'), `[amp]\naws_access_key_id = ${key}\naws_secret_access_key = s\n`);
}

test('keys of the configuration come first', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDENV');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'env');
  const identity = await makeProvider(sigv4({ access_key: 'AKIDCONFIG', secret_key: 'config' }))();
  expect(identity).toMatchObject({ accessKeyId: 'AKIDCONFIG', secretAccessKey: 'config' });
});

test('the environment is next', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDENV');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'env');
  vi.stubEnv('AWS_SESSION_TOKEN', 'token');
  expect(await makeProvider(sigv4())()).toMatchObject({
    accessKeyId: 'AKIDENV',
    secretAccessKey: 'env',
    sessionToken: 'token',
  });
});

test('a profile is read from the shared files, anew for every provider', async () => {
  writeProfile('AKIDONE');
  expect(await makeProvider(sigv4({ profile: 'amp' }))()).toMatchObject({ accessKeyId: 'AKIDONE' });
  writeProfile('AKIDTWO');
  expect(await makeProvider(sigv4({ profile: 'amp' }))()).toMatchObject({ accessKeyId: 'AKIDTWO' });
});

test('a profile that is not there is an error that names it', async () => {
  await expect(makeProvider(sigv4({ profile: 'nowhere' }))()).rejects.toThrow('nowhere');
});

test('without anything there is an error, not an empty identity', async () => {
  await expect(makeProvider(sigv4())()).rejects.toThrow(/credentials/i);
});
