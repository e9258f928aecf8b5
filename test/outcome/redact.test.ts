import { describe, expect, test } from 'vitest';
import { redact } from '../../src/outcome/redact.ts';

test('nothing that could be a secret is shown', () => {
  const secrets = [
    'Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-west-2/aps/aws4_request',
    'Signature=fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024',
    'X-Amz-Security-Token: IQoJb3JpZ2luX2VjEXAMPLE',
    'key ASIAIOSFODNN7EXAMPLE',
    'http://user:hunter2@proxy:3128/',
    'Bearer abc.def.ghi',
    'secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    '{"aws_secret_access_key": "short-secret"}',
    'SecretAccessKey=short-secret password: hunter2 token=abcdefg',
  ];
  for (const secret of secrets) {
    expect(redact(secret)).not.toMatch(/AKIAIO|fe5f80|IQoJb|IOSFODNN|hunter2|abc\.def|wJalr|short-secret|abcdefg/);
  }
});

test('a message that is made to be slow to read is not', () => {
  const startedAtMs = performance.now();
  for (const part of ['key', 'secret', 'token:', '//', 'a ', '=', ' ']) redact(part.repeat(5_000));
  expect(performance.now() - startedAtMs).toBeLessThan(200);
});

test('a message of AMP is shown as it is, on one line, cut where it is long', () => {
  const message = 'per-user series limit of 10000000 exceeded, user=123456789012_ws-EXAMPLE\n(err-mimir)';
  expect(redact(message)).toBe(message.replace('\n', ' '));
  expect(redact(`a\u0000b\u001b[31mc\u202ed`)).toBe('a b [31mc d');
  expect(redact('word '.repeat(1000))).toHaveLength(300);
});

test('the name of an error is no secret, and what it says is shown', () => {
  const message = 'CredentialsProviderError: Could not load credentials from any providers';
  expect(redact(message)).toBe(message);
  const none = 'remote_write default has no AWS credentials: AccessDenied: Not authorized to assume the role';
  expect(redact(none)).toBe(none);
  expect(redact('no AWS credentials: token=hunter2')).toBe('no AWS credentials: token=...');
  expect(redact('ExpiredTokenException: token=hunter2')).toBe('ExpiredTokenException: token=...');
});

test('a role that AWS names is shown, however long its name is', () => {
  const message =
    'User: arn:aws:sts::123456789012:assumed-role/AWSReservedSSOAdministratorAccess0123456789abcdef/session is not authorized to perform: aps:RemoteWrite';
  expect(redact(message)).toBe(message);
});

test('a token behind a role is not taken for a name of it', () => {
  const token = 'IQoJb3JpZ2luX2Vj'.repeat(20);
  for (const between of [',', '=', '/', ' ', '","x":"']) {
    expect(redact(`arn:aws:iam::123456789012:role/writer${between}${token}`)).not.toContain('IQoJ');
  }
});

describe('a hash', () => {
  const sha256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
  const sha1 = 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3';

  test.each([
    `out of order sample: series={__name__="build_info", revision="${sha1}"}`,
    `duplicate sample for series {digest="${sha256}", job="ci"}`,
    `err: {"message": "series {digest=\\"${sha256}\\"}"}`,
    `series={image_id="docker.io/library/nginx@sha256:${sha256}", pod="a"}`,
    `series={container_image_id="sha256:${sha256}"}`,
  ])('that is the value of a label is shown to its sender: %s', (said) => {
    expect(redact(said)).toBe(said);
  });

  test.each([
    `AWS4-HMAC-SHA256 Credential=x, Signature=${sha256}`,
    `bad request {signature="${sha256}"}`,
    `bad request {"Signature": "${sha256}", a="${sha256}"}`,
    `Signature=${sha256}, {digest="${sha256}"}`,
    `bad request {token="${sha256}"}`,
    `bad request {api_key="${sha256}"}`,
    `expected ${sha256}`,
    `[["a", "${sha256}"]]`,
    `a=${sha256}`,
    `{digest="${sha256}${sha1}"}`,
    `{digest="${sha256.toUpperCase()}"}`,
  ])('that may be a signature or a token is not: %s', (said) => {
    expect(redact(said)).not.toMatch(/[0-9a-f]{12}/i);
  });
});
