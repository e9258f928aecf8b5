/** Senders that are slow, that go away, or that flood; and that the others notice nothing of them. */
import { expect, test } from 'vitest';
import { sleep, until } from '../support/processes.ts';
import { readLedger } from '../support/proxy.ts';
import { head, RawConnection } from '../support/raw-socket.ts';
import { encodeBody } from '../support/sandbox-request.ts';
import {
  expectPromisesKept,
  isAccepted,
  residentBytes,
  startScene,
  THREE_SENDERS,
  type Scene,
} from '../support/scene.ts';
import { LedgerSender } from '../support/sending.ts';
import { stretched } from '../support/slowness.ts';

const BODY = encodeBody([{ labels: { __name__: 'dripped_total' }, samples: [[1, 1]] }]);

test('waits for a slow sender, and lets nobody else wait for it', async () => {
  const scene = await startScene();
  const slow = Array.from({ length: 20 }, () => new RawConnection(scene.proxy.url, '127.0.0.99'));
  for (const connection of slow) {
    connection.write(head({ 'content-length': String(BODY.length), connection: 'close' }));
    void connection.drip(BODY, 1_000 / BODY.length);
  }
  scene.load();
  await scene.answers(10);
  const answers = await Promise.all(slow.map(async (connection) => connection.ended(10_000)));
  for (const answer of answers) expect(answer).toMatchObject({ status: 204 });
  expect(slowest(scene), 'an answer to others').toBeLessThan(1_500);
  await expectPromisesKept(scene, [], { alsoAcknowledged: 20, withStrangers: true });
});

test('drops what a sender that has gone had in the queue, counts it, and sends none of it', async () => {
  const scene = await startScene({ queue: { min_shards: 1, max_shards: 1 }, senders: THREE_SENDERS.slice(0, 1) });
  const [sender] = scene.senders;
  if (sender === undefined) throw new Error('a sender');
  await scene.client.addFaults({ action: { kind: 'delay', ms: 600 }, times: 1 });
  const first = sender.send(sender.makeSeries(5));
  await until('the first is in flight', async () => (await ledger(scene)).pending === 5);
  await sleep(50);
  // The only shard is busy, so these wait in the queue.
  const gone = Array.from({ length: 10 }, (_, index) => {
    const connection = new RawConnection(scene.proxy.url, '127.0.0.98');
    const body = encodeBody([{ labels: { __name__: 'gone_total', index: String(index) }, samples: [[1, 1]] }]);
    connection.write(head({ 'content-length': String(body.length) }));
    connection.write(body);
    return connection;
  });
  await until('all are queued', async () => (await ledger(scene)).pending === 15);
  for (const connection of gone) connection.close();
  await until('they are dropped', async () => (await ledger(scene)).refused === 10);
  expect(await first).toMatchObject({ status: 204 });
  const metrics = await scene.proxy.metrics();
  expect(metrics.sum('amp_write_proxy_samples_refused_total', { reason: 'sender_gone' })).toBe(10);
  expect(await scene.client.series('gone_total')).toEqual([]);
  await until(
    'their memory is given back',
    async () => (await scene.proxy.metrics()).sum('amp_write_proxy_inflight_bytes') === 0,
  );
  await expectPromisesKept(scene);
});

test('a sender that goes away while its samples are on their way does no harm', async () => {
  const scene = await startScene();
  await scene.client.addFaults({ action: { kind: 'delay', ms: 40 } });
  scene.load();
  await scene.answers(2, isAccepted);
  for (let round = 0; round < 30; round += 1) {
    const connection = new RawConnection(scene.proxy.url, '127.0.0.98');
    connection.write(head({ 'content-length': String(BODY.length) }));
    connection.write(BODY.subarray(0, round % 2 === 0 ? BODY.length : round % BODY.length));
    await sleep(round * 3);
    connection.close();
  }
  await scene.client.clearFaults();
  await expectPromisesKept(scene, [], { withoutLedger: true, withStrangers: true });
  expect(new Set(scene.senders.flatMap(({ statuses }) => statuses))).toEqual(new Set([204]));
});

test(
  'a sender that floods over many connections does not starve the others',
  { timeout: stretched(90_000) },
  async () => {
    const scene = await startScene({ queue: { max_shards: 4, max_samples_per_send: 500, capacity: 1_000 } });
    await scene.client.addFaults({ action: { kind: 'delay', ms: 20 } });
    scene.load();
    await scene.answers(5, isAccepted);
    const flooder = new LedgerSender(scene.proxy.writeUrl, {
      name: 'flood',
      labels: { cluster: 'flood', __replica__: 'a' },
      connections: 100,
      localAddress: '127.0.0.66',
    });
    const over = new AbortController();
    const flood = Promise.all(
      Array.from({ length: 100 }, async () => {
        while (!over.signal.aborted) await flooder.send(flooder.makeSeries(100));
      }),
    );
    const from = scene.senders.map(({ requests }) => requests.length);
    // However long that takes on this machine: the flood is held down, and the others have had their turns.
    await Promise.all([
      until('the flood is refused', () => flooder.statuses.filter((status) => status === 503).length >= 100),
      scene.answers(10),
    ]);
    over.abort();
    await flood;
    flooder.close();
    const others = scene.senders.map(({ requests }, index) => requests.slice(from[index], -1));
    for (const requests of others) {
      expect(requests.length).toBeGreaterThanOrEqual(9);
      const refused = requests.filter(({ answer }) => answer?.status !== 204);
      const why = new Set(refused.map(({ answer }) => `${answer?.status} ${answer?.text}`));
      const share = 1 - refused.length / requests.length;
      expect(share, `of the requests of others were taken; the rest: ${[...why].join('')}`).toBeGreaterThan(0.8);
    }
    expect(slowest(scene)).toBeLessThan(3_500);
    expect(await residentBytes(scene.proxy)).toBeLessThan(400 * 1024 * 1024);
    await scene.client.clearFaults();
    await scene.endLoad();
    await expectPromisesKept(scene, [], { others: [flooder] });
  },
);

function slowest({ senders }: Scene): number {
  return Math.max(...senders.flatMap(({ requests }) => requests.map(({ tookMs = 0 }) => tookMs)));
}

async function ledger({ proxy }: Scene): Promise<ReturnType<typeof readLedger>> {
  return readLedger(await proxy.metrics());
}
