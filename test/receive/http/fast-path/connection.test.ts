/**
 * The fast path's handling of a connection's bytes: bodies in pieces, bytes that come too early, answers before the
 * body.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Parcel } from '../../../../src/parcel/parcel.ts';
import { DELIVERED } from '../../../../src/outcome/outcome.ts';
import { bodyOf, connectSender } from '../../../support/lane-sender.ts';
import { readUntilClose, until } from '../../../support/loopback.ts';
import { MAX_BODY_BYTES, rawRequest, startReceiver, type Receiver } from '../../../support/receiving.ts';
import { sleep } from '../../../support/processes.ts';
import { wireBody, WIRE_NAMES } from '../../../support/wire-fixtures.ts';

const MIB = 1024 * 1024;

const bodies = (receiver: Receiver): Buffer[] => receiver.submitted.map(({ parcel }) => parcel.body);

/** Has the fast path read something else into the buffer that all its connections share. */
async function overwriteBuffer(receiver: Receiver): Promise<void> {
  const other = await connectSender(receiver.port);
  other.socket.write(rawRequest(Buffer.alloc(20_000, 'x'), ['Content-Encoding: none'], '/api/v1/write/bare'));
  expect(await other.statuses(1)).toEqual([415]);
  other.socket.destroy();
  await turn();
}

async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

describe('requests as senders write them', () => {
  test.each(WIRE_NAMES.filter((name) => name.includes('rw1')))('%s stays in the fast path', async (name) => {
    const receiver = await startReceiver({ maxInflightBytes: 10 * MIB });
    const sender = await connectSender(receiver.port);
    const captured: unknown = JSON.parse(
      readFileSync(new URL(`../../../fixtures/wire/${name}.headers.json`, import.meta.url), 'utf8'),
    );
    const lines = headersOf(captured).map(([header, value]) => `${header}: ${String(value)}`);
    const request = Buffer.concat([
      Buffer.from(`POST /api/v1/write HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`),
      wireBody(name),
    ]);
    for (let count = 1; count <= 3; count += 1) {
      sender.socket.write(request);
      expect(await sender.statuses(count)).toHaveLength(count);
    }
    expect(await sender.statuses(3)).toEqual([204, 204, 204]);
    // If a Node no longer lets a socket be created around another's handle, this test says so.
    expect(receiver.fastPath.fastPathConnections).toBe(1);
    expect(bodies(receiver).every((body) => body.equals(wireBody(name)))).toBe(true);
  });

  test('of several senders at once, in pieces, come to their parcels unmixed', async () => {
    const receiver = await startReceiver({ maxInflightBytes: 10 * MIB, submit: () => {} });
    const sent = Array.from({ length: 8 }, (_, index) => bodyOf(`sender${index}`, 90_000));
    expect(Math.max(...sent.map((body) => body.length))).toBeLessThan(MAX_BODY_BYTES);
    await Promise.all(
      sent.map(async (body, index) => {
        const { socket } = await connectSender(receiver.port);
        const request = rawRequest(body);
        // The head whole, the rest in pieces of other sizes for each.
        let at = 300;
        socket.write(request.subarray(0, at));
        for (let piece = 0; at < request.length; piece += 1) {
          const bytes = 1 + ((piece * 977 + index * 3571) % 9_000);
          await turn();
          socket.write(request.subarray(at, at + bytes));
          at += bytes;
        }
      }),
    );
    await until(() => receiver.submitted.length === sent.length, 'all are submitted');
    const came = bodies(receiver).map((body) => body.toString('hex'));
    expect(came.toSorted()).toEqual(sent.map((body) => body.toString('hex')).toSorted());
    expect(receiver.fastPath.fastPathConnections).toBe(sent.length);
  });

  test('cut in two at any byte come whole, in the fast path or past it', async () => {
    const receiver = await startReceiver();
    const body = bodyOf('cut');
    const request = rawRequest(body);
    const headBytes = request.length - body.length;
    for (let at = 1; at < request.length; at += 1) {
      const sender = await connectSender(receiver.port);
      sender.socket.write(request.subarray(0, at));
      const read = (): boolean =>
        at < headBytes ? receiver.fastPath.fastPathConnections === 0 : receiver.budget.usedBytes > 0;
      await until(read, `the first ${at} bytes are read`);
      sender.socket.write(request.subarray(at));
      expect(await sender.statuses(1), `cut at ${at}`).toEqual([204]);
      sender.socket.destroy();
      await until(() => receiver.fastPath.fastPathConnections === 0, 'the connection is forgotten');
    }
    expect(receiver.submitted).toHaveLength(request.length - 1);
    expect(bodies(receiver).every((each) => each.equals(body))).toBe(true);
  });

  test('two on one connection, byte for byte, come whole', async () => {
    const receiver = await startReceiver();
    const sender = await connectSender(receiver.port);
    for (const byte of Buffer.concat([rawRequest(bodyOf('one')), rawRequest(bodyOf('two'))])) {
      sender.socket.write(Buffer.from([byte]));
      await turn();
    }
    expect(await sender.statuses(2)).toEqual([204, 204]);
    expect(bodies(receiver)).toEqual([bodyOf('one'), bodyOf('two')]);
  });

  test('a hundred on one connection leave no listener behind', async () => {
    const receiver = await startReceiver();
    const sockets = new Set<Socket>();
    const tryHandle = receiver.fastPath.tryHandle.bind(receiver.fastPath);
    receiver.fastPath.tryHandle = (exchange, path) => {
      sockets.add(exchange.socket);
      return tryHandle(exchange, path);
    };
    const sender = await connectSender(receiver.port);
    const listeners = (): number[] =>
      [...sockets].flatMap((socket) => socket.eventNames().map((name) => socket.listenerCount(name)));
    let first: number[] = [];
    for (let count = 1; count <= 100; count += 1) {
      sender.socket.write(rawRequest(count % 2 === 0 ? Buffer.from('no snappy') : bodyOf('many')));
      await sender.statuses(count);
      if (count === 1) first = listeners();
    }
    expect(sockets.size).toBe(1);
    expect(listeners()).toEqual(first);
  });
});

