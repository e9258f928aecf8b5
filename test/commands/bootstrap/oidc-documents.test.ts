/** Discovery document and key set: from a public key, from a key set, from kubectl. */
import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { bootstrap, type BootstrapRun, tooWide } from '../../support/bootstrap-run.ts';

const ISSUER = 'https://my-bucket.s3.us-west-2.amazonaws.com/cluster1';

describe('oidc-documents', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'oidc-'));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(directory, { recursive: true });
  });

  const make = (...args: readonly string[]): Promise<BootstrapRun> =>
    bootstrap(['oidc-documents', '--oidc-issuer', ISSUER, '--out', join(directory, 'out'), ...args], {});
  const document = async (name: string): Promise<{ keys: Record<string, string>[] }> => {
    const text = await readFile(join(directory, 'out', name), 'utf8');
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the shape that is looked for
    return JSON.parse(text) as { keys: Record<string, string>[] };
  };

  test('are made from the public key of the API server, under the key id that Kubernetes uses', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const file = join(directory, 'sa.pub');
    await writeFile(file, publicKey.export({ type: 'spki', format: 'pem' }));
    const { status, out } = await make('--public-key', file);
    expect(status).toBe(0);
    expect(out).toContain('s3://my-bucket/cluster1/keys.json');
    expect(tooWide(out)).toEqual([]);
    expect(await document('.well-known/openid-configuration')).toEqual({
      issuer: ISSUER,
      jwks_uri: `${ISSUER}/keys.json`,
      authorization_endpoint: 'urn:kubernetes:programmatic_authorization',
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      claims_supported: ['sub', 'iss'],
    });
    const [key] = (await document('keys.json')).keys;
    const kid = createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64url');
    expect(key).toMatchObject({ kty: 'RSA', alg: 'RS256', use: 'sig', kid });
    const signature = sign('RSA-SHA256', Buffer.from('a token'), privateKey);
    const published = createPublicKey({ key: key ?? {}, format: 'jwk' });
    expect(verify('RSA-SHA256', Buffer.from('a token'), published, signature)).toBe(true);
  });

  test('are made of two keys during a rotation, and of elliptic curves', async () => {
    const pems = [
      generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey,
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey,
    ].map((key) => key.export({ type: 'spki', format: 'pem' }));
    await writeFile(join(directory, 'sa.pub'), pems.join(''));
    expect((await make('--public-key', join(directory, 'sa.pub'))).status).toBe(0);
    expect((await document('keys.json')).keys.map(({ alg }) => alg)).toEqual(['RS256', 'ES256']);
  });

  test('are made from what kubectl says', async () => {
    const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
    const jwks = { keys: [{ ...jwk, use: 'sig', alg: 'RS256', kid: 'of-kubernetes' }] };
    await writeFile(join(directory, 'jwks.json'), JSON.stringify(jwks));
    const kubectl = join(directory, 'kubectl');
    await writeFile(kubectl, `#!/bin/sh\n[ "$*" = "get --raw /openid/v1/jwks" ] && cat ${directory}/jwks.json\n`);
    await chmod(kubectl, 0o755);
    vi.stubEnv('PATH', `${directory}${delimiter}${process.env['PATH']}`);
    expect((await make()).status).toBe(0);
    expect(await document('keys.json')).toEqual(jwks);
    await writeFile(kubectl, '#!/bin/sh\necho "the server is gone" >&2\nexit 1\n');
    const failed = await make();
    expect(failed.status).toBe(1);
    expect(failed.err).toContain('the server is gone');
    expect(failed.err).toContain('--public-key sa.pub');
  });

  test('are never made of a private key', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = join(directory, 'sa.key');
    await writeFile(pem, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const json = join(directory, 'jwks.json');
    await writeFile(json, JSON.stringify({ keys: [privateKey.export({ format: 'jwk' })] }));
    for (const args of [
      ['--public-key', pem],
      ['--jwks', json],
    ]) {
      const { status, err } = await make(...args);
      expect(status).toBe(2);
      expect(err).toContain('holds a private key');
    }
  });
});
