import { hostname } from 'node:os';

import { describe, expect, test } from 'vitest';

import { AMP_URL, entryOf, fileWith, problemsOf, warningsOf } from './parsing.ts';

const WORKSPACE = '/workspaces/ws-1/api/v1/remote_write';
const REGION = '    sigv4: {region: eu-west-1}';

describe('the region', () => {
  test.each([
    ['aps-workspaces.us-west-2.amazonaws.com', 'us-west-2'],
    ['aps-workspaces-fips.us-gov-west-1.amazonaws.com', 'us-gov-west-1'],
    ['aps-workspaces.eu-central-1.api.aws', 'eu-central-1'],
    ['aps-workspaces-fips.us-east-1.api.aws', 'us-east-1'],
    ['aps-workspaces.cn-north-1.amazonaws.com.cn', 'cn-north-1'],
    ['vpce-0a1b-2c3d.aps-workspaces.us-east-1.vpce.amazonaws.com', 'us-east-1'],
  ])('comes from the host %s', (host, region) => {
    expect(entryOf(fileWith('', '', `https://${host}${WORKSPACE}`)).sigv4.region).toBe(region);
  });

  test('comes from AWS_REGION where the host names none', () => {
    const text = fileWith('', '', 'https://metrics.example.com/write');
    expect(entryOf(text, { AWS_REGION: 'eu-north-1' }).sigv4.region).toBe('eu-north-1');
  });

  test('of the host is taken over that of AWS_REGION', () => {
    expect(entryOf(fileWith(), { AWS_REGION: 'eu-north-1' }).sigv4.region).toBe('us-west-2');
  });

  test('is asked for where nothing tells it', () => {
    expect(problemsOf(fileWith('', '', 'https://metrics.example.com/write'))).toEqual([
      "remote_write[0].sigv4.region is missing, and neither the URL's host nor AWS_REGION tells it; give the region " +
        'of the workspace',
    ]);
  });

  test('that contradicts the host is refused, both quoted', () => {
    expect(problemsOf(fileWith(REGION))).toEqual([
      "remote_write[0].sigv4.region eu-west-1 contradicts the URL's host aps-workspaces.us-west-2.amazonaws.com, " +
        'which is in us-west-2; remove it, or correct the URL',
    ]);
  });

  test('is a word, for it becomes part of a host name', () => {
    expect(problemsOf(fileWith('    sigv4: {region: "evil.com/"}'))).toEqual([
      'remote_write[0].sigv4.region "evil.com/" is not a region; write it as in us-west-2',
    ]);
  });
});

