import { createServer as createHttpsServer } from 'node:https';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { openUpstream } from '../../../src/send/upstream/open-upstream.ts';
import type { Upstream, UpstreamOptions } from '../../../src/send/upstream/upstream.ts';
import { trySelfSigned } from '../../support/certificates.ts';
import {
  answer,
  closedPort,
  listening,
  startTcpServer,
  startUpstream,
  type LoopbackUpstream,
} from '../../support/loopback.ts';

const HEADERS = ['host', 'aps.example', 'content-type', 'application/x-protobuf', 'authorization', 'AWS4 x'];

let clients: Upstream[] = [];

afterEach(async () => {
  await Promise.all(clients.map(async (client) => client.destroy()));
  clients = [];
});

function makeUpstream(url: URL, options: Partial<UpstreamOptions> & { proxyUrl?: string } = {}): Upstream {
  const { proxyUrl, ...others } = options;
  const given = { url, connections: 2, timeoutMs: 2000, tls: { insecureSkipVerify: false }, ...others };
  const client = openUpstream(given, proxyUrl === undefined ? undefined : { url: proxyUrl });
  clients.push(client);
  return client;
}

test('posts the body and exactly the headers it is given, beside the length and the connection', async () => {
  await using server = await startUpstream((_request, _index, response) => answer(response, 200));
  await makeUpstream(server.url).post(HEADERS, Buffer.from('body'));
  expect(server.requests).toHaveLength(1);
  expect(server.requests[0]).toMatchObject({ method: 'POST', path: '/workspaces/ws-1/api/v1/remote_write' });
  expect(server.requests[0]?.body.toString()).toBe('body');
  expect(server.requests[0]?.headers).toEqual({
    host: 'aps.example',
    'content-type': 'application/x-protobuf',
    authorization: 'AWS4 x',
    'content-length': '4',
    connection: 'keep-alive',
  });
});

test('tells status, message, Retry-After and Date of an answer', async () => {
  const date = 'Fri, 02 Jan 2026 03:05:00 GMT';
  await using server = await startUpstream((_request, _index, response) =>
    answer(response, 429, '  too many\r\n', { 'retry-after': 7, date }),
  );
  expect(await makeUpstream(server.url).post(HEADERS, Buffer.from('x'))).toEqual({
    kind: 'answered',
    status: 429,
    message: 'too many',
    retryAfter: '7',
    date,
  });
});

describe.each(['directly', 'through a proxy'])('%s', (way) => {
  /** The loopback server is the upstream itself, or the proxy that is asked for it. */
  const reach = (server: LoopbackUpstream): Upstream =>
    way === 'directly'
      ? makeUpstream(server.url)
      : makeUpstream(new URL('http://aps.example/a'), { proxyUrl: `http://127.0.0.1:${server.port}` });

  test('tells the error type of AWS', async () => {
    await using server = await startUpstream((_request, _index, response) =>
      answer(response, 400, '', { 'x-amzn-ErrorType': 'ThrottlingException:http://internal.amazon.com/coral/' }),
    );
    expect(await reach(server).post(HEADERS, Buffer.from('x'))).toMatchObject({
      status: 400,
      errorType: 'ThrottlingException:http://internal.amazon.com/coral/',
    });
  });

  test('tells no error type where the answer has none', async () => {
    await using server = await startUpstream((_request, _index, response) => answer(response, 400));
    const result = await reach(server).post(HEADERS, Buffer.from('x'));
    expect(result.kind === 'answered' && result.errorType).toBeUndefined();
  });

  test('keeps the first 128 characters of an error type, without control characters', async () => {
    // \x9b begins a terminal's escape sequence, and HTTP lets it through. https://www.rfc-editor.org/rfc/rfc9110#section-5.5
    await using server = await startUpstream((_request, _index, response) =>
      answer(response, 400, '', { 'x-amzn-ErrorType': `Odd\t\u009b31m\u00ff${'y'.repeat(500)}` }),
    );
    const result = await reach(server).post(HEADERS, Buffer.from('x'));
    const errorType = result.kind === 'answered' ? (result.errorType ?? '') : '';
    expect(errorType).toMatch(/^Odd [ -~]*31m[ -~]*y+$/);
    expect(errorType.length).toBeLessThanOrEqual(128);
    expect(errorType.length).toBeGreaterThan(100);
  });
});

