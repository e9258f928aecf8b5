/** The ends of fast-path connections, by either side and in every state, after which nothing is left of any. */
import { once } from 'node:events';
import { beforeEach, describe, expect, test } from 'vitest';
import { DELIVERED } from '../../../../src/outcome/outcome.ts';
import { bodyOf, connectSender, type LaneSender } from '../../../support/lane-sender.ts';
import { until } from '../../../support/loopback.ts';
import { sleep } from '../../../support/processes.ts';
import { rawRequest, startReceiver, type Receiver, type ReceiverOptions } from '../../../support/receiving.ts';

let receiver: Receiver;

async function start(options: ReceiverOptions = {}): Promise<void> {
  receiver = await startReceiver({ submit: () => {}, ...options });
}

/** All that connections may hold. */
async function leftovers(): Promise<Record<string, number>> {
  return {
    connections: await receiver.connections(),
    fastPathConnections: receiver.fastPath.fastPathConnections,
    open: receiver.route.open,
    usedBytes: receiver.budget.usedBytes,
    keptBytes: receiver.fastPath.keptBytes,
    senders: [...receiver.route.senders()].length,
    unsettled: receiver.submitted.filter(({ parcel }) => !parcel.settled).length,
    faults: receiver.faults.length,
  };
}

const NOTHING = {
  connections: 0,
  fastPathConnections: 0,
  open: 0,
  usedBytes: 0,
  keptBytes: 0,
  senders: 0,
  unsettled: 0,
  faults: 0,
};
const SOON = { timeout: 5_000, interval: 5 };

const BODY = bodyOf('one');
const REQUEST = rawRequest(BODY);
const TOO_LARGE = rawRequest(Buffer.alloc(0), ['Content-Length: 8000000']);

async function submitted(sender: LaneSender, times: number): Promise<void> {
  sender.socket.write(REQUEST);
  await until(() => receiver.submitted.length === times, 'it is submitted');
}

/** Brings a connection into the state. */
const STATES: readonly [string, (sender: LaneSender) => Promise<void>][] = [
  ['before its first request', async () => until(() => receiver.fastPath.fastPathConnections === 1, 'it is accepted')],
  [
    'between two requests',
    async (sender) => {
      await submitted(sender, 1);
      receiver.submitted[0]?.parcel.trySettle(DELIVERED);
      await sender.statuses(1);
    },
  ],
  [
    'in the middle of a body',
    async ({ socket }) => {
      socket.write(rawRequest(BODY, ['Content-Length: 50000']));
      await until(() => receiver.budget.usedBytes === 50_000, 'its memory is reserved');
    },
  ],
  ['while its answer is awaited', async (sender) => submitted(sender, 1)],
  [
    'in the middle of a body that is thrown away',
    async (sender) => {
      sender.socket.write(TOO_LARGE);
      sender.socket.write('the beginning');
      await sender.statuses(1);
    },
  ],
  [
    'in the middle of a head',
    async ({ socket }) => {
      socket.write(REQUEST.subarray(0, 50));
      await until(() => receiver.fastPath.fastPathConnections === 0, 'it is handed over');
    },
  ],
  [
    'in a request that was handed over',
    async ({ socket }) => {
      socket.write(rawRequest(BODY, ['Connection: close']));
      await until(() => receiver.submitted.length === 1, 'it is submitted');
    },
  ],
];

describe.each(STATES)('a sender that goes away %s', (_when, bring) => {
  test('with a reset leaves nothing', async () => {
    await start();
    const sender = await connectSender(receiver.port);
    await bring(sender);
    sender.socket.resetAndDestroy();
    await expect.poll(leftovers, SOON).toEqual(NOTHING);
  });

  test('by closing its side leaves nothing, and sees no reset', async () => {
    await start();
    const sender = await connectSender(receiver.port);
    await bring(sender);
    const failures: Error[] = [];
    sender.socket.on('error', (error) => failures.push(error));
    sender.socket.end();
    await until(() => sender.socket.closed, 'the other side is closed too');
    await expect.poll(leftovers, SOON).toEqual(NOTHING);
    expect(failures).toEqual([]);
  });
});

test('memory for a body is lent again after its sender has gone', async () => {
  await start();
  const sender = await connectSender(receiver.port);
  sender.socket.write(rawRequest(BODY, ['Content-Length: 50000']));
  await until(() => receiver.budget.usedBytes === 50_000, 'it is lent');
  expect(receiver.pool.idleBytes).toBe(0);
  sender.socket.resetAndDestroy();
  await expect.poll(leftovers, SOON).toEqual(NOTHING);
  expect(receiver.pool.idleBytes).toBe(65_536); // the next of the pool's sizes
});

test('a sender whose next request is kept already is forgotten with its answer at the latest', async () => {
  await start();
  const sender = await connectSender(receiver.port);
  await submitted(sender, 1);
  sender.socket.write(REQUEST);
  await until(() => receiver.fastPath.keptBytes === REQUEST.length, 'the next is kept');
  sender.socket.resetAndDestroy();
  receiver.submitted[0]?.parcel.trySettle(DELIVERED);
  await until(() => receiver.fastPath.fastPathConnections === 0, 'its going is seen');
  await expect.poll(leftovers, SOON).toEqual(NOTHING);
});

test('a sender that never reads its answers is cut off', async () => {
  const message = 'x'.repeat(50_000);
  await start({ submit: (parcel) => parcel.trySettle({ kind: 'rejected', status: 400, reason: 'other', message }) });
  const { socket } = await connectSender(receiver.port);
  socket.pause();
  // The operating system holds a few MB for both sides.
  for (let sent = 0; sent < 1_000 && !socket.destroyed; sent += 1) {
    const before = receiver.submitted.length;
    socket.write(REQUEST);
    await until(
      () => receiver.submitted.length > before || receiver.fastPath.fastPathConnections === 0,
      'it is answered',
    );
    if (receiver.fastPath.fastPathConnections === 0) break;
  }
  expect(receiver.submitted.length).toBeLessThan(1_000);
  await expect.poll(leftovers, SOON).toEqual(NOTHING);
});

