import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { AMP_URL, entryOf, fileWith, placedProblemsOf, problemsOf } from './parsing.ts';

describe('a configuration file', () => {
  test('needs no more than one URL, and the rest are defaults', () => {
    expect(parseConfig(fileWith(), {})).toEqual({
      warnings: [],
      config: {
        server: {
          listen: { host: '::', port: 8005 },
          admin_listen: { host: '::', port: 8006 },
          admin_hosts: [],
          workers: 1,
          max_connection_age: 600_000,
          shutdown_timeout: 30_000,
        },
        limits: {
          max_body_bytes: 10_485_760,
          max_decoded_bytes: 67_108_864,
          max_series_per_request: 200_000,
          max_samples_per_request: 500_000,
          max_metadata_per_request: 200_000,
          max_fields_per_request: 500_000,
          max_inflight_bytes: 268_435_456,
          max_connections_per_address: 10_000,
        },
        remote_write: [
          {
            name: 'default',
            url: AMP_URL,
            remote_timeout: 10_000,
            sigv4: { region: 'us-west-2', use_fips_sts_endpoint: false, service_name: 'aps' },
            proxy: {},
            queue_config: {
              max_samples_per_send: 5000,
              max_bytes_per_send: 1_000_000,
              min_shards: 1,
              max_shards: 50,
              capacity: 10_000,
              batch_send_deadline: 50,
              out_of_order_window: 60_000,
              min_backoff: 30,
              max_backoff: 5000,
              delivery_timeout: 25_000,
            },
            query_url: 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1',
            tls_config: { insecure_skip_verify: false, min_version: 'TLS12', max_version: 'TLS13' },
          },
        ],
        log: { level: 'info', format: 'json', slow_queries: 10_000 },
        query: {
          timeout: 120_000,
          max_concurrency: 20,
          max_queued: 100,
          max_response_bytes: 268_435_456,
          max_samples_processed: 0,
          alertmanager: false,
        },
      },
    });
  });

  test('may have every key without a value', () => {
    const text = fileWith(
      '    sigv4: {region: us-west-2, role_arn: , external_id: , profile: , access_key: , secret_key: }\n    proxy_url:',
      'server:\n  tls: {cert_file: , key_file: , client_ca_file: }\n  auth: {bearer_token_file: }',
    );
    expect(parseConfig(text, {})).toEqual(parseConfig(fileWith(), {}));
  });

  test.each(['', '~', 'null', '""'])('may have a key with the value %j, which is then not given', (nothing) => {
    expect(entryOf(fileWith(`    remote_timeout: ${nothing}`)).remote_timeout).toBe(10_000);
  });

  test('keeps digits as they stand where the key is a text', () => {
    const text = fileWith('    sigv4:\n      external_id: 0012\n      role_arn: arn:aws:iam::123456789012:role/r');
    expect(entryOf(text).sigv4.external_id).toBe('0012');
  });

  test('may repeat a section by an alias', () => {
    const second = `  - url: http://other/write\n    name: b\n    sigv4: {region: eu-west-1}\n    queue_config: *queue`;
    const text = fileWith(`    queue_config: &queue {max_shards: 7}\n${second}`);
    expect(parseConfig(text, {}).config.remote_write.map((entry) => entry.queue_config.max_shards)).toEqual([7, 7]);
  });

  test('is refused when an alias stands for a section around it', () => {
    expect(placedProblemsOf('server: &a {tls: *a}')).toEqual([
      'config.yaml: has more than 10000 values; repeat fewer aliases',
    ]);
  });

  test('tells all its mistakes at once, each with line and column, in the order of the file', () => {
    const text = `limits:
  max_body_bytes: 10 MB
servr: {}
remote_write:
  - url: https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1/api/v1/query
    remote_timeout: [1]
    basic_auth: {username: me, password: hunter2}
    queue_config:
      min_shards: 60
      maxshards: 3
  - name: a b
log: plain
`;
    expect(placedProblemsOf(text)).toEqual([
      'config.yaml:2:3: limits.max_body_bytes "10 MB" is not a size; write a whole number of bytes, or with a unit, ' +
        'for example 1MB (10^6) or 10MiB (10 x 2^20)',
      'config.yaml:3:1: servr is an unknown key; did you mean server?',
      'config.yaml:5:5: remote_write[0].url ' +
        '"https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1/api/v1/query" is not a remote write URL of ' +
        'AMP; write https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1/api/v1/remote_write',
      'config.yaml:6:5: remote_write[0].remote_timeout is not a duration; write it as Prometheus does, for example ' +
        '50ms, 30s or 1m30s',
      'config.yaml:7:5: remote_write[0].basic_auth is not supported: requests to the upstream are authenticated by ' +
        "SigV4 alone; remove it and use sigv4, or put it into the sending Prometheus's own remote_write when it is " +
        'meant for the way to this proxy',
      'config.yaml:9:7: remote_write[0].queue_config.min_shards 60 is above max_shards 50 (the default); lower it, or ' +
        'raise max_shards',
      'config.yaml:10:7: remote_write[0].queue_config.maxshards is an unknown key; did you mean max_shards?',
      'config.yaml:11:5: remote_write[1].name "a b" is not a usable name; use letters, digits, _ and - only',
      'config.yaml:11:5: remote_write[1].url is missing; give the remote write URL of the workspace, ' +
        'https://aps-workspaces.REGION.amazonaws.com/workspaces/WORKSPACE/api/v1/remote_write',
      'config.yaml:12:1: log "plain" must be a section with keys of its own',
    ]);
  });

  test('is not asked about a value twice: what is refused alone is left out of the rules', () => {
    expect(problemsOf(fileWith('    queue_config: {min_shards: 60, max_shards: many}'))).toEqual([
      'remote_write[0].queue_config.max_shards "many" is not a whole number; write digits only, for example 50',
    ]);
  });

  test.each([
    ['', 'remote_write is missing'],
    ['remote_write: []', 'remote_write is missing'],
    ['remote_write: {url: x}', 'remote_write must be a list, as in prometheus.yml'],
    ['remote_write: [x]', 'remote_write[0] must be a section with keys of its own, at least url'],
    ['- a', 'is not a section of keys; begin with server:, limits:, remote_write: or log:'],
    ['a: b: c', 'this is not YAML: Nested mappings are not allowed in compact mappings'],
    ['a: 1\n---\nb: 2', 'a second YAML document begins here; keep one in the file'],
    ['log:\nlog:', 'this is not YAML: Map keys must be unique'],
    ['[a]: b', 'has a key that is a list or a section; keys are plain words'],
    ['x: {y: ${Z}}', 'put quotes around a ${VAR} that stands between { } or [ ]'],
  ])('%j is refused', (text, message) => {
    expect(problemsOf(text)[0]).toContain(message);
  });

  test('is read from disk, and its name begins each sentence', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'config-'));
    const file = join(folder, 'proxy.yaml');
    await writeFile(file, fileWith('    queue_config:\n      max_shards: 0'));
    await expect(loadConfig(file, {})).rejects.toThrow(
      `${file}:5:7: remote_write[0].queue_config.max_shards "0" is below the minimum of 1; raise it`,
    );
    await writeFile(file, fileWith());
    expect((await loadConfig(file, {})).config.remote_write[0].url).toBe(AMP_URL);
    await rm(folder, { recursive: true });
  });

  test('that does not exist is named with the option that names it', async () => {
    await expect(loadConfig('/nowhere/proxy.yaml', {})).rejects.toThrow(
      /^\/nowhere\/proxy\.yaml: cannot be read \(ENOENT.*\); name the configuration file with --config FILE$/,
    );
  });
});

