import { describe, expect, test } from 'vitest';

import { parseConfig } from '../../src/config/load.ts';
import { AMP_URL, entryOf, fileWith, problemsOf, warningsOf } from './parsing.ts';

const REGION = '    sigv4: {region: eu-west-1}';

/** A file of two entries; `line` belongs to the second. */
function second(line: string): string {
  return fileWith(`  - url: ${AMP_URL.replace('ws-1', 'ws-2')}\n    ${line}`);
}

describe('the identity', () => {
  const role = 'arn:aws:iam::123456789012:role/writer';

  test('is not half a key', () => {
    expect(problemsOf(fileWith('    sigv4: {access_key: AKIA}'))).toEqual([
      'remote_write[0].sigv4.access_key is given without secret_key; give both, or neither for the default chain of AWS',
    ]);
    expect(problemsOf(fileWith('    sigv4: {secret_key: hunter2}'))).toEqual([
      'remote_write[0].sigv4.secret_key is given without access_key; give both, or neither for the default chain of AWS',
    ]);
  });

  test('is a key or a profile, not both', () => {
    expect(problemsOf(fileWith('    sigv4: {access_key: AKIA, secret_key: hunter2, profile: dev}'))).toEqual([
      'remote_write[0].sigv4.access_key is given together with profile "dev", and each is an identity; keep one of them',
    ]);
  });

  test('has an external id for a role only', () => {
    expect(problemsOf(fileWith('    sigv4: {external_id: x}'))).toEqual([
      'remote_write[0].sigv4.external_id is given without role_arn, and is only used to assume a role; give role_arn, ' +
        'or remove it',
    ]);
  });

  test.each(['writer', 'arn:aws:iam::12:role/x', 'arn:aws:iam::123456789012:user/x'])('%s is no role', (arn) => {
    expect(problemsOf(fileWith(`    sigv4: {role_arn: "${arn}"}`))).toEqual([
      `remote_write[0].sigv4.role_arn "${arn}" is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME, with ` +
        'the 12 digits of the account',
    ]);
  });

  test('does not assume the role that it is', () => {
    const text = fileWith(`    sigv4: {role_arn: "${role}"}`);
    expect(problemsOf(text, { AWS_ROLE_ARN: role })).toEqual([
      `remote_write[0].sigv4.role_arn ${role} is the role that AWS_ROLE_ARN gives already, and a role need not assume ` +
        'itself; remove it',
    ]);
    expect(entryOf(text, { AWS_ROLE_ARN: `${role}-other` }).sigv4.role_arn).toBe(role);
  });

  test('may be assumed from a static key even where AWS_ROLE_ARN names the role', () => {
    const text = fileWith(`    sigv4: {role_arn: "${role}", access_key: AKIA, secret_key: x}`);
    expect(problemsOf(text, { AWS_ROLE_ARN: role })).toEqual([]);
  });
});

describe('contradictory settings', () => {
  test.each([
    ['min_shards: 60', 'min_shards 60 is above max_shards 50 (the default); lower it, or raise max_shards'],
    [
      'capacity: 400, max_samples_per_send: 500',
      'capacity 400 is below max_samples_per_send 500: no full request could be queued; raise it to twice ' +
        'max_samples_per_send or more',
    ],
    [
      'max_samples_per_send: 20000',
      'capacity 10000 (the default) is below max_samples_per_send 20000: no full request could be queued; raise it to ' +
        'twice max_samples_per_send or more',
    ],
    ['min_backoff: 6s', 'min_backoff 6s is above max_backoff 5s (the default); lower it, or raise max_backoff'],
    [
      'batch_send_deadline: 2s, delivery_timeout: 2s',
      'batch_send_deadline 2s is not below delivery_timeout 2s: the sender would have its 503 before the first ' +
        'attempt; lower it, 50ms is usual',
    ],
    [
      'max_bytes_per_send: 1MiB',
      'max_bytes_per_send 1MiB is above the 1MB (10^6 bytes) that AMP takes in one request before it answers 413; ' +
        'lower it',
    ],
  ])('of the queue are refused with both values: %s', (settings, message) => {
    expect(problemsOf(fileWith(`    queue_config: {${settings}}`))).toEqual([
      `remote_write[0].queue_config.${message}`,
    ]);
  });

  test('max_bytes_per_send may be larger for a host that is not of AMP', () => {
    const text = fileWith(`${REGION}\n    queue_config: {max_bytes_per_send: 4MiB}`, '', 'https://mimir/push');
    expect(entryOf(text).queue_config.max_bytes_per_send).toBe(4_194_304);
  });

  test.each([
    [
      'max_decoded_bytes: 1MiB',
      'limits.max_decoded_bytes 1MiB is below limits.max_body_bytes 10MiB (the default): no request of that size could ' +
        'pass; raise it',
    ],
    [
      'max_inflight_bytes: 5MB, max_body_bytes: 6MB',
      'limits.max_inflight_bytes 5MB is below limits.max_body_bytes 6MB: no request of that size could pass; raise it',
    ],
  ])('of the limits are refused: %s', (settings, message) => {
    expect(problemsOf(fileWith('', `limits: {${settings}}`))).toEqual([message]);
  });

  test.each(['http://proxy.example', 'proxy.example:8006', '*', '*.*.example', 'a..b', '', 'a b'])(
    'admin_hosts take names, and not %j',
    (host) => {
      const problems = problemsOf(fileWith('', `server: {admin_hosts: [ok.example, ${JSON.stringify(host)}]}`));
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatch(/^server\.admin_hosts\[1\].* is not a host name; write it without scheme and port/);
    },
  );

  test.each(['0.0.0.0:8005', '127.0.0.1:8005', ':8005'])('admin_listen %s takes the port of listen', (address) => {
    expect(problemsOf(fileWith('', `server: {admin_listen: "${address}"}`))[0]).toMatch(
      /^server\.admin_listen \S+:8005 takes the same port as server\.listen \[::\]:8005 \(the default\); give it/,
    );
  });

  test('port 0 may be asked for twice', () => {
    expect(problemsOf(fileWith('', 'server: {listen: ":0", admin_listen: ":0"}'))).toEqual([]);
  });

  test('half a certificate and two ways to authenticate are refused', () => {
    const text = fileWith('', 'server: {tls: {cert_file: c}, auth: {bearer_token_file: t, basic_auth_file: b}}');
    const problems = problemsOf(text);
    expect(problems).toContain('server.tls needs both cert_file and key_file; give both, or neither');
    expect(problems).toContain('server.auth has both bearer_token_file and basic_auth_file; keep one of them');
  });
});