test('uses connections again', async () => {
  const ports = new Set<number | undefined>();
  await using server = await startUpstream((_request, _index, response) => {
    ports.add(response.req.socket.remotePort);
    answer(response, 204);
  });
  const client = makeUpstream(server.url);
  for (let index = 0; index < 10; index += 1) await client.post(HEADERS, Buffer.from('x'));
  expect(ports.size).toBeLessThanOrEqual(2);
});

test('never has more requests in flight than connections', async () => {
  let open = 0;
  let most = 0;
  await using server = await startUpstream(async (_request, _index, response) => {
    open += 1;
    most = Math.max(most, open);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    open -= 1;
    answer(response, 200);
  });
  const client = makeUpstream(server.url, { connections: 2 });
  await Promise.all(Array.from({ length: 8 }, async () => client.post(HEADERS, Buffer.from('x'))));
  expect(most).toBe(2);
});

test.each([301, 302, 307, 308])('does not follow a redirect (%i)', async (status) => {
  await using server = await startUpstream((_request, _index, response) =>
    answer(response, status, '', { location: '/elsewhere' }),
  );
  expect(await makeUpstream(server.url).post(HEADERS, Buffer.from('x'))).toMatchObject({ kind: 'answered', status });
  expect(server.requests).toHaveLength(1);
});

test('keeps the first KiB of a message, without control characters', async () => {
  await using server = await startUpstream((_request, _index, response) =>
    answer(response, 400, `bad\u0000\u001b[31m label\nsecond line ${'y'.repeat(5000)}`),
  );
  const result = await makeUpstream(server.url).post(HEADERS, Buffer.from('x'));
  const message = result.message;
  expect(message.startsWith('bad  [31m label\nsecond line yyy')).toBe(true);
  expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1024);
});

test.each([200, 400, 500])('a %i whose body is larger than is read is still that answer', async (status) => {
  await using server = await startUpstream((_request, _index, response) =>
    answer(response, status, 'z'.repeat(300_000)),
  );
  const result = await makeUpstream(server.url).post(HEADERS, Buffer.from('x'));
  expect(result).toMatchObject({ kind: 'answered', status });
});

test('once post has resolved the body is not read any more, also when the answer came before all of it was sent', async () => {
  let foreign = 0;
  let received = 0;
  await using server = await startTcpServer((socket) =>
    socket.once('data', () => {
      socket.pause();
      socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n');
      socket.on('data', (chunk) => {
        received += chunk.length;
        foreign += Buffer.from(chunk).filter((byte) => byte === 0x42).length;
      });
      setTimeout(() => socket.resume(), 100);
    }),
  );
  const body = Buffer.alloc(16_000_000, 0x41);
  expect(await makeUpstream(server.url).post(['host', 'x'], body)).toMatchObject({ status: 413 });
  // The pool does this when the next request gets this memory.
  body.fill(0x42);
  // The remaining bytes come at once.
  await new Promise((resolve) => {
    setTimeout(resolve, 500);
  });
  expect(received).toBeGreaterThan(0);
  expect(foreign).toBe(0);
});

