/** P5: hostile input is refused in bounded time and memory, while others are served. */
import { expect, test } from 'vitest';
import { sleep } from '../support/processes.ts';
import { head, RawConnection, type RawAnswer } from '../support/raw-socket.ts';
import { compress, encodeBody } from '../support/sandbox-request.ts';
import { expectPromisesKept, residentBytes, startScene } from '../support/scene.ts';
import { postBody } from '../support/sending.ts';

const SERIES = Array.from({ length: 50 }, (_, index) => ({
  labels: { __name__: 'hostile_total', index: String(index) },
  samples: [[1, index] as const],
}));
const GOOD = encodeBody(SERIES);
const LIMITS = { max_body_bytes: '200KB', max_decoded_bytes: '1MB', max_inflight_bytes: '8MB' };

/** The possible answers to a body: refused for good, or accepted if a flip leaves it valid. */
const FOR_A_BODY = [204, 400, 413];

test('answers bombs, truncations and byte flips with 4xx, and none of them reaches a batch of others', async () => {
  const scene = await startScene({ proxy: { limits: LIMITS } });
  scene.load();
  await scene.answers(3);
  const residentBefore = await residentBytes(scene.proxy);
  const bodies: Buffer[] = [
    // Declares 256 MiB, 4 GiB - 1 and more than 32 bits.
    Buffer.from([0x80, 0x80, 0x80, 0x80, 0x01, 0xfe, 0x01]),
    Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x61]),
    Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x00]),
    Buffer.alloc(0),
    Buffer.alloc(150_000, 0xff),
    // Zeros compress best: 1 MB and a byte, and just under it.
    compress(Buffer.alloc(1_000_001)),
    compress(Buffer.alloc(990_000)),
    compress(deeplyNested(20_000)),
    // A label whose length is beyond the body.
    compress(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07, 0x0a])),
    ...Array.from({ length: 40 }, (_, index) => GOOD.subarray(0, Math.floor((GOOD.length * index) / 40))),
  ];
  for (const body of bodies) {
    const { status, text } = await postBody(scene.proxy.writeUrl, body);
    expect([400, 413], `${body.length} bytes ${body.subarray(0, 12).toString('hex')}: ${text}`).toContain(status);
  }
  for (let at = 0; at < 150; at += 1) {
    const flipped = Buffer.from(GOOD);
    const byte = (at * 7) % flipped.length;
    flipped[byte] = (flipped[byte] ?? 0) ^ (1 << (at % 8));
    const { status, text } = await postBody(scene.proxy.writeUrl, flipped);
    expect(FOR_A_BODY, `bit ${at % 8} of byte ${byte}: ${text}`).toContain(status);
  }
  expect((await residentBytes(scene.proxy)) - residentBefore).toBeLessThan(100 * 1024 * 1024);
  await expectPromisesKept(scene, [], { withoutLedger: true, withStrangers: true });
  expect(new Set(scene.senders.flatMap(({ statuses }) => statuses))).toEqual(new Set([204]));
});

const RAW: readonly {
  readonly name: string;
  readonly send: (connection: RawConnection) => void | Promise<void>;
  readonly expected: readonly number[];
  readonly withinMs: number;
}[] = [
  {
    name: 'both Content-Length and Transfer-Encoding',
    send: (connection) =>
      connection.write(`${head({ 'content-length': '4', 'transfer-encoding': 'chunked' })}0\r\n\r\n`),
    expected: [400],
    withinMs: 3_000,
  },
  {
    name: 'two Content-Lengths',
    send: (connection) => connection.write(head({ 'content-length': '4', 'Content-Length': '5' })),
    expected: [400],
    withinMs: 3_000,
  },
  {
    name: 'a negative Content-Length',
    send: (connection) => connection.write(head({ 'content-length': '-1' })),
    expected: [400],
    withinMs: 3_000,
  },
  {
    name: 'an endless chunked body',
    send: async (connection) => {
      connection.write(head({ 'transfer-encoding': 'chunked' }));
      const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
      for (let sent = 0; sent < 400 && !connection.closed; sent += 1) {
        connection.write(chunk);
        await sleep(5);
      }
    },
    expected: [413],
    withinMs: 8_000,
  },
  {
    name: 'a declared body beyond max_body_bytes',
    send: (connection) => connection.write(head({ 'content-length': '9000000000' })),
    expected: [413],
    withinMs: 5_000,
  },
  {
    name: 'headers without end',
    send: async (connection) => {
      connection.write('POST /api/v1/write HTTP/1.1\r\nhost: proxy\r\n');
      for (let sent = 0; sent < 100 && !connection.closed; sent += 1) {
        connection.write(`x-${sent}: ${'y'.repeat(1000)}\r\n`);
        await sleep(1);
      }
    },
    expected: [431],
    withinMs: 5_000,
  },
  {
    name: 'what is not HTTP',
    send: (connection) => connection.write('\u0016\u0003\u0001\u0002\u0000\u0001\u0000\r\n\r\n'),
    expected: [400],
    withinMs: 3_000,
  },
  {
    name: 'a head that never ends, slowly',
    send: async (connection) => connection.drip(Buffer.from(head({}).slice(0, -2).repeat(2)), 200),
    expected: [400, 408],
    withinMs: 16_000,
  },
];

