/** P2: requests are joined, kept apart or cut (docs/architecture.md, "What may share a batch"); each arrives as it was sent. */
import { expect, test } from 'vitest';
import type { RequestLogEntry } from '../../src/dev/sandbox/ledger.ts';
import { expectConcatenations, expectNothingLost } from '../support/judge.ts';
import { expectLedgerBalanced, startPair } from '../support/proxy.ts';
import { encodeHistogram, type MetadataInput } from '../support/sandbox-request.ts';
import { AWKWARD_VALUES, hexOf, keyOf, LedgerSender, type SentSeries } from '../support/sending.ts';

/** Slow enough that senders meet in the queue. */
const SLOW = { action: { kind: 'delay', ms: 40 } } as const;

test('joins the requests of several senders into fewer, in order, with every bit of every value', async () => {
  const { sandbox, proxy } = await startPair({ queue_config: { max_shards: 2, batch_send_deadline: '50ms' } });
  await sandbox.client.addFaults(SLOW);
  const senders = Array.from(
    { length: 8 },
    (_, index) => new LedgerSender(proxy.writeUrl, { name: `sender-${index}` }),
  );
  await Promise.all(
    senders.map(async (sender) => {
      for (let round = 0; round < 12; round += 1) {
        const startMs = Date.now();
        const histograms = [encodeHistogram(startMs + 1, round + 0.1)];
        const series = sender
          .makeSeries(20, 1, startMs)
          .map((one, index) => (index === 3 ? { ...one, histograms } : one));
        expect(await sender.send(series)).toMatchObject({ status: 204, text: '' });
      }
    }),
  );

  const log = await sandbox.client.requests();
  const sent = senders.reduce((sum, { requests }) => sum + requests.length, 0);
  expect(log.length).toBeLessThan(sent / 2);
  const joined = expectConcatenations(log, senders);
  expect(joined.flat()).toHaveLength(sent);
  expect(joined.some((parts) => new Set(parts.map(({ sender }) => sender)).size > 2)).toBe(true);
  const { stored, acknowledged } = await expectNothingLost(sandbox.client, senders);
  expect({ stored, acknowledged }).toEqual({ stored: sent * 21, acknowledged: sent * 21 });
  const values = new Set((await sandbox.client.series()).flatMap(({ samples }) => samples.map(([, hex]) => hex)));
  for (const bits of AWKWARD_VALUES) expect(values).toContain(hexOf(bits));
  await expectLedgerBalanced(proxy, { acknowledged });
});

test('keeps the samples of a series in order while requests are joined', async () => {
  const { sandbox, proxy } = await startPair({ queue_config: { max_shards: 4 } });
  await sandbox.client.changeRules({ outOfOrderWindowMs: 0 });
  await sandbox.client.addFaults({ action: { kind: 'delay', ms: 5 } });
  const senders = Array.from(
    { length: 6 },
    (_, index) => new LedgerSender(proxy.writeUrl, { name: `sender-${index}` }),
  );
  const startMs = Date.now();
  await Promise.all(
    senders.map(async (sender) => {
      for (let round = 0; round < 30; round += 1) await sender.send(sender.makeSample(10, startMs + round));
    }),
  );
  const { stored } = await expectNothingLost(sandbox.client, senders);
  expect(stored).toBe(6 * 30 * 10);
  await expectLedgerBalanced(proxy, { acknowledged: 6 * 30 * 10 });
});

test('never mixes the replicas of a highly available pair with each other or with plain senders', async () => {
  const { sandbox, proxy } = await startPair({ queue_config: { max_shards: 2 } });
  await sandbox.client.addFaults(SLOW);
  const replicas = ['a', 'b'].map(
    (replica) =>
      new LedgerSender(proxy.writeUrl, { name: 'pair', labels: { cluster: 'eks-ha', __replica__: replica } }),
  );
  const plain = [
    new LedgerSender(proxy.writeUrl, { name: 'plain-1' }),
    new LedgerSender(proxy.writeUrl, { name: 'plain-2' }),
    new LedgerSender(proxy.writeUrl, { name: 'plain-3', labels: { cluster: 'eks-ha' } }),
  ];
  const senders = [...replicas, ...plain];
  await Promise.all(
    senders.map(async (sender, index) => {
      // The replicas' samples differ in time, so that the judge can tell them apart.
      for (let round = 0; round < 10; round += 1) await sender.send(sender.makeSeries(20, 1, Date.now() * 10 + index));
    }),
  );

  const log = await sandbox.client.requests();
  for (const { seriesKeys } of log) expect(new Set(seriesKeys.map(mergeKeyOf)).size).toBe(1);
  const mergeKeys = new Set(log.flatMap(({ seriesKeys }) => seriesKeys.map(mergeKeyOf)));
  expect(mergeKeys).toEqual(new Set(['eks-ha/a', 'eks-ha/b', 'no pair']));
  // Plain senders are joined with each other all the same.
  expect(log.some(({ seriesKeys }) => new Set(seriesKeys.map(senderOf)).size > 1)).toBe(true);
  for (const { statuses } of senders) expect(statuses).toEqual(Array.from({ length: 10 }, () => 204));
  const { standby, acknowledged } = await expectNothingLost(sandbox.client, senders);
  expect(standby).toHaveLength(1);
  await expectLedgerBalanced(proxy, { acknowledged });
  expect((await proxy.metrics()).sum('amp_write_proxy_samples_deduplicated_total')).toBe(200);
});

