import { totalmem } from 'node:os';
import { expect, test } from 'vitest';
import type { DestinationMetrics } from '../../src/metrics/counts.ts';
import { exposeDestinations } from '../../src/metrics/destination-exposition.ts';
import type { ShownStages } from '../../src/metrics/destination-snapshot.ts';
import { Metrics } from '../../src/metrics/metrics.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { DEDUPLICATED, DELIVERED } from '../../src/outcome/outcome.ts';
import { makeParcel } from '../support/parcels.ts';
import { snapshotOf } from '../support/snapshots.ts';

const LABELS = '{remote_name="default",url="http://aps.example/w"}';

const BUSY: Partial<ShownStages> = {
  queue: { capacityUsed: 700, capacity: 500_000, keys: 2 },
  retryQueue: { batches: 4, samples: 4 },
  shards: { inFlight: 2 },
  health: { shards: 50, isDown: true, isolated: { size: 4 } },
  clock: { skewMs: 1500 },
};

function makeMetrics(): { metrics: Metrics; destination: DestinationMetrics } {
  const metrics = new Metrics({ version: '1.2.3' });
  const destination = metrics.addDestination('default', 'http://aps.example/w');
  exposeDestinations(metrics.registry, () => [snapshotOf(destination, BUSY)]);
  return { metrics, destination };
}

async function lines(metrics: Metrics): Promise<string[]> {
  return (await metrics.registry.metrics()).split('\n');
}

test("has the names of Prometheus's own remote write, so that its mixin works unchanged", async () => {
  const { metrics } = makeMetrics();
  const text = await lines(metrics);
  const names = new Set(text.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' ')[2]));
  // https://github.com/prometheus/prometheus/blob/main/documentation/prometheus-mixin : alerts.libsonnet, dashboards.libsonnet
  for (const name of [
    'samples_total',
    'samples_failed_total',
    'samples_retried_total',
    'samples_dropped_total',
    'samples_pending',
    'shards',
    'shards_min',
    'shards_max',
    'shards_desired',
    'shard_capacity',
    'max_samples_per_send',
    'sent_batch_duration_seconds',
    'bytes_total',
    'queue_highest_timestamp_seconds',
    'queue_highest_sent_timestamp_seconds',
    'highest_timestamp_in_seconds',
  ]) {
    expect(names).toContain(`prometheus_remote_storage_${name}`);
  }
});

test('the scraped metrics equal the counts of the ledger, and its equation holds in them', async () => {
  const { metrics, destination } = makeMetrics();
  const ledger = new Ledger(destination);
  makeParcel({ samples: 1000 }, ledger).trySettle(DELIVERED);
  makeParcel({ samples: 100 }, ledger).trySettle(DEDUPLICATED);
  makeParcel({ samples: 10 }, ledger).trySettle({
    kind: 'rejected',
    status: 400,
    reason: 'out_of_order',
    message: 'out of order sample',
  });
  makeParcel({ samples: 5 }, ledger).trySettle({ kind: 'refused', reason: 'queue_full', message: '' });
  makeParcel({ samples: 2, maxTimestampMs: 1_700_000_000_500 }, ledger);
  const text = await lines(metrics);
  expect(text).toContain(`amp_write_proxy_samples_received_total${LABELS} 1117`);
  expect(text).toContain(`amp_write_proxy_samples_delivered_total${LABELS} 1100`);
  expect(text).toContain(`amp_write_proxy_samples_deduplicated_total${LABELS} 100`);
  expect(text).toContain(
    'amp_write_proxy_samples_rejected_total{remote_name="default",url="http://aps.example/w",code="400",reason="out_of_order"} 10',
  );
  expect(text).toContain(
    'amp_write_proxy_samples_refused_total{remote_name="default",url="http://aps.example/w",reason="queue_full"} 5',
  );
  expect(text).toContain(`amp_write_proxy_samples_pending${LABELS} 2`);
  expect(text).toContain(`prometheus_remote_storage_queue_highest_timestamp_seconds${LABELS} 1700000000.5`);
  expect(text).toContain(`prometheus_remote_storage_queue_highest_sent_timestamp_seconds${LABELS} 0`);
  expect(text).toContain(`prometheus_remote_storage_samples_failed_total${LABELS} 10`);
});

test('counters do not grow by being scraped', async () => {
  const { metrics, destination } = makeMetrics();
  destination.sentBytes = 42;
  await lines(metrics);
  expect(await lines(metrics)).toContain(`prometheus_remote_storage_bytes_total${LABELS} 42`);
});