describe('what comes while the answer is awaited', () => {
  test('a next request waits, and is answered in the fast path as the one before', async () => {
    const held: Parcel[] = [];
    const receiver = await startReceiver({ submit: (parcel) => held.push(parcel) });
    const sender = await connectSender(receiver.port);
    sender.socket.write(rawRequest(bodyOf('one')));
    await until(() => held.length === 1, 'the first is submitted');
    sender.socket.write(rawRequest(bodyOf('two')));
    await until(() => receiver.fastPath.keptBytes > 0, 'the second is kept');
    await overwriteBuffer(receiver);
    held[0]?.trySettle({ kind: 'rejected', status: 400, reason: 'other', message: 'first' });
    await until(() => held.length === 2, 'the second is submitted');
    expect(receiver.fastPath.keptBytes).toBe(0);
    held[1]?.trySettle(DELIVERED);
    expect(await sender.statuses(2)).toEqual([400, 204]);
    expect(receiver.fastPath.fastPathConnections).toBe(1);
    sender.socket.write(rawRequest(bodyOf('three')));
    await until(() => held.length === 3, 'the connection is read on');
    expect(held.map(({ body }) => body)).toEqual([bodyOf('one'), bodyOf('two'), bodyOf('three')]);
  });

  test.each([
    ['two requests', Buffer.concat([rawRequest(bodyOf('two')), rawRequest(bodyOf('three'))])],
    ['one and a half', Buffer.concat([rawRequest(bodyOf('two')), rawRequest(bodyOf('three')).subarray(0, 100)])],
    ['half of one', rawRequest(bodyOf('two')).subarray(0, 100)],
    ['one with half of its body', rawRequest(bodyOf('two')).subarray(0, -5)],
  ])('%s are read on as they were sent, whoever reads them', async (_what, early) => {
    const held: Parcel[] = [];
    const receiver = await startReceiver({ submit: (parcel) => held.push(parcel) });
    const sender = await connectSender(receiver.port);
    const all = Buffer.concat([rawRequest(bodyOf('two')), rawRequest(bodyOf('three')), rawRequest(bodyOf('four'))]);
    sender.socket.write(rawRequest(bodyOf('one')));
    await until(() => held.length === 1, 'the first is submitted');
    sender.socket.write(early);
    await until(() => receiver.fastPath.keptBytes === early.length, 'what is early is kept');
    // It is paused now: this stays with the operating system.
    sender.socket.write(all.subarray(early.length, -50));
    await overwriteBuffer(receiver);
    expect(receiver.fastPath.keptBytes).toBe(early.length);
    held[0]?.trySettle(DELIVERED);
    await until(() => receiver.fastPath.keptBytes !== early.length, 'it is used up');
    sender.socket.write(all.subarray(-50));
    for (let index = 1; index <= 3; index += 1) {
      await until(() => held.length > index, `request ${index + 1} is submitted`);
      held[index]?.trySettle(DELIVERED);
    }
    expect(await sender.statuses(4)).toEqual([204, 204, 204, 204]);
    expect(held.map(({ body }) => body)).toEqual(['one', 'two', 'three', 'four'].map((mark) => bodyOf(mark)));
  });

  test('is kept up to a bound for all connections; one that goes beyond it is closed', async () => {
    const receiver = await startReceiver({ submit: () => {} });
    const [first, second] = [await connectSender(receiver.port), await connectSender(receiver.port)];
    for (const { socket } of [first, second]) socket.write(rawRequest(bodyOf('one')));
    await until(() => receiver.submitted.length === 2, 'both are submitted');
    // Stands for bytes that other connections keep.
    expect(receiver.fastPath.tryKeep(64 * MIB - 100)).toBe(true);
    first.socket.write('x'.repeat(100));
    await until(() => receiver.fastPath.keptBytes === 64 * MIB, 'as much as may be is kept');
    second.socket.write('x');
    await until(() => second.socket.closed, 'the second is closed');
    expect(first.socket.closed).toBe(false);
    first.socket.destroy();
    receiver.submitted[0]?.parcel.trySettle(DELIVERED);
    await until(() => receiver.fastPath.fastPathConnections === 0, 'both are forgotten');
    expect(receiver.fastPath.keptBytes).toBe(64 * MIB - 100);
    await until(() => receiver.budget.usedBytes === 0, 'what they held is given back');
  });
});

