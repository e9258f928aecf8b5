/**
 * The requests that the fast path takes and those it leaves to Node's HTTP server; a sender cannot tell which it was.
 */
import { createServer } from 'node:http';
import * as fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { PROPERTY_TIMEOUT_MS, runs } from '../../../support/arbitrary-runs.ts';
import { bodyOf, chunkedRequest, connectSender, type LaneSender } from '../../../support/lane-sender.ts';
import { listening, until } from '../../../support/loopback.ts';
import { sleep } from '../../../support/processes.ts';
import { rawRequest, startReceiver, type Receiver } from '../../../support/receiving.ts';

/** Node's own HTTP server in front of the same routes, without a lane. */
async function startPlain(receiver: Receiver): Promise<number> {
  const { headersTimeout, requestTimeout, keepAliveTimeout } = receiver.fastPath;
  const server = createServer({ headersTimeout, requestTimeout, keepAliveTimeout });
  for (const event of ['request', 'clientError'])
    server.on(event, (...given) => receiver.fastPath.emit(event, ...given));
  const started = await listening(server);
  onTestFinished(async () => {
    server.closeAllConnections();
    await started[Symbol.asyncDispose]();
  });
  return started.port;
}

const BODY = bodyOf('one');
const ORDINARY = rawRequest(BODY);
const CHUNKED = chunkedRequest(BODY);

const raw = (lines: readonly string[], body = ''): Buffer =>
  Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');
const changed = (from: string | RegExp, to: string): Buffer =>
  Buffer.from(ORDINARY.toString('latin1').replace(from, to), 'latin1');