/** Waits so that the clock is looked at. */
async function wait(): Promise<void> {
  await sleep(20);
}

describe('connections that last too long', () => {
  let nowMs = 0;

  beforeEach(async () => {
    nowMs = 0;
    await start({
      timing: {
        timeouts: { firstRequest: 10_000, request: 30_000, keepAlive: 330_000 },
        checkIntervalMs: 1,
        nowMs: () => nowMs,
      },
    });
  });

  test.each([
    ['without a request', 10_000, [408], STATES[0]?.[1]],
    ['in the middle of a body', 30_000, [408], STATES[2]?.[1]],
    ['between two requests', 330_000, [204], STATES[1]?.[1]],
  ])('%s are closed when that time is over, and not before', async (_what, ms, statuses, bring) => {
    const sender = await connectSender(receiver.port);
    await bring?.(sender);
    await wait();
    nowMs = ms - 1;
    await wait();
    expect(sender.socket.closed).toBe(false);
    nowMs = ms;
    await until(() => sender.socket.closed, 'it is closed');
    expect(await sender.statuses(1)).toEqual(statuses);
    await expect.poll(leftovers, SOON).toEqual(NOTHING);
  });

  test('a body in drips does not make the time longer', async () => {
    const { socket, statuses } = await connectSender(receiver.port);
    socket.write(rawRequest(BODY, ['Content-Length: 50000']));
    await until(() => receiver.budget.usedBytes === 50_000, 'the head is read');
    await wait();
    for (nowMs = 0; nowMs < 30_000; nowMs += 1_000) {
      socket.write('x');
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect(await statuses(1)).toEqual([408]);
    await expect.poll(leftovers, SOON).toEqual(NOTHING);
  });

  test('an answer that takes its time is waited for', async () => {
    const sender = await connectSender(receiver.port);
    await submitted(sender, 1);
    nowMs = 3_600_000;
    await wait();
    receiver.submitted[0]?.parcel.trySettle(DELIVERED);
    expect(await sender.statuses(1)).toEqual([204]);
    await wait();
    expect(sender.socket.closed).toBe(false);
  });

  test('a handed-over connection is no longer the clock of the fast path', async () => {
    const sender = await connectSender(receiver.port);
    sender.socket.write(REQUEST.subarray(0, 50));
    await until(() => receiver.fastPath.fastPathConnections === 0, 'it is handed over');
    nowMs = 3_600_000;
    await wait();
    sender.socket.write(REQUEST.subarray(50));
    await until(() => receiver.submitted.length === 1, 'it is read on');
    expect(sender.socket.closed).toBe(false);
  });
});

describe('a server that closes', () => {
  test('closes what is idle, and what never sent anything, at once', async () => {
    await start({ submit: (parcel) => parcel.trySettle(DELIVERED) });
    const [silent, idle] = [await connectSender(receiver.port), await connectSender(receiver.port)];
    idle.socket.write(REQUEST);
    await idle.statuses(1);
    await receiver.close();
    await until(() => silent.socket.closed && idle.socket.closed, 'both are closed');
    await expect.poll(leftovers, SOON).toEqual(NOTHING);
  });

  test('ends as soon as what was under way is answered, each with its connection', async () => {
    await start();
    const [waiting, reading, skipping] = [
      await connectSender(receiver.port),
      await connectSender(receiver.port),
      await connectSender(receiver.port),
    ];
    await submitted(waiting, 1);
    reading.socket.write(REQUEST.subarray(0, -5));
    skipping.socket.write(TOO_LARGE);
    await skipping.statuses(1);
    await until(() => receiver.route.open === 3, 'three are under way');
    let over = false;
    const closed = receiver.close().then(() => (over = true));
    await until(() => !receiver.fastPath.listening, 'it listens no more');
    reading.socket.write(REQUEST.subarray(-5));
    await until(() => receiver.submitted.length === 2, 'the second is read to its end');
    skipping.socket.write(Buffer.alloc(8_000_000));
    skipping.socket.write(REQUEST);
    await until(() => receiver.submitted.length === 3, 'the third carries one more');
    expect(over).toBe(false);
    for (const { parcel } of receiver.submitted) parcel.trySettle(DELIVERED);
    await closed;
    for (const sender of [waiting, reading, skipping]) {
      await until(() => sender.socket.closed, 'its connection is closed');
      expect(sender.text()).toMatch(/204 No Content\r\nDate: .*\r\nConnection: close\r\n\r\n$/i);
    }
    await expect.poll(leftovers, SOON).toEqual(NOTHING);
  });

  test('closing immediately cuts every connection', async () => {
    await start();
    await connectSender(receiver.port);
    const early = await connectSender(receiver.port);
    await submitted(early, 1);
    early.socket.write(REQUEST);
    await until(() => receiver.fastPath.keptBytes > 0, 'its next request is kept');
    const [skipping, handed] = [await connectSender(receiver.port), await connectSender(receiver.port)];
    skipping.socket.write(TOO_LARGE);
    handed.socket.write(REQUEST.subarray(0, 50));
    await skipping.statuses(1);
    await until(() => receiver.fastPath.fastPathConnections === 3, 'one is handed over');
    const closed = once(receiver.fastPath, 'close');
    receiver.fastPath.close();
    receiver.fastPath.closeAllConnections();
    await closed;
    await expect.poll(leftovers, SOON).toEqual(NOTHING);
  });
});