test('settings and live readings are there, in base units', async () => {
  const { metrics } = makeMetrics();
  metrics.exposeInflight({ usedBytes: 12_345, limitBytes: 67_890 });
  const text = await lines(metrics);
  expect(text).toContain(`prometheus_remote_storage_shards_max${LABELS} 50`);
  expect(text).toContain(`prometheus_remote_storage_shards_desired${LABELS} 3`);
  expect(text).toContain(`amp_write_proxy_queued_samples${LABELS} 700`);
  expect(text).toContain(`amp_write_proxy_clock_skew_seconds${LABELS} 1.5`);
  expect(text).toContain('amp_write_proxy_inflight_bytes 12345');
  expect(text).toContain('amp_write_proxy_inflight_limit_bytes 67890');
  expect(text).toContain(`amp_write_proxy_build_info{version="1.2.3",node="${process.version}"} 1`);
});

test('durations are in seconds', async () => {
  const { metrics, destination } = makeMetrics();
  destination.observeAttempt(250);
  destination.observeDelivery('delivered', 500);
  const text = await lines(metrics);
  expect(text).toContain(`prometheus_remote_storage_sent_batch_duration_seconds_sum${LABELS} 0.25`);
  expect(text).toContain(
    'amp_write_proxy_delivery_duration_seconds_sum{remote_name="default",outcome="delivered"} 0.5',
  );
});

test('requests are counted by route and code', async () => {
  const { metrics } = makeMetrics();
  metrics.countRequest('default', 204);
  metrics.countRequest('default', 204);
  metrics.countRequest('default', 503);
  const text = await lines(metrics);
  expect(text).toContain('amp_write_proxy_requests_total{route="default",code="204"} 2');
  expect(text).toContain('amp_write_proxy_requests_total{route="default",code="503"} 1');
});

test('possible events are exported as 0 from the start, so that a rate sees the first one', async () => {
  const { metrics, destination } = makeMetrics();
  const text = await lines(metrics);
  const labels = 'remote_name="default",url="http://aps.example/w"';
  expect(text).toContain(`amp_write_proxy_upstream_responses_total{${labels},code="403"} 0`);
  expect(text).toContain(`amp_write_proxy_samples_refused_total{${labels},reason="queue_full"} 0`);
  expect(text).toContain(`amp_write_proxy_samples_rejected_total{${labels},code="413",reason="too_large"} 0`);
  for (const [code, reason] of [
    ['429', 'series_limit'],
    ['400', 'series_limit'],
    ['400', 'histogram'],
    ['400', 'ha_clusters'],
    ['400', 'metadata'],
  ]) {
    expect(text).toContain(`amp_write_proxy_samples_rejected_total{${labels},code="${code}",reason="${reason}"} 0`);
  }
  for (const code of ['foreign_400', 'quota_429', 'throttled_400', 'unauthorized_400']) {
    expect(text).toContain(`amp_write_proxy_upstream_responses_total{${labels},code="${code}"} 0`);
  }
  const door = 'amp_write_proxy_requests_turned_away_total{route="default",code="415",reason="unsupported_encoding"}';
  expect(text).toContain(`${door} 0`);
  destination.countResponse('403');
  metrics.countDenied('default', 415, 'unsupported_encoding');
  const later = await lines(metrics);
  expect(later).toContain(`amp_write_proxy_upstream_responses_total{${labels},code="403"} 1`);
  expect(later).toContain(`${door} 1`);
});

test('the limits of the process are there, and what it uses is below them', async () => {
  const { metrics } = makeMetrics();
  const text = await lines(metrics);
  const of = (name: string): number => Number(text.find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
  expect(of('amp_write_proxy_memory_limit_bytes')).toBeGreaterThan(of('process_resident_memory_bytes'));
  expect(of('amp_write_proxy_heap_limit_bytes')).toBeGreaterThan(of('nodejs_heap_size_used_bytes'));
  expect(of('amp_write_proxy_memory_limit_bytes')).toBeLessThanOrEqual(totalmem());
});

test('two destinations have counts of their own', async () => {
  const metrics = new Metrics({ version: '1.2.3' });
  const destination = metrics.addDestination('default', 'http://aps.example/w');
  const other = metrics.addDestination('other', 'http://other.example/w');
  exposeDestinations(metrics.registry, () => [snapshotOf(destination), snapshotOf(other)]);
  destination.received = 1;
  other.received = 2;
  const text = await lines(metrics);
  expect(text).toContain(`amp_write_proxy_samples_received_total${LABELS} 1`);
  expect(text).toContain('amp_write_proxy_samples_received_total{remote_name="other",url="http://other.example/w"} 2');
});

test('only counters end in _total and every metric has a help text, as promtool requires', async () => {
  const { metrics } = makeMetrics();
  const text = await lines(metrics);
  const types = text.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' '));
  const wrong = types.filter(([, , name = '', type]) => name.endsWith('_total') !== (type === 'counter'));
  expect(wrong).toEqual([]);
  expect(text.filter((line) => /^# HELP \S+ *$/.test(line))).toEqual([]);
});
