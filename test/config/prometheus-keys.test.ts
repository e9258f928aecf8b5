import { describe, expect, test } from 'vitest';

import { parseConfig } from '../../src/config/load.ts';
import { PROMETHEUS_ONLY_KEYS } from '../../src/config/prometheus-keys.ts';
import { AMP_URL, entryOf, fileWith, problemsOf, warningsOf } from './parsing.ts';

/** A section as it stands in a prometheus.yml, with every key that may stay in it. */
const PASTED = `
remote_write:
  - url: ${AMP_URL}
    name: amp
    remote_timeout: 20s
    send_exemplars: false
    send_native_histograms: true
    follow_redirects: true
    enable_http2: true
    round_robin_dns: false
    protobuf_message: prometheus.WriteRequest
    metadata_config:
      send: true
      send_interval: 1m
      max_samples_per_send: 2000
    queue_config:
      capacity: 2500
      max_shards: 200
      min_shards: 1
      max_samples_per_send: 1000
      batch_send_deadline: 500ms
      min_backoff: 30ms
      max_backoff: 5s
      retry_on_http_429: true
      sample_age_limit: 0s
    tls_config:
      ca_file: /etc/ssl/amp.pem
      server_name: aps-workspaces.us-west-2.amazonaws.com
      insecure_skip_verify: false
      min_version: TLS12
    proxy_from_environment: false
    write_relabel_configs: []
    sigv4:
      region: us-west-2
      role_arn: arn:aws:iam::123456789012:role/prometheus
      external_id: abc
      service_name: aps
`;

const ROLE = 'sigv4: {role_arn: "arn:aws:iam::123456789012:role/writer"';