test('cuts off every sender that does not speak HTTP as it should, in bounded time', async () => {
  const scene = await startScene({ proxy: { limits: LIMITS } });
  scene.load();
  await Promise.all(
    RAW.map(async ({ name, send, expected, withinMs }) => {
      const connection = new RawConnection(scene.proxy.url, '127.0.0.77');
      void send(connection);
      const answer: RawAnswer = await connection.ended(withinMs);
      expect(connection.closed, `${name}: still open after ${withinMs} ms; ${answer.text}`).toBe(true);
      expect(expected, `${name}: ${answer.text}`).toContain(answer.status);
    }),
  );
  await expectPromisesKept(scene);
  expect(new Set(scene.senders.flatMap(({ statuses }) => statuses))).toEqual(new Set([204]));
});

test('nothing of what a sender adds to its request reaches the upstream', async () => {
  const scene = await startScene();
  const answer = await postBody(`${scene.proxy.writeUrl}?match=everything#here`, GOOD, {
    headers: {
      host: 'aps-workspaces.us-east-1.amazonaws.com',
      authorization: 'Bearer of-the-sender',
      'x-amz-date': '20200101T000000Z',
      'x-amz-security-token': 'of-the-sender',
      'x-scope-orgid': 'other-tenant',
      cookie: 'a=b',
      'x-forwarded-host': 'elsewhere.example',
    },
  });
  expect(answer.status).toBe(204);
  const [request] = await scene.client.requests();
  expect(request?.path).toBe(new URL(scene.sandbox.remoteWriteUrl).pathname);
  expect(Object.keys(request?.headers ?? {}).toSorted()).toEqual(
    [
      'authorization',
      'connection',
      'content-encoding',
      'content-length',
      'content-type',
      'host',
      'x-amz-content-sha256',
      'x-amz-date',
      'x-prometheus-remote-write-version',
    ].toSorted(),
  );
  expect(request?.headers['host']).toBe(new URL(scene.sandbox.remoteWriteUrl).host);
});

test('serves senders while two thousand connections stand idle or half open', async () => {
  const scene = await startScene();
  const idle = Array.from({ length: 2_000 }, (_, index) => {
    const connection = new RawConnection(scene.proxy.url, `127.0.1.${1 + (index % 200)}`);
    if (index % 2 === 0) connection.write(head({ 'content-length': '10' }));
    return connection;
  });
  scene.load();
  await scene.answers(5);
  const metrics = await scene.proxy.metrics();
  expect(metrics.sum('amp_write_proxy_inflight_bytes')).toBeGreaterThan(0);
  await expectPromisesKept(scene);
  expect(new Set(scene.senders.flatMap(({ statuses }) => statuses))).toEqual(new Set([204]));
  for (const connection of idle) connection.close();
});

function deeplyNested(depth: number): Buffer {
  let message = Buffer.from([0x08, 0x01]);
  for (let level = 0; level < depth && message.length < 900_000; level += 1) {
    message = Buffer.concat([Buffer.from([0x0a, ...varint(message.length)]), message]);
  }
  return message;
}

function varint(value: number): number[] {
  const bytes = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}
