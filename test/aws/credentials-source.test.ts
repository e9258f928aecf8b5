/** Why there are no credentials, in the words that the log, the readiness, the status page and the doctor share. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { credentialsSource } from '../../src/aws/credentials-source.ts';
import { temporaryDirectory } from '../support/processes.ts';

const NONE = { access_key: undefined, profile: undefined, role_arn: undefined };
const NOW_MS = Date.UTC(2026, 0, 2, 12);

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

async function withToken(exp: number): Promise<NodeJS.ProcessEnv> {
  const file = path.join(await temporaryDirectory(), 'token');
  const claims = { iss: 'https://oidc.example', sub: 'system:serviceaccount:a:b', aud: ['sts.amazonaws.com'], exp };
  await writeFile(file, `${part({ alg: 'RS256' })}.${part(claims)}.c2lnbmF0dXJl`);
  return { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/x' };
}

test('an expired web identity token says that it expired, and when, by its exp', async () => {
  const env = await withToken(Date.UTC(2026, 0, 2, 11) / 1000);
  const error = Object.assign(new Error('Token expired: current date/time must be before the expiration date/time'), {
    name: 'ExpiredTokenException',
  });
  const { cause, remedy } = await credentialsSource(NONE, env, () => NOW_MS).explain(error);
  expect(cause).toContain('expired at 2026-01-02T11:00:00.000Z (exp)');
  expect(cause).toContain('ExpiredTokenException');
  expect(remedy).toContain('kubelet');
});

test('a token that has not expired is not said to have', async () => {
  const env = await withToken(Date.UTC(2026, 0, 2, 13) / 1000);
  const { cause, remedy } = await credentialsSource(NONE, env, () => NOW_MS).explain(new Error('connect ETIMEDOUT'));
  expect(cause).toBe('connect ETIMEDOUT');
  expect(remedy).toContain('sub "system:serviceaccount:a:b"');
});

test('a self-signed authority on the way to STS points to tls_config.ca_file, and not to a flag of Node', async () => {
  const message =
    'self-signed certificate in certificate chain; if the root CA is installed locally, try running Node.js with --use-system-ca';
  const { cause, remedy } = await credentialsSource(NONE, {}).explain(new Error(message));
  expect(cause).toBe('self-signed certificate in certificate chain');
  expect(remedy).toContain('tls_config.ca_file');
});

test('the Pod Identity agent is named with its address, and what it needs', async () => {
  const source = credentialsSource(NONE, {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://169.254.170.23/v1/credentials',
  });
  expect(source.name).toBe('the EKS Pod Identity agent at http://169.254.170.23/v1/credentials');
  expect((await source.explain(new Error('timeout'))).remedy).toContain('eks-pod-identity-agent');
});

test('the remedy without any source of credentials is that of the doctor', async () => {
  const { remedy } = await credentialsSource(NONE, {}).explain(new Error('Could not load credentials'));
  expect(remedy).toContain('neither AWS_WEB_IDENTITY_TOKEN_FILE');
});
