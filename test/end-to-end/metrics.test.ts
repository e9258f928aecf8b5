/** Dashboards, alerts and probes find what they need on the admin port (docs/operations.md, "Metrics"). */
import { expect, test } from 'vitest';
import { run } from '../support/processes.ts';
import { PROMTOOL } from '../support/prometheus.ts';
import { expectLedgerBalanced, startPair } from '../support/proxy.ts';
import { encodeBody } from '../support/sandbox-request.ts';
import { LedgerSender, postBody } from '../support/sending.ts';
import { expectNothingLost } from '../support/judge.ts';

/** Names in the dashboards and alerts of Prometheus's own mixin (documentation/prometheus-mixin). */
const MIXIN_NAMES = [
  'prometheus_remote_storage_highest_timestamp_in_seconds',
  'prometheus_remote_storage_queue_highest_sent_timestamp_seconds',
  'prometheus_remote_storage_samples_in_total',
  'prometheus_remote_storage_samples_total',
  'prometheus_remote_storage_samples_failed_total',
  'prometheus_remote_storage_samples_dropped_total',
  'prometheus_remote_storage_samples_retried_total',
  'prometheus_remote_storage_samples_pending',
  'prometheus_remote_storage_shards',
  'prometheus_remote_storage_shards_min',
  'prometheus_remote_storage_shards_max',
  'prometheus_remote_storage_shards_desired',
  'prometheus_remote_storage_shard_capacity',
  'prometheus_remote_storage_max_samples_per_send',
  'prometheus_remote_storage_bytes_total',
  'prometheus_remote_storage_sent_batch_duration_seconds_count',
];

test.skipIf(PROMTOOL === undefined)('satisfies promtool check metrics, after every kind of outcome', async () => {
  const { proxy } = await startBusyPair();
  const { text } = await proxy.metrics();
  const { status, stdout, stderr } = await run(PROMTOOL ?? '', ['check', 'metrics'], { input: text });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
});

test('has the names of the mixin with remote_name and url, and counts what the sandbox counts', async () => {
  const { sandbox, proxy, sender } = await startBusyPair();
  const metrics = await proxy.metrics();
  const labels = { remote_name: 'default', url: sandbox.remoteWriteUrl };
  for (const name of MIXIN_NAMES) {
    expect(metrics.names()).toContain(name);
    // These belong to the whole process, as in Prometheus: the mixin matches them with every remote_name and url.
    if (name.endsWith('highest_timestamp_in_seconds') || name.endsWith('samples_in_total')) continue;
    expect(metrics.samples.find((sample) => sample.name === name)?.labels).toMatchObject(labels);
  }
  const { bytesReceived, requestsByStatus } = await sandbox.client.stats();
  expect(metrics.sum('prometheus_remote_storage_samples_total', labels)).toBe(SENT_SAMPLES);
  expect(metrics.sum('prometheus_remote_storage_bytes_total', labels)).toBe(bytesReceived);
  expect(metrics.sum('prometheus_remote_storage_samples_failed_total', labels)).toBe(sender.rejected);
  expect(metrics.sum('prometheus_remote_storage_sent_batch_duration_seconds_count')).toBe(
    Object.values(requestsByStatus).reduce((sum, count) => sum + count, 0),
  );
  for (const [code, count] of Object.entries(requestsByStatus)) {
    expect(metrics.sum('amp_write_proxy_upstream_responses_total', { code })).toBe(count);
  }
  expect(metrics.sum('amp_write_proxy_requests_total', { code: '204' })).toBe(
    sender.statuses.filter((status) => status === 204).length,
  );
});

test('is live and ready, and shows neither keys nor signatures in its log', async () => {
  const { sandbox, proxy } = await startBusyPair();
  expect((await fetch(`${proxy.adminUrl}/-/healthy`)).status).toBe(200);
  expect(await proxy.readiness()).toEqual({ status: 200, text: 'ready\n' });
  for (const secret of [sandbox.secretAccessKey, sandbox.accessKeyId, 'Signature=']) {
    expect(proxy.child.output()).not.toContain(secret);
  }
});

/** One of 100, then one of 10 sent three times, then one of 5 that was rejected. */
const SENT_SAMPLES = 100 + 3 * 10 + 5;

/** Starts a pair with a request that was delivered, one rejected by AMP, one retried and one refused by receive. */
async function startBusyPair() {
  const { sandbox, proxy } = await startPair();
  const sender = new LedgerSender(proxy.writeUrl, { name: 'sender' });
  expect(await sender.send(sender.makeSeries(50, 2))).toMatchObject({ status: 204 });
  await sandbox.client.addFaults({ action: { kind: 'status', status: 500 }, times: 2 });
  expect(await sender.send(sender.makeSeries(10))).toMatchObject({ status: 204 });
  await sandbox.client.addFaults({ action: { kind: 'status', status: 400, body: 'no' }, times: 1 });
  expect(await sender.send(sender.makeSeries(5))).toMatchObject({ status: 400, text: expect.stringContaining('no') });
  const unlabelled = encodeBody([{ labels: {}, samples: [[1, 1]] }]);
  expect(await postBody(proxy.writeUrl, unlabelled)).toMatchObject({ status: 400 });
  await expectNothingLost(sandbox.client, [sender]);
  await expectLedgerBalanced(proxy, sender);
  return { sandbox, proxy, sender };
}
