import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { mostWorkers, workerShare } from '../../src/config/worker-share.ts';
import { AMP_URL } from './parsing.ts';

function configOf(queue: string, limits = '{}') {
  const second = AMP_URL.replace('ws-1', 'ws-2');
  const entries = `  - {url: "${AMP_URL}", queue_config: ${queue}}\n  - {name: b, url: "${second}"}\n`;
  return parseConfig(`limits: ${limits}\nremote_write:\n${entries}`, {}).config;
}

test('totals are divided among the workers, shards rounded up, and capacity stays a shard', () => {
  const config = configOf('{min_shards: 7, max_shards: 50, capacity: 20000}', '{max_inflight_bytes: 100MB}');
  const share = workerShare(config, 3);
  expect(share.limits).toEqual({
    ...config.limits,
    max_inflight_bytes: 33_333_333,
    max_connections_per_address: 3_334,
  });
  const [first, second] = share.remote_write;
  expect(first.queue_config).toMatchObject({ min_shards: 3, max_shards: 17, capacity: 20_000 });
  expect(second?.queue_config).toMatchObject({ min_shards: 1, max_shards: 17 });
  expect(share.server).toEqual(config.server);
});

test('each worker keeps a shard, however many there are', () => {
  const [{ queue_config: queue }] = workerShare(configOf('{max_shards: 2}'), 16).remote_write;
  expect(queue).toMatchObject({ min_shards: 1, max_shards: 1 });
});

test('there are at most as many as max_inflight_bytes has bodies', () => {
  expect(mostWorkers(configOf('{}', '{max_inflight_bytes: 39MiB}').limits)).toBe(3);
  expect(mostWorkers(configOf('{}', '{max_inflight_bytes: 10MiB}').limits)).toBe(1);
});