describe('what is unusual', () => {
  test.each<[string, Buffer]>([
    ['GET', raw(['GET /api/v1/write HTTP/1.1', 'Host: x'])],
    ['HEAD', raw(['HEAD /api/v1/write HTTP/1.1', 'Host: x'])],
    ['OPTIONS *', raw(['OPTIONS * HTTP/1.1', 'Host: x'])],
    ['HTTP/1.0', changed('HTTP/1.1', 'HTTP/1.0')],
    ['HTTP/1.0 that would stay', changed('HTTP/1.1\r\n', 'HTTP/1.0\r\nConnection: keep-alive\r\n')],
    ['HTTP/2', raw(['PRI * HTTP/2.0'], 'SM\r\n\r\n')],
    ['an unknown route', changed('/api/v1/write', '/api/v1/query')],
    ['an unknown name', changed('/write', '/write/nobody')],
    ['a query', changed('/write', '/write?a=b')],
    ['an escaped path', changed('/write', '/%77rite')],
    ['an absolute URL', changed('/api', 'http://proxy/api')],
    ['no Host', changed('Host: proxy:8005\r\n', '')],
    ['two Hosts', changed('Host: proxy', 'Host: a\r\nHost: proxy')],
    ['Connection: close', changed('Host', 'Connection: close\r\nHost')],
    ['Connection: keep-alive, close', changed('Host', 'Connection: keep-alive, close\r\nHost')],
    ['Proxy-Connection: close', changed('Host', 'Proxy-Connection: close\r\nHost')],
    ['Expect: 100-continue', changed('Host', 'Expect: 100-continue\r\nHost')],
    ['Expect of something else', changed('Host', 'Expect: 200-ok\r\nHost')],
    ['Upgrade', changed('Host', 'Upgrade: h2c\r\nHost')],
    ['a chunked body', CHUNKED],
    ['chunked in odd letters', Buffer.from(CHUNKED.toString('latin1').replace(': chunked', ': ChunKed'), 'latin1')],
    ['a transfer encoding that is none', changed('Host', 'Transfer-Encoding: xchunked\r\nHost')],
    ['a transfer encoding that is hidden', changed('Host', 'Transfer-Encoding:\x0bchunked\r\nHost')],
    ['a chunked body and a length', changed('Host', 'Transfer-Encoding: chunked\r\nHost')],
    ['two lengths', changed('Host', 'Content-Length: 1\r\nHost')],
    ['the same length twice', changed(/(Content-Length: \d+)/, '$1\r\n$1')],
    ['a length with a sign', changed('Content-Length: ', 'Content-Length: +')],
    ['a hexadecimal length', changed('Content-Length: ', 'Content-Length: 0x')],
    ['a list of lengths', changed(/(Content-Length: \d+)/, '$1, 5')],
    ['a folded header', changed('User-Agent: ', 'User-Agent: a\r\n b')],
    ['a bare LF', changed('\r\nUser', '\nUser')],
    ['a bare CR', changed('\r\nUser', '\rUser')],
    ['a NUL', changed('User-Agent: ', 'User-Agent: \0')],
    ['white space before a colon', changed('User-Agent:', 'User-Agent :')],
    ['an odd name', changed('User-Agent:', 'User(Agent):')],
    ['an empty line before it', Buffer.concat([Buffer.from('\r\n'), ORDINARY])],
    ['a head of 12 KB', changed('Host', `X-Long: ${'x'.repeat(12_000)}\r\nHost`)],
    ['a head of 20 KB', changed('Host', `X-Long: ${'x'.repeat(20_000)}\r\nHost`)],
    ['a head of 500 lines', changed('Host', `${'a: b\r\n'.repeat(500)}Host`)],
    ['what is no HTTP', Buffer.from('\x16\x03\x01\x02\0\x01\0\r\n\r\n')],
    ['two requests at once', Buffer.concat([ORDINARY, rawRequest(bodyOf('two'), [], '/api/v1/write/second')])],
  ])("%s is answered as by Node's HTTP server", async (_what, request) => {
    const receiver = await startReceiver();
    const sender = await connectSender(receiver.port);
    const beside = await connectSender(await startPlain(receiver));
    // The last is one that Node ends the connection after, if it has not done so before.
    const end = rawRequest(BODY, ['Connection: close']);
    const ask = async ({ socket, text }: LaneSender): Promise<string> => {
      socket.write(request);
      socket.write(end);
      await until(() => socket.closed, `the end of the connection; so far ${text()}`);
      return text().replaceAll(/^Date: .*\r\n/gim, '');
    };
    const expected = await ask(beside);
    const samples = receiver.submitted.splice(0).map(({ name, parcel }) => [name, parcel.body.toString('hex')]);
    expect(await ask(sender)).toBe(expected);
    expect(receiver.submitted.map(({ name, parcel }) => [name, parcel.body.toString('hex')])).toEqual(samples);
    expect(receiver.fastPath.fastPathConnections).toBe(0);
    await until(() => receiver.route.open === 0 && receiver.budget.usedBytes === 0, 'all is given back');
  });
});