const TOO_LARGE = rawRequest(Buffer.alloc(0), [`Content-Length: ${8 * MIB}`]);

describe('answers before the body', () => {
  test('come at once; the body is thrown away, and the connection is used again, then and later', async () => {
    const receiver = await startReceiver();
    const sender = await connectSender(receiver.port);
    for (let count = 1; count <= 2; count += 1) {
      sender.socket.write(TOO_LARGE);
      await sender.statuses(count);
      sender.socket.write(Buffer.alloc(8 * MIB));
    }
    sender.socket.write(rawRequest(bodyOf('next')));
    expect(await sender.statuses(3)).toEqual([413, 413, 204]);
    // Longer than a body is waited for.
    await sleep(2_300);
    sender.socket.write(rawRequest(bodyOf('later')));
    expect(await sender.statuses(4)).toEqual([413, 413, 204, 204]);
    expect(receiver.fastPath.fastPathConnections).toBe(1);
    expect(receiver.budget.usedBytes).toBe(0);
  });

  test('and the end of the connection: the body is read first, so that the sender sees no reset', async () => {
    const receiver = await startReceiver();
    receiver.route.drain();
    const sender = await connectSender(receiver.port);
    const failures: Error[] = [];
    sender.socket.on('error', (error) => failures.push(error));
    sender.socket.write(TOO_LARGE);
    sender.socket.write(Buffer.alloc(8 * MIB));
    await until(() => sender.socket.closed, 'the connection is closed');
    expect(failures).toEqual([]);
    expect(sender.text()).toMatch(/^HTTP\/1\.1 413[^]*^connection: close\r$/im);
  });

  test('a body that stops coming is waited for no longer than 2 s', async () => {
    const receiver = await startReceiver();
    const { socket } = await connectSender(receiver.port);
    const startedAtMs = performance.now();
    socket.write(TOO_LARGE);
    const drip = setInterval(() => socket.write('x'), 100);
    await readUntilClose(socket, 5_000);
    clearInterval(drip);
    expect(socket.closed).toBe(true);
    expect(performance.now() - startedAtMs).toBeGreaterThan(1_900);
    await until(() => receiver.fastPath.fastPathConnections === 0, 'the connection is forgotten');
  });

  test('no more than 64 MiB of a body are thrown away', async () => {
    const receiver = await startReceiver();
    const { socket } = await connectSender(receiver.port);
    socket.write(rawRequest(Buffer.alloc(0), [`Content-Length: ${1024 * MIB}`]));
    while (!socket.destroyed) {
      if (!socket.write(Buffer.alloc(MIB))) {
        await new Promise<void>((resolve) => {
          const go = (): void => {
            socket.off('drain', go).off('close', go);
            resolve();
          };
          socket.on('drain', go).on('close', go);
        });
      }
    }
    expect(socket.bytesWritten).toBeGreaterThan(60 * MIB);
    expect(socket.bytesWritten).toBeLessThan(128 * MIB);
  });
});

function headersOf(captured: unknown): [string, unknown][] {
  if (typeof captured !== 'object' || captured === null || !('headers' in captured)) throw new Error('no headers');
  return Object.entries(captured.headers ?? {});
}