describe('failures are values', () => {
  test('no answer within the timeout', async () => {
    await using server = await startUpstream(() => {});
    const startedAtMs = performance.now();
    const result = await makeUpstream(server.url, { timeoutMs: 150 }).post(HEADERS, Buffer.from('x'));
    expect(result).toMatchObject({ kind: 'failed', reason: 'timeout' });
    expect(performance.now() - startedAtMs).toBeLessThan(1500);
  });

  test('an answer that drips for longer than the timeout', async () => {
    let drip: NodeJS.Timeout | undefined;
    await using server = await startUpstream((_request, _index, response) => {
      response.writeHead(200);
      drip = setInterval(() => response.write('.'), 20);
    });
    const result = await makeUpstream(server.url, { timeoutMs: 200 }).post(HEADERS, Buffer.from('x'));
    clearInterval(drip);
    expect(result).toMatchObject({ kind: 'failed', reason: 'timeout' });
  });

  test('an upstream that accepts connections and does not read', async () => {
    await using server = await startTcpServer((socket) => socket.pause());
    const client = makeUpstream(server.url, { timeoutMs: 200 });
    expect(await client.post(HEADERS, Buffer.alloc(5_000_000))).toMatchObject({ kind: 'failed', reason: 'timeout' });
  });

  test('a request that waits for a free connection times out too, and the next one is served', async () => {
    let well = false;
    await using server = await startUpstream((_request, _index, response) => {
      if (well) answer(response, 200);
    });
    const client = makeUpstream(server.url, { connections: 1, timeoutMs: 200 });
    const results = await Promise.all([client.post(HEADERS, Buffer.from('1')), client.post(HEADERS, Buffer.from('2'))]);
    expect(results.map((result) => result.kind === 'failed' && result.reason)).toEqual(['timeout', 'timeout']);
    well = true;
    expect(await client.post(HEADERS, Buffer.from('3'))).toMatchObject({ kind: 'answered', status: 200 });
    expect(server.requests.at(-1)?.body.toString()).toBe('3');
  });

  test('a refused connection', async () => {
    const url = new URL(`http://127.0.0.1:${await closedPort()}/`);
    expect(await makeUpstream(url).post(HEADERS, Buffer.from('x'))).toMatchObject({
      kind: 'failed',
      reason: 'connect_refused',
    });
  });

  test('a name that does not resolve', async () => {
    // https://www.rfc-editor.org/rfc/rfc6761#section-6.4 : .invalid never resolves.
    const result = await makeUpstream(new URL('http://upstream.invalid/')).post(HEADERS, Buffer.from('x'));
    expect(result).toMatchObject({ kind: 'failed', reason: 'dns' });
  });

  test('a reset before the answer', async () => {
    await using server = await startTcpServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    expect(await makeUpstream(server.url).post(HEADERS, Buffer.from('x'))).toMatchObject({
      kind: 'failed',
      reason: 'reset',
    });
  });

  test('a connection closed before the answer', async () => {
    await using server = await startTcpServer((socket) => socket.once('data', () => socket.end()));
    expect(await makeUpstream(server.url).post(HEADERS, Buffer.from('x'))).toMatchObject({
      kind: 'failed',
      reason: 'reset',
    });
  });

  test('a reset in the middle of the answer, which must not count as delivered', async () => {
    await using server = await startTcpServer((socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', () => socket.resetAndDestroy());
      }),
    );
    expect(await makeUpstream(server.url).post(HEADERS, Buffer.from('x'))).toMatchObject({
      kind: 'failed',
      reason: 'reset',
    });
  });

  test.each(['SSH-2.0-OpenSSH_9.9\r\n', 'HTTP/1.1 OK 200\r\n\r\n', '\u0000\u0001\u0002\u0003\r\n\r\n'])(
    'garbage instead of an answer: %j',
    async (garbage) => {
      await using server = await startTcpServer((socket) => socket.once('data', () => socket.end(garbage)));
      expect(await makeUpstream(server.url).post(HEADERS, Buffer.from('x'))).toMatchObject({
        kind: 'failed',
        reason: 'garbage',
      });
    },
  );

  test('a pool that has been destroyed', async () => {
    await using server = await startUpstream((_request, _index, response) => answer(response, 200));
    const client = makeUpstream(server.url);
    await client.destroy();
    expect(await client.post(HEADERS, Buffer.from('x'))).toMatchObject({ kind: 'failed' });
  });

  test('destroy ends an attempt in flight', async () => {
    await using server = await startUpstream(() => {});
    const client = makeUpstream(server.url, { timeoutMs: 10_000 });
    const attempt = client.post(HEADERS, Buffer.from('x'));
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    await client.destroy();
    expect(await attempt).toMatchObject({ kind: 'failed' });
  });

  test('and the next post after a failure is served', async () => {
    await using server = await startUpstream((_request, index, response) => {
      if (index === 0) response.destroy();
      else answer(response, 200);
    });
    const client = makeUpstream(server.url, { connections: 1 });
    expect(await client.post(HEADERS, Buffer.from('x'))).toMatchObject({ kind: 'failed', reason: 'reset' });
    expect(await client.post(HEADERS, Buffer.from('x'))).toMatchObject({ kind: 'answered', status: 200 });
  });
});

