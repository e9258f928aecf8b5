import { describe, expect, test } from 'vitest';
import { environmentProxy, proxyFor, proxyVariables } from '../../src/config/proxy-route.ts';
import { entryOf, fileWith, problemsOf, warningsOf } from './parsing.ts';

const PROXY = 'http://squid:3128';
const AMP = 'https://aps-workspaces.us-west-2.amazonaws.com/workspaces/ws-1/api/v1/remote_write';

/** The proxy for `url` beside `noProxy`, as Go's httpproxy documents NO_PROXY; Prometheus uses that. */
function proxyBeside(noProxy: string, url: string): string | undefined {
  return proxyFor(
    new URL(url),
    proxyVariables({ proxy_url: PROXY, no_proxy: noProxy, proxy_from_environment: false }, {}),
  );
}

describe('no_proxy', () => {
  test.each([
    ['amazonaws.com', AMP],
    ['.amazonaws.com', AMP],
    ['*.amazonaws.com', AMP],
    ['example.com, AMAZONAWS.com', AMP],
    ['aps-workspaces.us-west-2.amazonaws.com', AMP],
    ['aps-workspaces.us-west-2.amazonaws.com:443', AMP],
    ['*', AMP],
    ['10.0.0.0/8', 'https://10.1.2.3/w'],
    ['10.1.2.3', 'http://10.1.2.3:8080/w'],
    ['10.1.2.3:8080', 'http://10.1.2.3:8080/w'],
    ['fd00::/8', 'https://[fd12::1]/w'],
    ['fd12::1', 'https://[fd12::1]/w'],
    ['[fd12::1]:443', 'https://[fd12::1]/w'],
  ])('of %j exempts %s', (noProxy, url) => {
    expect(proxyBeside(noProxy, url)).toBeUndefined();
  });

  test.each([
    ['', AMP],
    ['aws.com', AMP],
    ['workspaces.us-west-2.amazonaws.com', AMP],
    ['.example.com', 'https://example.com/w'],
    ['aps-workspaces.us-west-2.amazonaws.com:8443', AMP],
    ['10.0.0.0/8', 'https://11.1.2.3/w'],
    ['10.0.0.0/8', AMP],
    ['10.0.0.0/99', 'https://10.1.2.3/w'],
    ['2.3', 'https://10.1.2.3/w'],
    ['fd00::/8', 'https://10.1.2.3/w'],
  ])('of %j does not exempt %s', (noProxy, url) => {
    expect(proxyBeside(noProxy, url)).toBe(PROXY);
  });
});

describe('proxy_from_environment', () => {
  const on = fileWith('    proxy_from_environment: true');

  test('takes the three variables, the lower-case name first', () => {
    const env = { HTTPS_PROXY: 'http://upper:1', https_proxy: 'http://lower:1', NO_PROXY: 'a.b', HTTP_PROXY: '' };
    expect(environmentProxy(env)).toEqual({ HTTPS_PROXY: 'http://lower:1', NO_PROXY: 'a.b' });
    expect(entryOf(on, env).proxy).toEqual({ HTTPS_PROXY: 'http://lower:1', NO_PROXY: 'a.b' });
  });

  test('uses the variable of the scheme of the url', () => {
    const env = { HTTPS_PROXY: 'http://s:1', HTTP_PROXY: 'http://p:1' };
    expect(proxyFor(new URL('https://a/'), entryOf(on, env).proxy)).toBe('http://s:1');
    expect(proxyFor(new URL('http://a/'), entryOf(on, env).proxy)).toBe('http://p:1');
  });

  test('is not read where it is off', () => {
    expect(entryOf(fileWith(), { HTTPS_PROXY: 'http://s:1' }).proxy).toEqual({});
  });

  test('without a variable is a warning', () => {
    expect(warningsOf(on)).toEqual([
      'remote_write[0].proxy_from_environment is on, and neither HTTPS_PROXY nor HTTP_PROXY is set: no proxy is used',
    ]);
  });

  test('with a proxy that is not http:// is refused, and its credentials are not shown', () => {
    const problems = problemsOf(on, { HTTPS_PROXY: 'socks5://me:hunter2@host' });
    expect(problems).toEqual([
      'remote_write[0].proxy_from_environment is on, and HTTPS_PROXY is not the URL of an HTTP proxy; set it to http://HOST:PORT',
    ]);
  });

  test('excludes proxy_url and no_proxy', () => {
    expect(problemsOf(fileWith(`    proxy_from_environment: true\n    proxy_url: ${PROXY}\n    no_proxy: a`))).toEqual([
      'remote_write[0].proxy_url is given together with proxy_from_environment, which takes its place; keep one of them',
      'remote_write[0].no_proxy is given together with proxy_from_environment, which takes its place; keep one of them',
    ]);
  });
});

test('no_proxy and proxy_connect_header need proxy_url', () => {
  expect(problemsOf(fileWith('    no_proxy: a\n    proxy_connect_header: {X-A: [b]}'))).toEqual([
    'remote_write[0].no_proxy is given without proxy_url, and means nothing then; give it, or remove this',
    'remote_write[0].proxy_connect_header is given without proxy_url, and means nothing then; give it, or remove this',
  ]);
});

test('proxy_connect_header is a section of lists, and its values are not shown', () => {
  const lines = `    proxy_url: ${PROXY}\n    proxy_connect_header:\n      Proxy-Authorization: hunter2`;
  expect(problemsOf(fileWith(lines))).toEqual([
    'remote_write[0].proxy_connect_header.Proxy-Authorization must be a list of texts',
  ]);
});
