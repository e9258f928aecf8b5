/** Connections on their way from the fast path to Node's HTTP server, and how they are counted. */
import { connect, type Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { once } from 'node:events';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Parcel } from '../../../../src/parcel/parcel.ts';
import { DELIVERED } from '../../../../src/outcome/outcome.ts';
import { bodyOf, chunkedRequest, connectSender } from '../../../support/lane-sender.ts';
import { until } from '../../../support/loopback.ts';
import { rawRequest, startReceiver } from '../../../support/receiving.ts';

const BODY = bodyOf('one');
const ORDINARY = rawRequest(BODY);
const CHUNKED = chunkedRequest(BODY);

describe('a connection that is handed over', () => {
  test.each<[string, Buffer]>([
    ['in the middle of a head', ORDINARY.subarray(0, 100)],
    ['for a chunked body', CHUNKED],
    ['for another route', rawRequest(BODY, [], '/api/v1/write/second?')],
  ])('%s, after some requests in the fastPath, loses and doubles nothing', async (_what, request) => {
    const held: Parcel[] = [];
    const receiver = await startReceiver({ submit: (parcel) => held.push(parcel) });
    const { socket, statuses } = await connectSender(receiver.port);
    for (let index = 0; index < 3; index += 1) {
      socket.write(rawRequest(bodyOf(`before${index}`)));
      await until(() => held.length === index + 1, 'it is submitted');
      held[index]?.trySettle(DELIVERED);
      await statuses(index + 1);
    }
    expect(receiver.fastPath.fastPathConnections).toBe(1);
    socket.write(request);
    await until(() => receiver.fastPath.fastPathConnections === 0, 'it is handed over');
    if (request.length === 100) socket.write(ORDINARY.subarray(100));
    for (let index = 3; index < 6; index += 1) {
      await until(() => held.length === index + 1, 'it is submitted');
      held[index]?.trySettle(DELIVERED);
      await statuses(index + 1);
      if (index < 5) socket.write(rawRequest(bodyOf(`after${index}`)));
    }
    expect(await statuses(6)).toEqual(Array(6).fill(204));
    const expected = [...[0, 1, 2].map((index) => bodyOf(`before${index}`)), BODY, bodyOf('after3'), bodyOf('after4')];
    expect(held.map(({ body }) => body)).toEqual(expected);
    expect([...receiver.route.senders()]).toMatchObject([{ connections: 1, requests: 6, address: '127.0.0.1' }]);
    socket.destroy();
    await until(() => [...receiver.route.senders()].length === 0, 'the sender is forgotten');
    expect(await receiver.connections()).toBe(0);
  });

  test('reads a large chunked body whole', async () => {
    const receiver = await startReceiver({ maxInflightBytes: 10_000_000 });
    const { socket, statuses } = await connectSender(receiver.port);
    socket.cork();
    const body = bodyOf('large', 90_000);
    const other = await connectSender(receiver.port);
    socket.write(chunkedRequest(undefined, ['Connection: close']));
    for (let at = 0; at < body.length; at += 10_000) {
      const piece = body.subarray(at, at + 10_000);
      socket.write(`${piece.length.toString(16)}\r\n`);
      socket.write(piece);
      socket.write('\r\n');
      socket.uncork();
      await until(() => receiver.budget.usedBytes > at, 'it is read');
      // Into the buffer that the first piece was read into, before it was known to be Node's.
      other.socket.write(rawRequest(Buffer.alloc(20_000, 'x')));
      await other.statuses(at / 10_000 + 1);
    }
    socket.write('0\r\n\r\n');
    expect(await statuses(1)).toEqual([204]);
    expect(receiver.submitted[0]?.parcel.body.equals(body)).toBe(true);
  });

  test('is kept as long between two requests as one of the fast path', async () => {
    const { fastPath } = await startReceiver();
    // Prometheus closes an idle connection after 5 minutes; it is to be the first to do so.
    expect(fastPath.keepAliveTimeout).toBeGreaterThan(5 * 60_000);
    expect(fastPath.requestTimeout).toBe(30_000);
  });
});

describe('connections', () => {
  test('are counted while they last, whoever has them, and no more than are allowed are taken', async () => {
    const receiver = await startReceiver();
    receiver.fastPath.maxConnections = 3;
    const [idle, used, handed] = await Promise.all(Array.from({ length: 3 }, async () => connectSender(receiver.port)));
    used?.socket.write(ORDINARY);
    handed?.socket.write(CHUNKED);
    await Promise.all([used?.statuses(1), handed?.statuses(1)]);
    await until(() => receiver.fastPath.fastPathConnections === 2, 'one is handed over');
    expect(await receiver.connections()).toBe(3);
    for (const sender of [handed, used, idle]) {
      const tooMany = connect(receiver.port, '127.0.0.1').on('error', () => {});
      await until(() => tooMany.closed, 'a fourth is turned away');
      sender?.socket.destroy();
      await vi.waitFor(async () => expect(await receiver.connections()).toBe(2));
      const next = await connectSender(receiver.port);
      next.socket.write(ORDINARY);
      expect(await next.statuses(1)).toEqual([204]);
    }
    expect(await receiver.connections()).toBe(3);
  });

  test('without a handle of the operating system are left to Node', async () => {
    const receiver = await startReceiver();
    const [here, there] = duplexPair();
    let text = '';
    here.on('data', (chunk: Buffer) => (text += chunk.toString()));
    receiver.fastPath.emit('connection', there);
    here.write(ORDINARY);
    here.write(rawRequest(bodyOf('two'), ['Connection: close']));
    await until(() => receiver.submitted.length === 2 && text.match(/204/g)?.length === 2, 'two answers');
    expect(receiver.fastPath.fastPathConnections).toBe(0);
    expect(receiver.submitted.map(({ parcel }) => parcel.body)).toEqual([BODY, bodyOf('two')]);
  });

  test('on Windows, where their reads could not share a buffer, are left to Node', async () => {
    const receiver = await startReceiver();
    const platform = vi.spyOn(process, 'platform', 'get').mockReturnValue('win32');
    onTestFinished(() => platform.mockRestore());
    const { socket, statuses } = await connectSender(receiver.port);
    socket.write(ORDINARY);
    expect(await statuses(1)).toEqual([204]);
    expect([receiver.fastPath.fastPathConnections, await receiver.connections()]).toEqual([0, 1]);
    socket.destroy();
    await vi.waitFor(async () => expect(await receiver.connections()).toBe(0));
  });

  test('over IPv6 have their address, also when they have been handed over', async () => {
    const receiver = await startReceiver({ host: '::1', submit: () => {} });
    const sender = connect(receiver.port, '::1').on('error', () => {});
    onTestFinished(() => void sender.destroy());
    await once(sender, 'connect');
    const other: Socket = connect(receiver.port, '::1').on('error', () => {});
    onTestFinished(() => void other.destroy());
    sender.write(ORDINARY);
    other.write(CHUNKED);
    await until(() => receiver.submitted.length === 2, 'both are submitted');
    expect(receiver.submitted.map(({ parcel }) => parcel.sender)).toEqual(['::1', '::1']);
    expect([...receiver.route.senders()]).toMatchObject([{ address: '::1', connections: 2 }]);
    sender.resetAndDestroy();
    await until(() => receiver.submitted.some(({ parcel }) => parcel.settled), 'one has gone');
    expect([...receiver.route.senders()]).toMatchObject([{ address: '::1', connections: 1 }]);
  });
});
