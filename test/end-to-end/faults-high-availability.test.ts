/** Two replicas of a highly available pair and three plain senders at once, through faults and a failover. */
import { expect, test } from 'vitest';
import type { SenderOptions } from '../support/sending.ts';
import { expectPromisesKept, isAccepted, startScene, THREE_SENDERS } from '../support/scene.ts';

const REPLICAS: readonly SenderOptions[] = ['a', 'b'].map((replica) => ({
  name: `pair-${replica}`,
  labels: { cluster: 'eks-ha', __replica__: replica },
  localAddress: replica === 'a' ? '127.0.0.21' : '127.0.0.22',
}));

test('keeps one replica and all plain senders, through failures of every kind', async () => {
  const scene = await startScene({ senders: [...REPLICAS, ...THREE_SENDERS] });
  await scene.under(
    [
      { action: { kind: 'delay', ms: 10 } },
      { action: { kind: 'status', status: 503 }, probability: 0.1, seed: 1 },
      { action: { kind: 'status', status: 400 }, probability: 0.05, seed: 2, label: { name: 'sender', value: 'two' } },
      { action: { kind: 'reset', at: 'after-body' }, apply: true, probability: 0.1, seed: 3 },
    ],
    25,
  );
  const log = await scene.client.requests();
  for (const { seriesKeys } of log) expect(new Set(seriesKeys.map(replicaOf)).size).toBeLessThanOrEqual(1);
  const { standby } = await expectPromisesKept(scene, [400]);
  expect(standby).toHaveLength(1);
  const twoAlone = scene.senders.filter(({ name }) => name !== 'two').flatMap(({ statuses }) => statuses);
  expect(twoAlone, 'only the sender whose samples were refused is told 400').not.toContain(400);
  expect((await scene.proxy.metrics()).sum('amp_write_proxy_samples_deduplicated_total')).toBeGreaterThan(0);
});

test('takes the samples of the other replica when the elected one has gone silent', async () => {
  const scene = await startScene({ senders: REPLICAS });
  const [first, second] = scene.senders;
  if (first === undefined || second === undefined) throw new Error('two replicas');
  await scene.client.changeRules({ haFailoverTimeoutMs: 300 });
  expect(await first.deliver(first.makeSeries(3))).toMatchObject({ status: 204 });
  expect(await second.send(second.makeSeries(4))).toMatchObject({ status: 204 });
  const deduplicated = async (): Promise<number> =>
    (await scene.proxy.metrics()).sum('amp_write_proxy_samples_deduplicated_total');
  expect(await deduplicated()).toBe(4);
  const request = second.makeSeries(5);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(await second.send(request)).toMatchObject({ status: 204 });
  expect(await deduplicated()).toBe(4);
  expect((await scene.client.stats()).stored.samples).toBe(3 + 5);
  expect(isAccepted(second.statuses.at(-1) ?? 0)).toBe(true);
});

function replicaOf(seriesKey: string): string {
  return /__replica__="([^"]*)"/.exec(seriesKey)?.[1] ?? 'plain';
}
