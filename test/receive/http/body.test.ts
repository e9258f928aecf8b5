/** The bytes that a request holds while its body arrives, and their release however the request ends. */
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { rawConnection, readAnswer, until } from '../../support/loopback.ts';
import { encodeBody } from '../../support/parcels.ts';
import { rawRequest, SERIES, startReceiver, type Receiver } from '../../support/receiving.ts';

const BODY = encodeBody(SERIES);
/** The cost of any request, and the smallest memory of the pool. */
const LEAST_BYTES = 4096;
const CHUNKED = ['Transfer-Encoding: chunked'];

const chunk = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

test('a chunked body without a byte holds what the smallest request does, and its bytes are none', async () => {
  const receiver = await startReceiver();
  const socket = await rawConnection(receiver.port);
  socket.write(rawRequest(Buffer.alloc(0), CHUNKED));
  await until(() => receiver.budget.usedBytes > 0, 'its head is read');
  expect(receiver.budget.usedBytes).toBe(LEAST_BYTES);
  socket.write(LAST_CHUNK);
  const answer = await readAnswer(socket);
  expect(answer.status).toBe(400);
  expect(answer.body).toContain('no valid decoded length at byte 0');
  expect(receiver.submitted).toEqual([]);
  await until(() => receiver.budget.usedBytes === 0, 'it is given back');
  expect(receiver.pool.idleBytes).toBe(LEAST_BYTES);
  socket.destroy();
});

test('a chunked body holds its bytes on top of what the smallest request does, for as long as it waits', async () => {
  const receiver = await startReceiver({ submit: () => {} });
  const socket = await rawConnection(receiver.port);
  socket.write(rawRequest(Buffer.concat([chunk(BODY), LAST_CHUNK]), CHUNKED));
  await until(() => receiver.submitted.length === 1, 'it waits');
  expect(receiver.budget.usedBytes).toBe(LEAST_BYTES + BODY.length);
  socket.destroy();
  await until(() => receiver.budget.usedBytes === 0, 'it is given back');
});

interface End {
  readonly request: Buffer;
  readonly status: number | undefined;
}

const GARBAGE = Buffer.from('this is not snappy');
/** 40 of 50 bytes: its sender breaks off when all of it was sent. */
const CUT = rawRequest(Buffer.alloc(40), ['Content-Length: 50']);

describe('the memory of a body is lent again', () => {
  test.each<[string, End]>([
    ['that is no request', { request: rawRequest(GARBAGE), status: 400 }],
    ['that is chunked and no request', { request: rawRequest(chunked(GARBAGE), CHUNKED), status: 400 }],
    ['whose sender breaks off', { request: CUT, status: undefined }],
    ["that comes through Node's server and breaks off", { request: throughNode(CUT), status: undefined }],
    ["that comes through Node's server and is no request", { request: throughNode(rawRequest(GARBAGE)), status: 400 }],
  ])('%s', async (_what, { request, status }) => {
    const receiver = await startReceiver();
    const socket = await rawConnection(receiver.port);
    socket.write(request);
    expect(await (status === undefined ? breakOff(receiver, socket) : statusOf(socket))).toBe(status);
    await until(() => receiver.budget.usedBytes === 0, 'it is given back');
    await until(() => receiver.pool.idleBytes === LEAST_BYTES, 'its memory is lent again');
    socket.destroy();
  });
});

async function statusOf(socket: Socket): Promise<number> {
  const { status } = await readAnswer(socket);
  return status;
}

async function breakOff({ budget }: Receiver, socket: Socket): Promise<undefined> {
  await until(() => budget.usedBytes > 0, 'its head is read');
  socket.resetAndDestroy();
}

function chunked(body: Buffer): Buffer {
  return Buffer.concat([chunk(body), LAST_CHUNK]);
}

/** The fast path leaves to Node's server what is to be the last of its connection. */
function throughNode(request: Buffer): Buffer {
  return Buffer.from(request.toString('latin1').replace('\r\n', '\r\nConnection: close\r\n'), 'latin1');
}