test('an http upstream is asked for through an HTTP proxy in absolute form, with the headers as they are', async () => {
  await using proxy = await startUpstream((_request, _index, response) => answer(response, 200));
  const client = makeUpstream(new URL('http://aps.example/a/b'), { proxyUrl: `http://127.0.0.1:${proxy.port}` });
  expect(await client.post(HEADERS, Buffer.from('x'))).toMatchObject({ kind: 'answered', status: 200 });
  expect(proxy.requests[0]?.path).toBe('http://aps.example/a/b');
  expect(proxy.requests[0]?.headers).toMatchObject({ host: 'aps.example', authorization: 'AWS4 x' });
});

test('a proxy that does not let through is a failure', async () => {
  await using proxy = await startTcpServer((socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')),
  );
  const client = makeUpstream(new URL('https://aps.example/a/b'), { proxyUrl: `http://127.0.0.1:${proxy.port}` });
  expect(await client.post(HEADERS, Buffer.from('x'))).toMatchObject({ kind: 'failed' });
});

const certificate = trySelfSigned('DNS:localhost,DNS:aps.example');

async function startTls(): Promise<AsyncDisposable & { url: URL }> {
  const server = createHttpsServer({ ...certificate }, (request, response) => {
    request.resume();
    response.writeHead(200).end();
  });
  const { port, ...rest } = await listening(server);
  return {
    url: new URL(`https://localhost:${port}/`),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await rest[Symbol.asyncDispose]();
    },
  };
}

describe.skipIf(certificate === undefined)('TLS (skipped where there is no openssl)', () => {
  test('a certificate that nobody vouches for is a TLS failure', async () => {
    await using server = await startTls();
    expect(await makeUpstream(server.url).post(HEADERS, Buffer.from('x'))).toMatchObject({
      kind: 'failed',
      reason: 'tls_untrusted',
    });
  });

  test('its own CA makes it good', async () => {
    await using server = await startTls();
    const tls = { ca: certificate?.cert, insecureSkipVerify: false };
    expect(await makeUpstream(server.url, { tls }).post(HEADERS, Buffer.from('x'))).toMatchObject({ status: 200 });
  });

  test('server_name is what the certificate must be for', async () => {
    await using server = await startTls();
    const good = { ca: certificate?.cert, servername: 'aps.example', insecureSkipVerify: false };
    const bad = { ...good, servername: 'other.example' };
    // The signer makes it like this: the Host header is the URL's.
    const headers = ['host', server.url.host];
    expect(await makeUpstream(server.url, { tls: good }).post(headers, Buffer.from('x'))).toMatchObject({
      status: 200,
    });
    expect(await makeUpstream(server.url, { tls: bad }).post(headers, Buffer.from('x'))).toMatchObject({
      reason: 'tls_wrong_name',
    });
  });

  test('insecure_skip_verify checks no certificate', async () => {
    await using server = await startTls();
    const tls = { insecureSkipVerify: true };
    expect(await makeUpstream(server.url, { tls }).post(HEADERS, Buffer.from('x'))).toMatchObject({ status: 200 });
  });

  test('is reached through an HTTP proxy by CONNECT', async () => {
    const asked: string[] = [];
    await using server = await startTls();
    await using proxy = await startTcpServer((socket) =>
      socket.once('data', (head) => {
        asked.push(head.toString().split('\r\n')[0] ?? '');
        const tunnel = connect(Number(server.url.port), '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
          tunnel.pipe(socket).pipe(tunnel);
        });
        tunnel.on('error', () => socket.destroy());
        socket.on('close', () => tunnel.destroy());
      }),
    );
    const tls = { ca: certificate?.cert, insecureSkipVerify: false };
    const client = makeUpstream(server.url, { tls, proxyUrl: `http://127.0.0.1:${proxy.port}` });
    expect(await client.post(['host', server.url.host], Buffer.from('x'))).toMatchObject({ status: 200 });
    expect(asked).toEqual([`CONNECT ${server.url.host} HTTP/1.1`]);
  });

  test('an upstream that does not speak TLS is a TLS failure', async () => {
    await using server = await startUpstream((_request, _index, response) => answer(response, 200));
    const url = new URL(`https://localhost:${server.port}/`);
    expect(await makeUpstream(url).post(HEADERS, Buffer.from('x'))).toEqual({
      kind: 'failed',
      reason: 'tls_on_plain_port',
      message: 'tls_on_plain_port: write EPROTO wrong version number',
    });
  });
});