describe('unknown keys', () => {
  test.each([
    [fileWith('', 'servr: {listen: ":1"}'), 'servr is an unknown key; did you mean server?'],
    [fileWith('', 'servr:'), 'servr is an unknown key; did you mean server?'],
    [
      fileWith('    maxShards: 3'),
      'remote_write[0].maxShards is an unknown key; max_shards belongs in remote_write.queue_config',
    ],
    [
      fileWith('    remoteTimeout: 3s'),
      'remote_write[0].remoteTimeout is an unknown key; did you mean remote_timeout?',
    ],
    [fileWith('', 'listen: ":1"'), 'listen is an unknown key; listen belongs in server'],
    [fileWith('', 'log: {colour: red}'), 'log.colour is an unknown key; known here: level, format, slow_queries'],
    [
      fileWith('', '__proto__: {a: 1}'),
      '__proto__ is an unknown key; known here: server, limits, remote_write, query, log',
    ],
    [fileWith('', 'log: {<<: {level: info}}'), 'log.<< is an unknown key; merge keys are not read; write the keys out'],
  ])('are refused with what was meant (%#)', (text, message) => {
    expect(problemsOf(text)).toEqual([message]);
  });
});

describe('single values', () => {
  test.each([
    ['server: {listen: "8005"}', 'server.listen "8005" is not an address to listen on'],
    ['server: {listen: "h:65536"}', 'server.listen "h:65536" is not an address to listen on'],
    ['server: {workers: 0}', 'server.workers "0" is not a number of processes; write a whole number from 1, or auto'],
    ['server: {shutdown_timeout: 30d}', 'server.shutdown_timeout "30d" is above the maximum of 3w3d; lower it'],
    ['limits: {max_decoded_bytes: 2GiB}', 'limits.max_decoded_bytes "2GiB" is above the maximum of 1GiB; lower it'],
    ['limits: {max_body_bytes: 0}', 'limits.max_body_bytes "0" is below the minimum of 1B; raise it'],
    ['log: {level: loud}', 'log.level "loud" is not one of debug, info, warn, error; write one of these'],
  ])('%s is refused', (lines, message) => {
    expect(problemsOf(fileWith('', lines))[0]).toContain(message);
  });

  test.each([
    ['0.0.0.0:8005', { host: '0.0.0.0', port: 8005 }],
    ['[::]:9', { host: '::', port: 9 }],
    [':9', { host: '::', port: 9 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
  ])('the address %s is read', (text, address) => {
    expect(parseConfig(fileWith('', `server: {listen: "${text}"}`), {}).config.server.listen).toEqual(address);
  });

  test('max_connection_age 0 keeps connections open', () => {
    expect(parseConfig(fileWith('', 'server: {max_connection_age: 0}'), {}).config.server.max_connection_age).toBe(0);
  });

  test('yes is not true', () => {
    expect(problemsOf(fileWith('    tls_config: {insecure_skip_verify: yes}'))).toEqual([
      'remote_write[0].tls_config.insecure_skip_verify "yes" is not true or false; write one of the two',
    ]);
  });
});