test.each(['127.0.0.1', '"::1"'])('server_name is a name, and %s is none', (address) => {
  expect(problemsOf(fileWith(`    tls_config: {server_name: ${address}}`))).toEqual([
    `remote_write[0].tls_config.server_name ${address.replaceAll('"', '')} is an address, and TLS asks for names only; give ` +
      'the name in the certificate, or leave it out',
  ]);
});

function shares(workers: string, limits: string): string[] {
  return problemsOf(fileWith('', `server: {workers: ${workers}}\nlimits: {${limits}}`));
}

describe('workers', () => {
  test('share max_inflight_bytes, and a share has room for the largest body', () => {
    expect(shares('4', 'max_inflight_bytes: 40MiB')).toEqual([]);
    expect(shares('4', 'max_inflight_bytes: 32MiB')).toEqual([
      'limits.max_inflight_bytes 32MiB is 8MiB for each of server.workers 4, below limits.max_body_bytes 10MiB (the ' +
        'default): no request of that size could pass; raise it to 40MiB, or lower server.workers to 3',
    ]);
  });

  test('of a budget that is too small for one are told once', () => {
    expect(shares('2', 'max_inflight_bytes: 5MB, max_body_bytes: 6MB')).toHaveLength(1);
  });

  test('auto never exceeds the workers that the budget allows, so that no file is refused because of its machine', () => {
    expect(shares('auto', 'max_inflight_bytes: 10MiB')).toEqual([]);
  });
});

describe('warnings', () => {
  test.each([
    [
      'queue_config: {delivery_timeout: 40s}',
      'remote_write[0].queue_config.delivery_timeout 40s is above 29s, and Prometheus gives up at 30s and sends again; ' +
        "raise the senders' remote_timeout above it, or lower it",
    ],
    [
      'remote_timeout: 30s',
      'remote_write[0].remote_timeout 30s is above delivery_timeout 25s (the default), which ends the attempt first and ' +
        'leaves no time for another; 10s is usual',
    ],
    [
      'queue_config: {batch_send_deadline: 5s}',
      'remote_write[0].queue_config.batch_send_deadline 5s is long: senders wait for their answer meanwhile, unlike in ' +
        'Prometheus, where only its own queue does; 50ms is usual',
    ],
    [
      'tls_config: {insecure_skip_verify: true}',
      'remote_write[0].tls_config.insecure_skip_verify is on: anyone on the way can pose as the upstream; prefer ca_file',
    ],
  ])('%s is accepted with a warning', (line, warning) => {
    expect(warningsOf(fileWith(`    ${line}`))).toContain(warning);
  });

  test('a shutdown shorter than a delivery is accepted with a warning', () => {
    expect(warningsOf(fileWith('', 'server: {shutdown_timeout: 5s}'))).toEqual([
      'server.shutdown_timeout 5s is shorter than delivery_timeout 25s (the default): requests in flight at the end ' +
        'may be cut off; raise it',
    ]);
  });
});

describe('several entries', () => {
  test('are routes with a warning that they are no copies', () => {
    const { config, warnings } = parseConfig(second('name: b'), {});
    expect(config.remote_write.map((entry) => entry.name)).toEqual(['default', 'b']);
    expect(warnings).toEqual([
      'config.yaml:2:1: remote_write has 2 entries, which are routes and not copies: /api/v1/write goes to the first ' +
        'only, /api/v1/write/NAME to each of the others',
    ]);
  });

  test('have a name each, but for the first', () => {
    expect(problemsOf(second('remote_timeout: 9s'))).toEqual([
      'remote_write[1].name is missing; only the first entry may go without, it is "default"',
    ]);
  });

  test('do not share a name', () => {
    expect(problemsOf(second('name: default'))).toEqual([
      'remote_write[1].name "default" is the name of remote_write[0] too; names are routes, give each its own',
    ]);
  });

  test('may share a workspace, with a warning where its route goes', () => {
    expect(warningsOf(fileWith(`  - {url: "${AMP_URL}", name: b}`))[1]).toBe(
      'remote_write[1].url names ws-1 like remote_write[0]: the route /workspaces/ws-1/api/v1/remote_write goes to ' +
        'that one',
    );
  });
});