describe('a section pasted from prometheus.yml', () => {
  test('is read as Prometheus reads it, with a warning for each key that has no effect', () => {
    const { config, warnings } = parseConfig(PASTED, {});
    const sender = "data is forwarded as it came; set it in the sending Prometheus's own remote_write";
    expect(config.remote_write[0]).toEqual({
      name: 'amp',
      url: AMP_URL,
      query_url: 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1',
      remote_timeout: 20_000,
      sigv4: {
        region: 'us-west-2',
        role_arn: 'arn:aws:iam::123456789012:role/prometheus',
        external_id: 'abc',
        use_fips_sts_endpoint: false,
        service_name: 'aps',
      },
      queue_config: {
        max_samples_per_send: 1000,
        max_bytes_per_send: 1_000_000,
        min_shards: 1,
        max_shards: 200,
        capacity: 2500,
        batch_send_deadline: 500,
        out_of_order_window: 60_000,
        min_backoff: 30,
        max_backoff: 5000,
        delivery_timeout: 25_000,
      },
      tls_config: {
        ca_file: '/etc/ssl/amp.pem',
        server_name: 'aps-workspaces.us-west-2.amazonaws.com',
        insecure_skip_verify: false,
        min_version: 'TLS12',
        max_version: 'TLS13',
      },
      proxy: {},
    });
    expect(warnings).toEqual([
      `config.yaml:6:5: remote_write[0].send_exemplars has no effect: ${sender}`,
      `config.yaml:7:5: remote_write[0].send_native_histograms has no effect: ${sender}`,
      'config.yaml:8:5: remote_write[0].follow_redirects has no effect: redirects are never followed, since a signature ' +
        'is valid for one URL only',
      'config.yaml:9:5: remote_write[0].enable_http2 has no effect: the proxy speaks HTTP/1.1 with keep-alive upstream',
      'config.yaml:10:5: remote_write[0].round_robin_dns has no effect: the host name is looked up for every new connection',
      `config.yaml:12:5: remote_write[0].metadata_config has no effect: ${sender}`,
      "config.yaml:24:7: remote_write[0].queue_config.retry_on_http_429 has no effect: AMP's 429 is always retried " +
        'within delivery_timeout, and senders get 503, which they retry',
    ]);
  });

  test('with remote write 2.0 is accepted with a warning', () => {
    expect(warningsOf(fileWith('    protobuf_message: io.prometheus.write.v2.Request'))).toEqual([
      'remote_write[0].protobuf_message has no effect: the proxy speaks remote write 1.0 (prometheus.WriteRequest), ' +
        'as AMP documents it',
    ]);
  });

  test.each([
    ['write_relabel_configs: [{action: drop}]', 'samples are forwarded as they came; move it to the sending'],
    ['headers: {X-Scope: a}', 'only a small fixed set of headers is signed and sent upstream; remove it'],
    ['http_headers: {X: {values: [a]}}', 'only a small fixed set of headers is signed and sent upstream; remove it'],
    ['basic_auth: {username: a}', 'requests to the upstream are authenticated by SigV4 alone'],
    ['authorization: {credentials: a}', 'requests to the upstream are authenticated by SigV4 alone'],
    ['oauth2: {client_id: a}', 'requests to the upstream are authenticated by SigV4 alone'],
    ['bearer_token: a', 'requests to the upstream are authenticated by SigV4 alone'],
    ['bearer_token_file: a', 'requests to the upstream are authenticated by SigV4 alone'],
    ['azuread: {cloud: a}', 'requests to the upstream are authenticated by SigV4 alone'],
    ['google_iam: {credentials_file: a}', 'requests to the upstream are authenticated by SigV4 alone'],
    ['queue_config: {sample_age_limit: 1h}', 'samples are never dropped by age here'],
    ['tls_config: {cert_file: a}', 'AMP does not ask for client certificates, requests are signed; remove it'],
    ['tls_config: {key: a}', 'AMP does not ask for client certificates, requests are signed; remove it'],
  ])('with %s is refused by name, with the remedy', (line, reason) => {
    const problems = problemsOf(fileWith(`    ${line}`));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^remote_write\[0\]\.[a-z0-9_.]+ is not supported: /);
    expect(problems[0]).toContain(reason);
  });

  test('up to 3.14 is read with its newer keys', () => {
    const lines = [
      '    failed_request_logging: {enabled: true}',
      '    proxy_url: http://squid:3128',
      '    no_proxy: example.com',
      '    proxy_connect_header: {X-Team: [a, b]}',
      '    tls_config: {min_version: TLS10, max_version: TLS12, ca: "-----BEGIN CERTIFICATE-----"}',
      `    sigv4: {role_arn: "arn:aws:iam::123456789012:role/writer", session_name: mine, tags: {team: a}, service_name: execute-api}`,
    ];
    const entry = entryOf(fileWith(lines.join('\n')));
    expect(entry.proxy_connect_header).toEqual({ 'X-Team': ['a', 'b'] });
    expect(entry.tls_config).toMatchObject({ min_version: 'TLS10', max_version: 'TLS12' });
    expect(entry.sigv4).toMatchObject({ session_name: 'mine', tags: { team: 'a' }, service_name: 'execute-api' });
    expect(warningsOf(fileWith(lines.join('\n')))).toEqual([
      'remote_write[0].failed_request_logging has no effect: the log of the proxy tells of every kind of failure; set log.level',
    ]);
  });

  test.each([
    ['sigv4: {session_name: mine}', 'sigv4.session_name is given without role_arn'],
    ['sigv4: {tags: {a: b}}', 'sigv4.tags is given without role_arn'],
    [`${ROLE}, session_name: a}`, 'sigv4.session_name "a" is not the name of a session; write 2 to 64'],
    [`${ROLE}, tags: {a: ${'b'.repeat(257)}}}`, 'sigv4.tags.a is longer than the 256 characters of a tag value'],
    ['sigv4: {sts_region: us_west}', 'sigv4.sts_region "us_west" is not a region'],
    ['sigv4: {access_key: "AKID ", secret_key: s}', 'sigv4.access_key holds white space'],
    ['sigv4: {access_key: AKID, secret_key: "a\\nb"}', 'sigv4.secret_key holds white space'],
    ['sigv4: {service_name: APS}', 'sigv4.service_name "APS" is not the name of a service'],
    ['tls_config: {max_version: TLS11}', 'tls_config.max_version TLS11 is older than TLS 1.2'],
    ['tls_config: {min_version: TLS13, max_version: TLS12}', 'tls_config.min_version TLS13 is above max_version TLS12'],
    ['tls_config: {ca: abc}', 'tls_config.ca holds no certificate in PEM'],
    ['tls_config: {ca: "-----BEGIN CERTIFICATE-----", ca_file: a}', 'tls_config.ca is given together with ca_file'],
    ['sendExemplars: true', 'sendExemplars is an unknown key; did you mean send_exemplars? That one has no effect'],
    ['writeRelabelConfigs: []', 'writeRelabelConfigs is an unknown key; did you mean write_relabel_configs?'],
    ['tlsConfig: {insecureSkipVerify: true}', 'tlsConfig is an unknown key; did you mean tls_config?'],
  ])('with %s is refused with the remedy', (line, reason) => {
    expect(problemsOf(fileWith(`    ${line}`))).toEqual([expect.stringContaining(`remote_write[0].${reason}`)]);
  });

  test('never shows the secrets of what is refused', () => {
    const lines = '    basic_auth: {username: me, password: hunter2}\n    bearer_token: hunter2';
    expect(problemsOf(fileWith(lines)).join(' ')).not.toContain('hunter2');
  });

  test('with the rest of its prometheus.yml is refused section by section', () => {
    expect(problemsOf(fileWith('', 'global: {scrape_interval: 15s}\nscrape_configs: [{job_name: a}]'))).toEqual([
      'global is not supported: only the remote_write section of a prometheus.yml belongs here; remove it',
      'scrape_configs is not supported: only the remote_write section of a prometheus.yml belongs here; remove it',
    ]);
  });

  test('names the entry that a key stands in', () => {
    const text = fileWith(`  - {url: "${AMP_URL}", name: b, headers: {a: b}}`);
    expect(problemsOf(text)[0]).toMatch(/^remote_write\[1\]\.headers is not supported/);
  });

  test('finds each of its keys once in the list', () => {
    const names = PROMETHEUS_ONLY_KEYS.map(({ section, key }) => [...section, key].join('.'));
    expect(new Set(names).size).toBe(names.length);
  });
});