test('cuts an oversized request into pieces that arrive whole and in order, metadata too', async () => {
  const { sandbox, proxy } = await startPair();
  const sender = new LedgerSender(proxy.writeUrl, { name: 'large' });
  const series: SentSeries[] = sender.makeSeries(1600, 7).concat(sender.makeSeries(800, 1));
  const metadata = Array.from({ length: 40 }, (_, index): MetadataInput => ({
    family: `family_${index}`,
    type: 1,
    help: `help of ${index}`,
  }));
  expect(await sender.send(series, metadata)).toMatchObject({ status: 204, text: '' });

  const log = await sandbox.client.requests();
  expect(log.length).toBeGreaterThanOrEqual(3);
  for (const { samples, bytes } of log) {
    expect(samples).toBeLessThanOrEqual(5000);
    expect(bytes).toBeLessThanOrEqual(1_000_000);
  }
  expect(log.flatMap(({ seriesKeys }) => seriesKeys)).toEqual(series.map(({ labels }) => keyOf(labels)));
  expect(sum(log, 'samples')).toBe(12_000);
  expect(sum(log, 'metadata')).toBe(40);
  const arrived = await sandbox.client.metadata();
  expect(
    Object.values(arrived).map(({ metricFamilyName, type, help }) => ({ family: metricFamilyName, type, help })),
  ).toEqual(metadata);
  const { stored, acknowledged } = await expectNothingLost(sandbox.client, [sender]);
  expect(stored).toBe(12_000);
  await expectLedgerBalanced(proxy, { acknowledged });
  expect((await proxy.metrics()).sum('amp_write_proxy_requests_split_total')).toBe(1);
});

test('cuts by bytes too, under the 1 MB of AMP', async () => {
  const { sandbox, proxy } = await startPair({ queue_config: { max_bytes_per_send: '40KB' } });
  const sender = new LedgerSender(proxy.writeUrl, { name: 'long-labels' });
  const series = sender.makeSeries(2000).map((one, index) => ({
    ...one,
    labels: { ...one.labels, noise: noise(index).repeat(2), other: noise(index * 7) },
  }));
  expect(await sender.send(series)).toMatchObject({ status: 204 });
  const log = await sandbox.client.requests();
  expect(log.length).toBeGreaterThan(1);
  for (const { bytes } of log) expect(bytes).toBeLessThanOrEqual(40_000);
  expect(log.flatMap(({ seriesKeys }) => seriesKeys)).toEqual(series.map(({ labels }) => keyOf(labels)));
  const { acknowledged } = await expectNothingLost(sandbox.client, [sender]);
  await expectLedgerBalanced(proxy, { acknowledged });
});

/** Text that hardly compresses, the same for the same index. */
function noise(index: number): string {
  return Buffer.from(hexOf(BigInt(index + 1) ** 9n * 0x9e3779b97f4a7c15n)).toString('base64');
}

/** AMP deduplicates what has both labels; anything else is of no pair. */
function mergeKeyOf(seriesKey: string): string {
  const [cluster, replica] = [labelOf(seriesKey, 'cluster'), labelOf(seriesKey, '__replica__')];
  return cluster === '' || replica === '' ? 'no pair' : `${cluster}/${replica}`;
}

function senderOf(seriesKey: string): string {
  return labelOf(seriesKey, 'sender');
}

function labelOf(seriesKey: string, name: string): string {
  return new RegExp(`[{ ]${name}="([^"]*)"`).exec(seriesKey)?.[1] ?? '';
}

function sum(log: readonly RequestLogEntry[], count: 'samples' | 'metadata'): number {
  return log.reduce((total, entry) => total + entry[count], 0);
}
