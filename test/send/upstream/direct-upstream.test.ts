/** The reuse of connections upstream, and the cases in which they are not reused. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { bodiesOf, echo, FORGED, HEADERS, openDirect, startScript } from '../../support/direct-upstream.ts';
import { until } from '../../support/loopback.ts';
import type { Asked } from '../../support/scripted-upstream.ts';

afterEach(() => {
  vi.useRealTimers();
});

describe('an idle connection', () => {
  test.each<[string, string, number]>([
    ['15 s', '', 15_000],
    ['2 s less than the other side keeps it', 'Keep-Alive: timeout=5\r\n', 3_000],
    ['15 s where the other side keeps it longer', 'Keep-Alive: timeout=3600\r\n', 15_000],
  ])('is used for %s, and then the request goes out once, on another', async (_what, line, keptMs) => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const server = await startScript(({ socket }) =>
      socket.write(`HTTP/1.1 200 OK\r\n${line}Content-Length: 0\r\n\r\n`),
    );
    // There is room for a second, on which it could go out once more.
    const client = openDirect(server.url, { connections: 2 });
    await client.post(HEADERS, Buffer.from('1'));
    vi.advanceTimersByTime(keptMs - 1);
    await client.post(HEADERS, Buffer.from('2'));
    expect(server.sockets).toHaveLength(1);
    vi.advanceTimersByTime(keptMs);
    expect(await client.post(HEADERS, Buffer.from('3'))).toMatchObject({ kind: 'answered', status: 200 });
    expect(server.sockets).toHaveLength(2);
    expect(bodiesOf(server)).toEqual(['1', '2', '3']);
  });

  test('that has outlived its time gives way to one that has not', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const server = await startScript((asked) => {
      if (server.requests.length === 2) for (const each of server.requests) echo(each);
      if (server.requests.length > 2) echo(asked);
    });
    const client = openDirect(server.url, { connections: 2 });
    await Promise.all([client.post(HEADERS, Buffer.from('1')), client.post(HEADERS, Buffer.from('2'))]);
    vi.advanceTimersByTime(10_000);
    await client.post(HEADERS, Buffer.from('3'));
    vi.advanceTimersByTime(10_000);
    await Promise.all([client.post(HEADERS, Buffer.from('4')), client.post(HEADERS, Buffer.from('5'))]);
    expect(bodiesOf(server).toSorted()).toEqual(['1', '2', '3', '4', '5']);
    expect(server.sockets).toHaveLength(3);
    // The one that carried the third carried another.
    const third = server.requests[2]?.socket;
    expect(server.requests.slice(3).filter(({ socket }) => socket === third)).toHaveLength(1);
  });

  test('that was used last is used first', async () => {
    const server = await startScript((asked) => {
      if (server.requests.length === 2) for (const each of server.requests) echo(each);
      if (server.requests.length > 2) echo(asked);
    });
    const client = openDirect(server.url, { connections: 2 });
    await Promise.all([client.post(HEADERS, Buffer.from('1')), client.post(HEADERS, Buffer.from('2'))]);
    for (const name of ['3', '4', '5']) await client.post(HEADERS, Buffer.from(name));
    expect(new Set(server.requests.slice(2).map(({ socket }) => socket)).size).toBe(1);
  });

  test.each([0, 1, 2])('is not kept where the other side keeps it for %i s', async (seconds) => {
    // Nor until the next look at idle ones.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const server = await startScript(({ socket }) =>
      socket.write(`HTTP/1.1 200 OK\r\nKeep-Alive: timeout=${seconds}\r\nContent-Length: 0\r\n\r\n`),
    );
    const client = openDirect(server.url);
    await client.post(HEADERS, Buffer.from('1'));
    await server.idle();
    await client.post(HEADERS, Buffer.from('2'));
    expect(server.sockets).toHaveLength(2);
  });

  test('is ended when its time is over, though nobody asks for one', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] });
    const server = await startScript(echo);
    const client = openDirect(server.url);
    await client.post(HEADERS, Buffer.from('1'));
    vi.advanceTimersByTime(14_000);
    await sleep(20);
    expect(server.sockets[0]?.readyState).toBe('open');
    vi.advanceTimersByTime(2_000);
    await server.idle();
    await client.destroy();
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each<[string, string]>([
    ['a 408 of a load balancer', 'HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n'],
    ['a whole answer', FORGED],
    ['one byte', 'H'],
  ])('ends with bytes that nobody has asked for, and they answer nothing: %s', async (_what, bytes) => {
    const server = await startScript(echo);
    const client = openDirect(server.url);
    await client.post(HEADERS, Buffer.from('1'));
    server.sockets[0]?.write(bytes);
    await server.idle();
    expect(await client.post(HEADERS, Buffer.from('2'))).toMatchObject({ status: 200, message: '2' });
    expect(server.sockets).toHaveLength(2);
  });

  test.each<[string, (asked: Asked) => void]>([
    ['ends', ({ socket }) => void socket.end()],
    ['resets', ({ socket }) => void socket.resetAndDestroy()],
  ])('that the other side %s is not used', async (_what, finish) => {
    const server = await startScript(echo);
    const client = openDirect(server.url);
    await client.post(HEADERS, Buffer.from('1'));
    const [asked] = server.requests;
    if (asked !== undefined) finish(asked);
    await server.idle();
    await sleep(20);
    expect(await client.post(HEADERS, Buffer.from('2'))).toMatchObject({ status: 200, message: '2' });
    expect(bodiesOf(server)).toEqual(['1', '2']);
  });
});

describe('who waits for a connection', () => {
  test('is served in order, also as connections fail', async () => {
    const server = await startScript((asked, index) => {
      if (index % 3 === 0) asked.socket.destroy();
      else if (index % 3 === 1) asked.socket.end('HTTP/1.1 500 Oh\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      else echo(asked);
    });
    const client = openDirect(server.url);
    const names = Array.from({ length: 12 }, (_, index) => `${index}`);
    const results = await Promise.all(names.map(async (name) => client.post(HEADERS, Buffer.from(name))));
    expect(bodiesOf(server)).toEqual(names);
    expect(results.map((result) => (result.kind === 'answered' ? result.status : result.reason))).toEqual(
      names.map((_, index) => (index % 3 === 0 ? 'reset' : index % 3 === 1 ? 500 : 200)),
    );
  });

  test('is told of its own timeout, and what it waited for goes on', async () => {
    const server = await startScript((asked) => void setTimeout(() => echo(asked), 300));
    const client = openDirect(server.url, { timeoutMs: 400 });
    const first = client.post(HEADERS, Buffer.from('1'));
    const second = client.post(HEADERS, Buffer.from('2'));
    expect(await first).toMatchObject({ status: 200, message: '1' });
    // It had a hundred milliseconds left when it got the connection.
    expect(await second).toMatchObject({ kind: 'failed', reason: 'timeout' });
    expect(await client.post(HEADERS, Buffer.from('3'))).toMatchObject({ status: 200, message: '3' });
    expect(bodiesOf(server)).toEqual(['1', '2', '3']);
  });
});

const activeTimers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

test('destroy settles all that is in flight or waits, and leaves no connection and no timer', async () => {
  const before = activeTimers();
  const server = await startScript((asked, index) => {
    if (index < 2) echo(asked);
  });
  const client = openDirect(server.url, { connections: 3 });
  // Two of three become idle and are used again.
  await Promise.all([client.post(HEADERS, Buffer.from('1')), client.post(HEADERS, Buffer.from('2'))]);
  const results = Promise.all(Array.from({ length: 8 }, async () => client.post(HEADERS, Buffer.from('x'))));
  await until(() => server.requests.length === 5, 'three in flight');
  expect(activeTimers()).toBe(before + 8);
  await client.destroy();
  await client.destroy();
  expect(activeTimers()).toBe(before);
  expect((await results).map((result) => result.kind === 'failed' && result.reason)).toEqual(Array(8).fill('reset'));
  await server.idle();
  expect(await client.post(HEADERS, Buffer.from('6'))).toMatchObject({ kind: 'failed', reason: 'reset' });
  expect(server.requests).toHaveLength(5);
  expect(server.sockets).toHaveLength(3);
});

test('destroy while a connection is being made ends it', async () => {
  const server = await startScript(echo);
  const client = openDirect(server.url);
  const result = client.post(HEADERS, Buffer.from('1'));
  await client.destroy();
  expect(await result).toMatchObject({ kind: 'failed', reason: 'reset' });
  await sleep(50);
  await server.idle();
  expect(server.requests).toHaveLength(0);
});

test.each(['a\r\nx-injected: 1', 'a\n', 'a\rb', '\0', '\x7f', '\x1b[31m', 'ā', 'a\u{1f4a5}', '\u010a\u010d'])(
  'a header of %j never goes out',
  async (value) => {
    const server = await startScript(echo);
    const client = openDirect(server.url);
    const result = await client.post([...HEADERS, 'x-amz-security-token', value], Buffer.from('1'));
    expect(result).toMatchObject({ kind: 'failed', reason: 'credentials' });
    expect(result.message).toContain('x-amz-security-token');
    expect(result.message).not.toContain(value);
    expect(await client.post(HEADERS, Buffer.from('2'))).toMatchObject({ status: 200 });
    expect(bodiesOf(server)).toEqual(['2']);
  },
);

test('a header goes out as it is, in Latin-1', async () => {
  const server = await startScript(echo);
  await openDirect(server.url).post([...HEADERS, 'x-odd', '\t!~\x80\xff'], Buffer.from('1'));
  expect(server.requests[0]?.head).toBe(
    'POST /workspaces/ws-1/api/v1/remote_write HTTP/1.1\r\nhost: aps.example\r\nx-odd: \t!~\x80\xff\r\n' +
      'connection: keep-alive\r\ncontent-length: 1',
  );
});

test('a connection that cannot even be begun is a failure, and so is the next', async () => {
  const url = new URL('https://127.0.0.1:9/');
  // No name of TLS is an address: https://www.rfc-editor.org/rfc/rfc6066#section-3
  const client = openDirect(url, { tls: { insecureSkipVerify: false, servername: '127.0.0.1' } });
  const results = await Promise.all([client.post(HEADERS, Buffer.from('1')), client.post(HEADERS, Buffer.from('2'))]);
  expect(results).toMatchObject([
    { kind: 'failed', reason: 'reset' },
    { kind: 'failed', reason: 'reset' },
  ]);
});
