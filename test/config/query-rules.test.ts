import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { workerShare } from '../../src/config/worker-share.ts';
import { ConfigError } from '../../src/outcome/errors.ts';

const URL_OF_AMP = 'https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write';

function problemsOf(file: object): readonly string[] {
  try {
    parseConfig(JSON.stringify(file), {});
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

function load(server: object, entry: object = { url: URL_OF_AMP }, more: object = {}) {
  return parseConfig(JSON.stringify({ server, remote_write: [entry], ...more }), {});
}

describe('reading', () => {
  test('is off unless it is asked for', () => {
    expect(load({}).config.server.query_listen).toBeUndefined();
  });

  test('takes the workspace from the URL of remote write, and query_url before it', () => {
    const server = { query_listen: ':8007' };
    expect(load(server).config.remote_write[0].query_url).toBe(
      'https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1',
    );
    const elsewhere = { url: URL_OF_AMP, query_url: 'https://thanos.example/prometheus/' };
    expect(load(server, elsewhere).config.remote_write[0].query_url).toBe('https://thanos.example/prometheus');
  });

  test('warns of a port that everybody may read, and of what has no effect', () => {
    expect(load({ query_listen: ':8007' }).warnings).toEqual([expect.stringContaining('server.query_auth')]);
    expect(load({ query_listen: ':8007', query_auth: { bearer_token_file: '/token' } }).warnings).toEqual([]);
    expect(load({ query_auth: { bearer_token_file: '/token' } }).warnings).toEqual([
      expect.stringContaining('no effect without server.query_listen'),
    ]);
  });

  test('divides turns among workers', () => {
    const { query } = workerShare(load({ query_listen: ':8007' }).config, 3);
    expect(query).toMatchObject({ max_concurrency: 7, max_queued: 34 });
  });

  test.each([
    { name: 'the port of writes', server: { query_listen: ':8005' }, words: 'server.listen' },
    { name: 'the admin port', server: { query_listen: ':8006' }, words: 'server.admin_listen' },
    { name: 'no address', server: { query_listen: 'x' }, words: 'query_listen' },
    { name: 'half of TLS', server: { query_listen: ':8007', query_tls: { cert_file: '/c' } }, words: 'key_file' },
    {
      name: 'two kinds of login',
      server: { query_listen: ':8007', query_auth: { bearer_token_file: '/t', basic_auth_file: '/p' } },
      words: 'both',
    },
    {
      name: 'nothing to read',
      server: { query_listen: ':8007' },
      entry: { url: 'https://mimir.example/push', sigv4: { region: 'eu-west-1' } },
      words: 'query_url',
    },
    {
      name: 'a query_url that goes too far',
      entry: { url: URL_OF_AMP, query_url: 'https://x.example/api/v1/query' },
      words: 'goes too far',
    },
    {
      name: 'a query_url with a password',
      entry: { url: URL_OF_AMP, query_url: 'https://a:b@x' },
      words: 'credentials',
    },
    {
      name: 'a query_url that is this port',
      server: { query_listen: '127.0.0.1:8007' },
      entry: { url: URL_OF_AMP, query_url: 'http://127.0.0.1:8007' },
      words: 'this proxy itself',
    },
  ])('refuses $name', ({ server = {}, entry = { url: URL_OF_AMP }, words }) => {
    const problems = problemsOf({ server, remote_write: [entry] });
    expect(problems).toEqual([expect.stringContaining(words)]);
  });
});
