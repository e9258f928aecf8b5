import { expect, test } from 'vitest';
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
