import { describe, expect, test } from 'vitest';
import type { Parcel } from '../../src/parcel/parcel.ts';
import { DELIVERED } from '../../src/outcome/outcome.ts';
import { Exposition } from '../support/exposition.ts';
import { rawConnection, readAnswer, readUntilClose, until } from '../support/loopback.ts';
import { encodeBody } from '../support/parcels.ts';
import { HEADERS, MAX_BODY_BYTES, send, SERIES, startReceiver } from '../support/receiving.ts';
import { stretched } from '../support/slowness.ts';

const BODY = encodeBody(SERIES);
/** An empty WriteRequest: the varint 0 and no elements. */
const EMPTY = Buffer.from([0]);

/** A request as bytes. */
function raw(path: string, headers: readonly string[], body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\nHost: x\r\n${headers.join('\r\n')}\r\n\r\n`), body]);
}

const TYPES = ['Content-Type: application/x-protobuf', 'Content-Encoding: snappy'];
const withLength = (bytes: number): string[] => [...TYPES, `Content-Length: ${bytes}`];

describe('routes', () => {
  test.each([
    ['/api/v1/write', 'first'],
    ['/api/v1/write?x=1', 'first'],
    ['/api/v1/write/second', 'second'],
    ['/api/v1/write/bare', 'bare'],
    ['/workspaces/ws-2/api/v1/remote_write', 'second'],
    ['/workspaces/ws-1/api/v1/remote_write', 'first'],
  ])('%s leads to %s', async (path, name) => {
    const receiver = await startReceiver();
    const answer = await send(receiver.port, path, BODY);
    expect([answer.status, answer.body]).toEqual([204, '']);
    expect(receiver.submitted.map((each) => each.name)).toEqual([name]);
  });

  test.each([
    ['/api/v1/write/', 'first'],
    ['/api/v1/write/?x=1', 'first'],
    ['/api/v1/write/second/', 'second'],
    ['/api/v1/write/sec%6Fnd', 'second'],
    ['/workspaces/ws-2/api/v1/remote_write/', 'second'],
  ])('%s leads to %s: a slash at the end, a query and escapes make no difference', async (path, name) => {
    const receiver = await startReceiver();
    expect((await send(receiver.port, path, BODY)).status).toBe(204);
    expect(receiver.submitted.map((each) => each.name)).toEqual([name]);
  });

  // Prometheus drops on 404 what a corrected path would deliver.
  test.each([
    ['/api/v1/write/nobody', '"nobody"; there are first, second, bare'],
    ['/api/v1/write/nobody?x=1', '"nobody"; there are first, second, bare'],
    ['/api/v1/write/second/more', '"second/more"'],
    ['/api/v1/write/%E0%A4%A', '%E0%A4%A'],
    ['/workspaces/ws-3/api/v1/remote_write', '"ws-3"'],
    ['/workspaces//api/v1/remote_write', 'workspace'],
    ['/workspaces/ws-1/remote_write/extra/remote_write', 'workspace'],
  ])('%s is a write to no entry: 503 with Retry-After, counted and logged', async (path, expected) => {
    const receiver = await startReceiver();
    const answers = [await send(receiver.port, path, BODY), await send(receiver.port, path, BODY)];
    for (const answer of answers) {
      expect(answer.status).toBe(503);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect(answer.body).toContain(expected);
    }
    expect(receiver.submitted).toHaveLength(0);
    const counted = new Exposition(await receiver.metrics.registry.metrics()).sum(
      'amp_write_proxy_requests_turned_away_total',
      { route: 'unknown', code: '503', reason: 'unknown_entry' },
    );
    expect(counted).toBe(2);
    // The second comes with the next line, 10 s later.
    expect(receiver.warnings).toHaveLength(1);
    expect(receiver.warnings[0]).toMatchObject({ sender: '127.0.0.1', path });
  });

  test.each(['/api/v1/query', '/', '/api/v1/writes', '/workspaces/ws-1/api/v1/query'])(
    '%s is 404, and the message says what there is',
    async (path) => {
      const receiver = await startReceiver();
      const answer = await send(receiver.port, path, BODY);
      expect(answer.status).toBe(404);
      expect(answer.body).toContain('/api/v1/write');
      expect([receiver.submitted, receiver.warnings]).toEqual([[], []]);
    },
  );

  test.each(['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('%s on a write route is 405', async (method) => {
    const receiver = await startReceiver();
    const answer = await send(receiver.port, '/api/v1/write', undefined, {}, method);
    expect(answer.status).toBe(405);
    expect(answer.body).toContain('POST');
  });

  test('405 says which method is allowed (RFC 9110, section 15.5.6)', async () => {
    const receiver = await startReceiver();
    const answer = await send(receiver.port, '/api/v1/write', undefined, {}, 'GET');
    expect(answer.headers['allow']).toBe('POST');
  });
});

describe('what is refused by the head', () => {
  test.each([
    ['another content type', { ...HEADERS, 'content-type': 'application/json' }],
    ['no content type', { 'content-encoding': 'snappy' }],
    ['a content type that is none', { ...HEADERS, 'content-type': 'protobuf' }],
    ['another encoding', { ...HEADERS, 'content-encoding': 'gzip' }],
    ['no encoding', { 'content-type': 'application/x-protobuf' }],
    ['remote write 2.0', { ...HEADERS, 'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request' }],
  ])('%s is 415 and says what is supported', async (_what, headers) => {
    const receiver = await startReceiver();
    const answer = await send(receiver.port, '/api/v1/write', BODY, headers);
    expect(answer.status).toBe(415);
    expect(answer.headers['content-type']).toContain('text/plain');
    expect(answer.body).toContain('supported is Prometheus remote write 1.0');
    expect(receiver.submitted).toHaveLength(0);
  });

  test('a declared size over the limit is 413 before a byte of the body is sent', async () => {
    const receiver = await startReceiver();
    const socket = await rawConnection(receiver.port);
    socket.write(raw('/api/v1/write', withLength(MAX_BODY_BYTES + 1), Buffer.alloc(0)));
    const answer = await readAnswer(socket);
    expect(answer.status).toBe(413);
    expect(answer.body).toContain('limits.max_body_bytes');
    expect(receiver.budget.usedBytes).toBe(0);
  });

  test('a declared size over the budget is 503 with Retry-After before a byte of the body is sent', async () => {
    const receiver = await startReceiver();
    const holding = await rawConnection(receiver.port);
    holding.write(raw('/api/v1/write', withLength(MAX_BODY_BYTES), Buffer.from('x')));
    await until(() => receiver.budget.usedBytes === MAX_BODY_BYTES, 'the first is reserved');
    const socket = await rawConnection(receiver.port);
    socket.write(raw('/api/v1/write', withLength(MAX_BODY_BYTES), Buffer.alloc(0)));
    const answer = await readAnswer(socket);
    expect(answer.status).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.body).toContain('limits.max_inflight_bytes');
    holding.destroy();
    await until(() => receiver.budget.usedBytes === 0, 'the reservation is given back');
  });
});

describe('bodies', () => {
  test('a chunked body is read as any other', async () => {
    const receiver = await startReceiver();
    const answer = await send(receiver.port, '/api/v1/write', BODY, { ...HEADERS, 'transfer-encoding': 'chunked' });
    expect(answer.status).toBe(204);
    expect(receiver.submitted[0]?.parcel.body.equals(BODY)).toBe(true);
  });

  test('a chunked body over the limit is 413, and gives back what it had reserved', async () => {
    const receiver = await startReceiver();
    const socket = await rawConnection(receiver.port);
    const chunk = Buffer.concat([Buffer.from('4e20\r\n'), Buffer.alloc(20_000), Buffer.from('\r\n')]);
    socket.write(raw('/api/v1/write', [...TYPES, 'Transfer-Encoding: chunked'], Buffer.concat(Array(6).fill(chunk))));
    const answer = await readAnswer(socket);
    expect(answer.status).toBe(413);
    socket.destroy();
    await until(() => receiver.budget.usedBytes === 0, 'the reservation is given back');
  });

  test('a chunked body over the budget is 503', async () => {
    const receiver = await startReceiver({ maxInflightBytes: 30_000 });
    const socket = await rawConnection(receiver.port);
    const chunk = Buffer.concat([Buffer.from('4e20\r\n'), Buffer.alloc(20_000), Buffer.from('\r\n')]);
    socket.write(raw('/api/v1/write', [...TYPES, 'Transfer-Encoding: chunked'], Buffer.concat([chunk, chunk])));
    const answer = await readAnswer(socket);
    expect(answer.status).toBe(503);
    socket.destroy();
    await until(() => receiver.budget.usedBytes === 0, 'the reservation is given back');
  });

  test.each([
    ['413', '/api/v1/write', 413, []],
    ['413 on a connection that it wants closed', '/api/v1/write', 413, ['Connection: close']],
    ['404', '/api/v1/query', 404, []],
    ['503', '/api/v1/write/nobody', 503, []],
  ])('a sender that writes its whole body before it reads still gets its %s', async (_what, path, status, more) => {
    const receiver = await startReceiver();
    const socket = await rawConnection(receiver.port);
    socket.pause();
    const failures: Error[] = [];
    socket.on('error', (error) => failures.push(error));
    const body = Buffer.alloc(8_000_000);
    await new Promise<void>((resolve) => {
      socket.write(raw(path, [...withLength(body.length), ...more], body), () => resolve());
      socket.once('close', () => resolve());
    });
    expect(failures).toEqual([]);
    socket.resume();
    expect((await readAnswer(socket)).status).toBe(status);
  });

  test('a body in many small pieces is put together', async () => {
    const receiver = await startReceiver();
    const socket = await rawConnection(receiver.port);
    socket.setNoDelay(true);
    socket.write(raw('/api/v1/write', [...withLength(BODY.length), 'Connection: close'], Buffer.alloc(0)));
    for (const byte of BODY) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect((await readAnswer(socket)).status).toBe(204);
    expect(receiver.submitted[0]?.parcel.body.equals(BODY)).toBe(true);
  });

  test.each([
    ['no snappy', Buffer.from('hello, world')],
    ['an empty body', Buffer.alloc(0)],
    ['a bomb of 7 bytes that claims 256 MiB', Buffer.from([0x80, 0x80, 0x80, 0x80, 0x01, 0x00, 0x61])],
  ])('%s is 400 with a message that names the byte', async (_what, body) => {
    const receiver = await startReceiver();
    const answer = await send(receiver.port, '/api/v1/write', body, { ...HEADERS, 'content-length': body.length });
    expect(answer.status).toBe(400);
    expect(answer.body).toMatch(/byte \d+/);
    expect(receiver.submitted).toHaveLength(0);
    await until(() => receiver.budget.usedBytes === 0, 'the reservation is given back');
  });

  test('an empty WriteRequest is valid', async () => {
    const receiver = await startReceiver();
    expect((await send(receiver.port, '/api/v1/write', EMPTY)).status).toBe(204);
    expect(receiver.submitted[0]?.parcel.sampleCount).toBe(0);
  });

  test('the parcel knows what is in the body', async () => {
    const receiver = await startReceiver();
    await send(receiver.port, '/api/v1/write', BODY);
    expect(receiver.submitted[0]?.parcel).toMatchObject({
      series: 1,
      samples: 2,
      sampleCount: 2,
      maxTimestampMs: 2000,
    });
    expect(receiver.ledgerMetrics).toMatchObject({ received: 2, delivered: 2, pending: 0 });
  });
});

describe('answers', () => {
  test('the answer waits for the outcome', async () => {
    const held: Parcel[] = [];
    const receiver = await startReceiver({ submit: (parcel) => held.push(parcel) });
    let answered = false;
    const answer = send(receiver.port, '/api/v1/write', BODY).then((result) => {
      answered = true;
      return result;
    });
    await until(() => held.length === 1, 'the parcel is submitted');
    await new Promise((resolve) => {
      setTimeout(resolve, 30);
    });
    expect(answered).toBe(false);
    expect(receiver.budget.usedBytes).toBe(4096); // what any request counts at least
    held[0]?.trySettle(DELIVERED);
    expect((await answer).status).toBe(204);
    await until(() => receiver.budget.usedBytes === 0, 'the reservation is given back');
  });

  test('a rejection is told with the message of the upstream', async () => {
    const receiver = await startReceiver({
      submit: (parcel) =>
        parcel.trySettle({ kind: 'rejected', status: 400, reason: 'out_of_order', message: 'out of order' }),
    });
    const answer = await send(receiver.port, '/api/v1/write', BODY);
    expect([answer.status, answer.body]).toEqual([400, 'out of order\n']);
    expect(answer.headers['retry-after']).toBeUndefined();
  });

  test('a refusal is 503 with Retry-After', async () => {
    const receiver = await startReceiver({
      submit: (parcel) => parcel.trySettle({ kind: 'refused', reason: 'queue_full', message: 'full' }),
    });
    const answer = await send(receiver.port, '/api/v1/write', BODY);
    expect([answer.status, answer.body]).toEqual([503, 'full\n']);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  });

  test(
    'an internal error is answered with 503, is logged, and leaves nothing pending',
    { timeout: stretched(2000) },
    async () => {
      const receiver = await startReceiver({
        submit: () => {
          throw new Error('a bug');
        },
      });
      const answer = await send(receiver.port, '/api/v1/write', BODY);
      expect(answer.status).toBe(503);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect(receiver.faults).toHaveLength(1);
      await until(() => receiver.budget.usedBytes === 0, 'the reservation is given back');
      expect(receiver.ledgerMetrics.pending).toBe(0);
    },
  );

  test('requests are counted by route and status', async () => {
    const receiver = await startReceiver();
    await send(receiver.port, '/api/v1/write', BODY);
    await send(receiver.port, '/api/v1/write/second', BODY, { ...HEADERS, 'content-encoding': 'gzip' });
    const exposition = new Exposition(await receiver.metrics.registry.metrics());
    const counted = exposition.samples.filter(({ name }) => name === 'amp_write_proxy_requests_total');
    expect(counted.map(({ labels, value }) => [labels['route'], labels['code'], value])).toEqual([
      ['first', '204', 1],
      ['second', '415', 1],
    ]);
  });

  test('a connection serves one request after another, whatever was answered before', async () => {
    const receiver = await startReceiver();
    const socket = await rawConnection(receiver.port);
    const request = raw('/api/v1/write', withLength(BODY.length), BODY);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    for (let count = 1; count <= 3; count += 1) {
      socket.write(request);
      await until(() => text.split('HTTP/1.1 204').length - 1 === count, `answer ${count}`);
    }
    expect(receiver.submitted).toHaveLength(3);
    socket.destroy();
  });

  test('pipelined requests are answered in their order', async () => {
    const held: Parcel[] = [];
    const receiver = await startReceiver({ submit: (parcel) => held.push(parcel) });
    const socket = await rawConnection(receiver.port);
    const request = raw('/api/v1/write', withLength(BODY.length), BODY);
    const last = raw('/api/v1/write', [...withLength(BODY.length), 'Connection: close'], BODY);
    const text = readUntilClose(socket);
    socket.write(Buffer.concat([request, last]));
    await until(() => held.length === 2, 'both are submitted');
    held[1]?.trySettle({ kind: 'rejected', status: 400, reason: 'other', message: 'second' });
    held[0]?.trySettle(DELIVERED);
    expect((await text).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 204', 'HTTP/1.1 400']);
    await until(() => receiver.budget.usedBytes === 0, 'the reservations are given back');
  });
});

describe('senders that go away', () => {
  test('in the middle of the body: the reservation is given back and nothing is submitted', async () => {
    const receiver = await startReceiver();
    const socket = await rawConnection(receiver.port);
    socket.write(raw('/api/v1/write', withLength(50_000), Buffer.alloc(10_000)));
    await until(() => receiver.budget.usedBytes === 50_000, 'it is reserved');
    socket.destroy();
    await until(() => receiver.budget.usedBytes === 0, 'the reservation is given back');
    expect(receiver.submitted).toHaveLength(0);
    expect(receiver.faults).toEqual([]);
  });

  test('in the middle of a chunked body: as well', async () => {
    const receiver = await startReceiver();
    const socket = await rawConnection(receiver.port);
    socket.write(raw('/api/v1/write', [...TYPES, 'Transfer-Encoding: chunked'], Buffer.from('5\r\nabcde\r\n')));
    await until(() => receiver.budget.usedBytes > 0, 'it is reserved');
    socket.resetAndDestroy();
    await until(() => receiver.budget.usedBytes === 0, 'the reservation is given back');
    expect(receiver.submitted).toHaveLength(0);
  });

  test('while they wait: the parcel is settled as gone, and the bytes given back', async () => {
    const receiver = await startReceiver({ submit: () => {} });
    const socket = await rawConnection(receiver.port);
    socket.write(raw('/api/v1/write', withLength(BODY.length), BODY));
    await until(() => receiver.submitted.length === 1, 'it is submitted');
    socket.destroy();
    const parcel = receiver.submitted[0]?.parcel;
    await until(() => parcel?.settled === true, 'it is settled');
    expect(parcel?.outcome).toMatchObject({ kind: 'refused', reason: 'sender_gone' });
    expect(receiver.budget.usedBytes).toBe(0);
  });

  test('with several pipelined requests: every one is settled and given back', async () => {
    const receiver = await startReceiver({ submit: () => {} });
    const socket = await rawConnection(receiver.port);
    socket.write(Buffer.concat(Array(5).fill(raw('/api/v1/write', withLength(BODY.length), BODY))));
    await until(() => receiver.submitted.length === 5, 'all are submitted');
    socket.destroy();
    await until(() => receiver.submitted.every(({ parcel }) => parcel.settled), 'all are settled');
    expect(receiver.budget.usedBytes).toBe(0);
  });
});

describe('limits on what is not a body', () => {
  test('requests of hardly any bytes are held only so many at a time', async () => {
    const receiver = await startReceiver({ submit: () => {} });
    const socket = await rawConnection(receiver.port);
    socket.resume();
    const count = 2_000;
    socket.write(Buffer.concat(Array(count).fill(raw('/api/v1/write', withLength(EMPTY.length), EMPTY))));
    // Each takes some KB of this process until it is answered, which the byte budget of 150 kB must not leave out.
    await until(() => receiver.submitted.length === count || socket.closed, 'all are in, or refused', 600).catch(
      () => {},
    );
    expect(receiver.submitted.length).toBeLessThan(count);
  });
});

describe('connections', () => {
  test('a connection older than max_connection_age is closed after its answer', async () => {
    const receiver = await startReceiver({ maxConnectionAgeMs: 30 });
    const socket = await rawConnection(receiver.port);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    const request = raw('/api/v1/write', withLength(BODY.length), BODY);
    socket.write(request);
    await until(() => text.includes('204'), 'the first answer');
    expect(text.toLowerCase()).toContain('connection: keep-alive');
    await new Promise((resolve) => {
      setTimeout(resolve, 60);
    });
    text = '';
    socket.write(request);
    await until(() => socket.closed, 'the connection is closed');
    expect(text.toLowerCase()).toContain('connection: close');
    expect(text).toContain('204');
  });

  test('every answer closes its connection while the proxy drains', async () => {
    const receiver = await startReceiver();
    receiver.route.drain();
    const answer = await send(receiver.port, '/api/v1/write', BODY, { ...HEADERS, connection: 'keep-alive' });
    expect([answer.status, answer.headers['connection']]).toEqual([204, 'close']);
  });

  test('a drain ends as soon as all open requests are answered', async () => {
    const held: Parcel[] = [];
    const receiver = await startReceiver({ submit: (parcel) => held.push(parcel) });
    const socket = await rawConnection(receiver.port);
    socket.resume();
    socket.write(raw('/api/v1/write', withLength(BODY.length), BODY));
    await until(() => held.length === 1, 'it is submitted');
    receiver.route.drain();
    let closed = false;
    const close = async (): Promise<void> => {
      await receiver.close();
      closed = true;
    };
    const closing = close();
    // The server has stopped listening and closed idle connections by now.
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
    held[0]?.trySettle(DELIVERED);
    // The connection is idle now; its sender may leave it so for minutes.
    await until(() => closed, 'the server is closed', 1500).finally(() => socket.destroy());
    await closing;
    expect(receiver.budget.usedBytes).toBe(0);
  });
});