describe('the URL', () => {
  test('loses its trailing slashes', () => {
    expect(entryOf(fileWith('', '', `${AMP_URL}//`)).url).toBe(AMP_URL);
  });

  test.each(['/workspaces/ws-1/api/v1/query', '/workspaces/ws-1', '/workspaces/ws-1/', '/workspaces/ws-1/api/v1'])(
    'of AMP with the path %s is refused, and the right one is given',
    (path) => {
      const host = 'https://aps-workspaces.us-west-2.amazonaws.com';
      expect(problemsOf(fileWith('', '', `${host}${path}`))).toEqual([
        `remote_write[0].url "${host}${path}" is not a remote write URL of AMP; write ${AMP_URL}`,
      ]);
    },
  );

  test('of another host may have any path', () => {
    expect(entryOf(fileWith(REGION, '', 'https://mimir.example.com/api/v1/push')).url).toBe(
      'https://mimir.example.com/api/v1/push',
    );
  });

  test("of AMP's control plane is refused", () => {
    expect(problemsOf(fileWith(REGION, '', 'https://aps.us-west-2.amazonaws.com/x'))).toEqual([
      'remote_write[0].url "https://aps.us-west-2.amazonaws.com/x" is not a host that takes remote write of AMP; ' +
        'the host is aps-workspaces.REGION.amazonaws.com',
    ]);
  });

  test('of AMP is refused over plain http', () => {
    const url = AMP_URL.replace('https', 'http');
    expect(problemsOf(fileWith('', '', url))).toEqual([
      `remote_write[0].url "${url}" is plain http, which AMP does not speak; write https://`,
    ]);
  });

  test('of another host over plain http is a warning', () => {
    expect(warningsOf(fileWith(REGION, '', 'http://mimir/push'))).toEqual([
      'remote_write[0].url is plain http: anyone on the way can read and change what is sent; prefer https',
    ]);
  });

  test('with credentials is refused, and they are not shown', () => {
    expect(problemsOf(fileWith(REGION, '', 'https://me:hunter2@mimir/push'))).toEqual([
      'remote_write[0].url "https://<redacted>@mimir/push" holds credentials; remove them, requests are signed by sigv4',
    ]);
  });

  test('that cannot be read does not show its credentials either', () => {
    expect(problemsOf(fileWith(REGION, '', 'https://me:hun/ter2@mimir/push'))).toEqual([
      'remote_write[0].url "https://<redacted>@mimir/push" is not a URL; write it whole, beginning with https://',
    ]);
  });

  test.each([
    ['?x=1', 'has a query; remove everything from the ? on'],
    ['?', 'has a query; remove everything from the ? on'],
    ['#top', 'has a fragment; remove everything from the # on'],
  ])('with %s is refused', (end, message) => {
    expect(problemsOf(fileWith('', '', `"${AMP_URL}${end}"`))).toEqual([
      `remote_write[0].url "${AMP_URL}${end}" ${message}`,
    ]);
  });

  test.each(['mimir/push', 'ftp://mimir/push', 'https://'])('%s is none', (url) => {
    expect(problemsOf(fileWith(REGION, '', url))).toEqual([
      `remote_write[0].url "${url}" is not a URL; write it whole, beginning with https://`,
    ]);
  });

  test.each(['localhost', '127.0.0.1', '127.1.2.3', '[::1]', '0.0.0.0', hostname().toLowerCase()])(
    'that leads back to the proxy by %s is refused',
    (host) => {
      expect(problemsOf(fileWith(REGION, '', `http://${host}:8005/api/v1/write`))).toEqual([
        `remote_write[0].url http://${host}:8005/api/v1/write is this proxy itself, which listens on server.listen ` +
          '[::]:8005 (the default); give the URL of the upstream',
      ]);
    },
  );

  test('that leads to the admin port is refused', () => {
    expect(problemsOf(fileWith(REGION, 'server: {admin_listen: "127.0.0.1:9"}', 'http://localhost:9/x'))[0]).toContain(
      'is this proxy itself, which listens on server.admin_listen 127.0.0.1:9;',
    );
  });

  test.each([
    ['http://localhost/api/v1/write', 80, true],
    ['https://localhost/api/v1/write', 443, true],
    ['http://localhost/api/v1/write', 443, false],
    ['https://localhost/api/v1/write', 80, false],
    ['http://localhost:443/api/v1/write', 443, true],
  ])('%s, with the proxy on port %i, leads back to it: %s', (url, port, isLoop) => {
    const problems = problemsOf(fileWith(REGION, `server: {listen: "0.0.0.0:${port}"}`, url));
    expect(problems).toEqual(
      isLoop
        ? [
            `remote_write[0].url ${url} is this proxy itself, which listens on server.listen 0.0.0.0:${port}; ` +
              'give the URL of the upstream',
          ]
        : [],
    );
  });

  test('of another port or address of this machine is another server', () => {
    expect(problemsOf(fileWith(REGION, '', 'http://localhost:9090/api/v1/write'))).toEqual([]);
    expect(problemsOf(fileWith(REGION, 'server: {listen: "10.9.8.7:8005"}', 'http://localhost:8005/w'))).toEqual([]);
  });

  test('of the HTTP proxy is http:// and a host only', () => {
    expect(entryOf(fileWith('    proxy_url: http://squid:3128')).proxy).toEqual({
      HTTP_PROXY: 'http://squid:3128',
      HTTPS_PROXY: 'http://squid:3128',
    });
    for (const url of ['https://squid:3128', 'socks5://squid', 'squid:3128', 'http://squid/path']) {
      expect(problemsOf(fileWith(`    proxy_url: ${url}`))).toEqual([
        `remote_write[0].proxy_url "${url}" is not the URL of an HTTP proxy; write http://HOST:PORT, https and SOCKS ` +
          'are not supported',
      ]);
    }
  });
});