describe('what is refused in the fast path', () => {
  test.each<[string, Buffer]>([
    ['another type', changed('x-protobuf', 'json')],
    ['another encoding', changed('snappy', 'zstd')],
    ['no snappy', rawRequest(Buffer.from('hello, world'))],
    ['a body over the limit', rawRequest(Buffer.alloc(100_001))],
    ['nothing at all', rawRequest(Buffer.alloc(0))],
    ['what the upstream rejects', rawRequest(bodyOf('rejected'))],
    ['what is refused', rawRequest(bodyOf('refused', 1000))],
  ])("%s is told the same as by Node's HTTP server", async (_what, request) => {
    const receiver = await startReceiver({
      submit: (parcel) =>
        parcel.trySettle(
          parcel.series > 1
            ? { kind: 'refused', reason: 'queue_full', message: 'voll: größer geht’s nicht', retryAfterMs: 7_000 }
            : { kind: 'rejected', status: 422, reason: 'other', message: 'one\r\nX-Injected: two\r\n\r\nthree' },
        ),
    });
    const beside = await connectSender(await startPlain(receiver));
    const sender = await connectSender(receiver.port);
    const ask = async ({ socket, text, statuses }: LaneSender): Promise<{ head: string[]; body: string }> => {
      socket.write(request);
      await statuses(1);
      const at = (): number => text().indexOf('\r\n\r\n');
      await until(() => at() > 0 && text().endsWith('\n') && text().length > at() + 4, 'all of the answer');
      const [first = '', ...lines] = text().slice(0, at()).split('\r\n');
      const kept = lines.map((line) => line.replace(/^Date:.*/i, 'date'));
      return {
        head: [first, ...kept.map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase())).toSorted()],
        body: text().slice(at() + 4),
      };
    };
    expect(await ask(sender)).toEqual(await ask(beside));
    expect(sender.text()).toMatch(/^Date: (\w{3}), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r$/m);
    expect(receiver.fastPath.fastPathConnections).toBe(1);
  });

  test('the answer to nearly every request says when it was given, and nothing of a body', async () => {
    const receiver = await startReceiver();
    const { socket, text, statuses } = await connectSender(receiver.port);
    const beforeMs = Math.floor(Date.now() / 1000) * 1000;
    socket.write(ORDINARY);
    await statuses(1);
    const [, date = ''] =
      /^HTTP\/1\.1 204 No Content\r\nDate: (.*)\r\nConnection: keep-alive\r\nKeep-Alive: timeout=330\r\n\r\n$/.exec(
        text(),
      ) ?? [];
    expect(Date.parse(date)).toBeGreaterThanOrEqual(beforeMs);
    expect(Date.parse(date)).toBeLessThanOrEqual(Date.now());
  });
});

describe('whatever a connection carries', () => {
  const one = fc.constantFrom(
    ORDINARY,
    ORDINARY,
    rawRequest(bodyOf('large', 60_000)),
    rawRequest(Buffer.alloc(0)),
    rawRequest(Buffer.from('no snappy')),
    rawRequest(Buffer.alloc(100_001)),
    changed('x-protobuf', 'json'),
    changed('/api/v1/write', '/api/v1/write/second'),
    changed('/api/v1/write', '/api/v1/query'),
    changed('Host', 'Connection: keep-alive\r\nHost'),
    CHUNKED,
  );
  /** Sizes of the pieces that it comes in, and how many turns of the event loop are between two. */
  const pieces = fc.array(fc.tuple(fc.integer({ min: 1, max: 50_000 }), fc.nat({ max: 2 })), { maxLength: 10 });

  test(
    "whole or in pieces, it is answered as by Node's own HTTP server",
    { timeout: PROPERTY_TIMEOUT_MS },
    async () => {
      const receiver = await startReceiver({ maxInflightBytes: 10_000_000 });
      const plainPort = await startPlain(receiver);
      const take = (): unknown[] =>
        receiver.submitted.splice(0).map(({ name, parcel }) => [name, parcel.body.toString('latin1')]);
      await fc.assert(
        fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 4 }), pieces, async (requests, cuts) => {
          const bytes = Buffer.concat([...requests, rawRequest(BODY, ['Connection: close'])]);
          const beside = await connectSender(plainPort);
          beside.socket.write(bytes);
          await until(() => beside.socket.closed, 'the end of the connection');
          const expected = [await beside.statuses(0), take()];
          const { socket, statuses } = await connectSender(receiver.port);
          let at = 0;
          for (const [size, turns] of cuts) {
            socket.write(bytes.subarray(at, at + size));
            at += size;
            for (let turn = 0; turn < turns; turn += 1) await sleep(0);
          }
          socket.write(bytes.subarray(at));
          await until(() => socket.closed, 'the end of the connection');
          expect([await statuses(0), take()]).toEqual(expected);
          await until(() => receiver.route.open === 0 && receiver.budget.usedBytes === 0, 'all is given back');
          expect(receiver.fastPath.keptBytes).toBe(0);
        }),
        runs(150),
      );
    },
  );
});
