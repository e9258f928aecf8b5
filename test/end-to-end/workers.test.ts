/** `server.workers`: several processes behind one port and one admin port, as one proxy to senders and to an SRE. */
import { expect, onTestFinished, test } from 'vitest';
import type { Snapshot } from '../../src/admin/snapshot.ts';
import { expectNothingLost } from '../support/judge.ts';
import { sleep, until } from '../support/processes.ts';
import {
  entryFor,
  expectBalanced,
  expectLedgerBalanced,
  readLedger,
  startCommand,
  startPair,
  startProxy,
  startSandboxProcess,
  writeConfig,
  type ProxyProcess,
} from '../support/proxy.ts';
import { expectPromisesKept, isAccepted, startScene, THREE_SENDERS } from '../support/scene.ts';
import type { Exposition } from '../support/exposition.ts';
import { LedgerSender } from '../support/sending.ts';
import { irsaEnvironment, makeTokenFile } from '../support/web-identity.ts';
import { connectionsOn, isRunning, workerPids } from '../support/workers.ts';

const TWO = { server: { workers: 2, shutdown_timeout: '20s' } } as const;
const SERIES = 20;

test('deals connections of one port to all workers in turn, and shows their sum on one admin port', async () => {
  const { sandbox, proxy } = await startPair({}, TWO);
  const senders = makeSenders(proxy, 8);
  for (const sender of senders) await sender.send(sender.makeSeries(SERIES));
  const pids = await workerPids(proxy.child);
  const { port } = new URL(proxy.url);
  expect(await Promise.all(pids.map(async (pid) => connectionsOn(Number(port), pid)))).toEqual([4, 4]);
  expect(await connectionsOn(Number(port), proxy.child.pid ?? 0), 'the primary carries no data').toBe(0);

  await sandbox.client.addFaults({ action: { kind: 'status', status: 400, body: 'no' }, times: 1 });
  const [first] = senders;
  expect(await first?.send(first.makeSeries(3))).toMatchObject({ status: 400 });
  const { stored } = await expectNothingLost(sandbox.client, senders);
  expect(stored).toBe(8 * SERIES);
  await expectLedgerBalanced(proxy, { acknowledged: 8 * SERIES, rejected: 3 });
  const metrics = await proxy.metrics();
  const { bytesReceived, requestsByStatus } = await sandbox.client.stats();
  expect(metrics.sum('prometheus_remote_storage_bytes_total')).toBe(bytesReceived);
  expect(metrics.sum('amp_write_proxy_upstream_responses_total', { code: '200' })).toBe(requestsByStatus['200']);
  expect(metrics.sum('amp_write_proxy_delivery_duration_seconds_count')).toBe(9);
  expect(metrics.sum('amp_write_proxy_delivery_duration_seconds_bucket', { le: '+Inf' })).toBe(9);
});

test('adds totals up to what is configured, and tells a setting, a time or a build once', async () => {
  const queue = { max_shards: 20, min_shards: 4, max_samples_per_send: 1000 };
  const { proxy } = await startPair({ queue_config: queue }, { ...TWO, limits: { max_inflight_bytes: '64MiB' } });
  const metrics = await proxy.metrics();
  const value = (name: string): number => metrics.sum(name);
  expect(value('amp_write_proxy_inflight_limit_bytes')).toBe(64 * 2 ** 20);
  expect(value('prometheus_remote_storage_shards_max')).toBe(20);
  expect(value('prometheus_remote_storage_shards_min')).toBe(4);
  expect(value('amp_write_proxy_queue_capacity_samples')).toBe(20 * 10_000);
  expect(value('prometheus_remote_storage_max_samples_per_send')).toBe(1000);
  expect(value('prometheus_remote_storage_shard_capacity')).toBe(10_000);
  expect(value('amp_write_proxy_credentials_valid')).toBe(1);
  expect(value('amp_write_proxy_build_info')).toBe(1);
  expect(value('prometheus_build_info')).toBe(1);
  expect(value('amp_write_proxy_workers')).toBe(2);
  expect(value('amp_write_proxy_worker_restarts_total')).toBe(0);
  // The primary's own start, which is a moment ago.
  expect(Date.now() / 1000 - value('process_start_time_seconds')).toBeLessThan(60);
});

test('replaces a worker that is killed, keeps every promise and never counts back', async () => {
  const scene = await startScene({ proxy: { server: { workers: 2 } } });
  await scene.client.addFaults({ action: { kind: 'delay', ms: 20 } });
  scene.load();
  await scene.answers(3, isAccepted);
  const follower = follow(scene.proxy);
  for (const victim of [0, 1, 0]) {
    const pids = await workerPids(scene.proxy.child);
    process.kill(pids[victim] ?? 0, 'SIGKILL');
    await until('another runs', async () => {
      const now = await workerPids(scene.proxy.child);
      return now.length === 2 && !now.includes(pids[victim] ?? 0);
    });
    await until('both listen', async () => (await scene.proxy.metrics()).sum('amp_write_proxy_workers') === 2);
    await scene.answers(3, isAccepted);
  }
  await scene.client.clearFaults();
  // 0: the connections that a kill cut.
  const { acknowledged } = await expectPromisesKept(scene, [0]);
  expect(acknowledged).toBeGreaterThan(3 * 3 * THREE_SENDERS.length);
  const last = await follower.end();
  expect(last.sum('amp_write_proxy_worker_restarts_total')).toBe(3);
  expect(await scene.proxy.readiness()).toMatchObject({ status: 200 });
});

test('counts what a killed worker held as refused, so that the ledger stays balanced', async () => {
  const { sandbox, proxy } = await startPair({}, TWO);
  await sandbox.client.addFaults({ action: { kind: 'hang' } });
  const senders = makeSenders(proxy, 4);
  const answers = Promise.all(senders.map(async (sender) => sender.send(sender.makeSeries(SERIES))));
  await until('all is pending', async () => readLedger(await proxy.metrics()).pending === 4 * SERIES);
  for (const pid of await workerPids(proxy.child)) process.kill(pid, 'SIGKILL');
  for (const { status } of await answers) expect(status).toBe(0);
  await until('both are replaced', async () => (await proxy.metrics()).sum('amp_write_proxy_workers') === 2);
  const metrics = await proxy.metrics();
  const ledger = readLedger(metrics);
  expectBalanced(ledger);
  expect(ledger).toMatchObject({ received: 4 * SERIES, refused: 4 * SERIES, pending: 0, delivered: 0 });
  expect(metrics.sum('amp_write_proxy_samples_refused_total', { reason: 'worker_died' })).toBe(4 * SERIES);
});

test('deals nothing to one that takes the place of another until it can sign, and stays ready meanwhile', async () => {
  const sandbox = await startSandboxProcess();
  const token = await makeTokenFile(sandbox);
  await token.issue();
  const proxy = await startProxy({
    remoteWrite: [entryFor(sandbox, { sigv4: { region: sandbox.region } })],
    ...TWO,
    env: irsaEnvironment(sandbox, token),
  });
  await token.write('of nobody');
  const [victim = 0] = await workerPids(proxy.child);
  process.kill(victim, 'SIGKILL');
  const failed = async (): Promise<number> =>
    (await proxy.metrics()).sum('amp_write_proxy_credentials_refreshes_total', { result: 'failure' });
  await until('the other has no credentials', async () => (await failed()) > 0);
  const senders = makeSenders(proxy, 6);
  for (const sender of senders) expect(await sender.send(sender.makeSeries(1))).toMatchObject({ status: 204 });
  const metrics = await proxy.metrics();
  expect(metrics.sum('amp_write_proxy_workers')).toBe(1);
  expect(metrics.sum('amp_write_proxy_credentials_valid'), 'one of them has none').toBe(0);
  expect(await proxy.readiness()).toMatchObject({ status: 200 });
  await token.issue();
  await until('both listen', async () => (await proxy.metrics()).sum('amp_write_proxy_workers') === 2);
  await expectNothingLost(sandbox.client, senders);
});

test('drains all workers on SIGTERM under load: no reset, nothing acknowledged lost, exit status 0', async () => {
  const { sandbox, proxy } = await startPair({}, TWO);
  await sandbox.client.addFaults({ action: { kind: 'delay', ms: 30 } });
  const senders = makeSenders(proxy, 6);
  const sending = Promise.all(
    senders.map(async (sender) => {
      while (proxy.child.running) await sender.send(sender.makeSeries(SERIES));
    }),
  );
  await until('load', () => senders.every(({ requests }) => requests.length > 5));
  proxy.child.trySignal('SIGTERM');
  await until('it is not ready', async () => (await proxy.readiness()).status !== 200);
  const { status, stdout } = await proxy.child.ended();
  await sending;
  expect(status).toBe(0);
  expect(stdout.match(/"worker":[12],.*"draining"/g)).toHaveLength(2);
  for (const { statuses } of senders) {
    const answered = statuses.filter((code) => code !== 0);
    expect(new Set(answered)).toEqual(new Set([204]));
    expect(statuses.slice(0, answered.length), 'no answer is missing in between').toEqual(answered);
  }
  await expectNothingLost(sandbox.client, senders);
});

test('leaves signals to the primary: Ctrl-C goes to the whole group, and the workers still drain', async () => {
  const { sandbox, proxy } = await startPair({}, TWO);
  const pids = await workerPids(proxy.child);
  for (const pid of pids) {
    process.kill(pid, 'SIGINT');
    process.kill(pid, 'SIGTERM');
  }
  await sandbox.client.addFaults({ action: { kind: 'delay', ms: 1_000 } });
  const senders = makeSenders(proxy, 4);
  const answers = Promise.all(senders.map(async (sender) => sender.send(sender.makeSeries(SERIES))));
  await until('all is pending', async () => readLedger(await proxy.metrics()).pending === 4 * SERIES);
  for (const pid of [...pids, proxy.child.pid ?? 0]) process.kill(pid, 'SIGINT');
  for (const answer of await answers) expect(answer).toMatchObject({ status: 204 });
  expect(await proxy.child.ended()).toMatchObject({ status: 0 });
  expect(await Promise.all(pids.map(isRunning))).toEqual([false, false]);
});

test('leaves no worker behind when the primary is killed; what was in flight is still answered', async () => {
  const { sandbox, proxy } = await startPair({}, { server: { workers: 2, shutdown_timeout: '4s' } });
  const pids = await workerPids(proxy.child);
  await sandbox.client.addFaults({ action: { kind: 'delay', ms: 1_000 } });
  const senders = makeSenders(proxy, 4);
  const answers = Promise.all(senders.map(async (sender) => sender.send(sender.makeSeries(SERIES))));
  await until('all is pending', async () => readLedger(await proxy.metrics()).pending === 4 * SERIES);
  proxy.child.trySignal('SIGKILL');
  for (const answer of await answers) expect(answer).toMatchObject({ status: 204 });
  await until('no worker runs', async () => (await Promise.all(pids.map(isRunning))).every((runs) => !runs));
  await expectNothingLost(sandbox.client, senders);
});

test('shows the sums on the status page: totals, senders, problems, and how many workers run', async () => {
  const { sandbox, proxy } = await startPair({}, TWO);
  const senders = makeSenders(proxy, 4);
  for (const sender of senders) await sender.send(sender.makeSeries(SERIES));
  await sandbox.client.addFaults({ action: { kind: 'status', status: 400, body: 'no' }, times: 2 });
  for (const sender of senders.slice(0, 2)) {
    expect(await sender.send(sender.makeSeries(3))).toMatchObject({ status: 400 });
  }
  const page = await until('the page has it all', async () => {
    const snapshot = await readStatusPage(proxy);
    return snapshot.destinations[0]?.received === 4 * SERIES + 6 && snapshot.senders.rows[0]?.connections === 4
      ? snapshot
      : undefined;
  });
  expect(page).toMatchObject({
    ready: true,
    workers: { running: 2, wanted: 2 },
    maxInflightBytes: 256 * 2 ** 20,
    destinations: [{ name: 'default', delivered: 4 * SERIES, pending: 0, maxShards: 50, point: { shards: 2 } }],
    senders: { connected: 1, rows: [{ address: '127.0.0.1', lastStatus: 400 }] },
  });
  // Each worker has had one.
  expect(page.problems).toMatchObject([{ what: expect.stringContaining('400'), count: 2, sender: '127.0.0.1' }]);
  // The history behind the sentence is written once a second.
  await until('the sentence counts both rejections', async () =>
    (await (await fetch(proxy.adminUrl)).text()).includes('AMP rejected 6 samples in the last 15 minutes'),
  );
});

test('answers a scrape while a worker is stuck, with what that worker told last', async () => {
  const { proxy } = await startPair({}, TWO);
  const senders = makeSenders(proxy, 2);
  for (const sender of senders) await sender.send(sender.makeSeries(SERIES));
  const before = readLedger(await proxy.metrics());
  const [stuck = 0] = await workerPids(proxy.child);
  process.kill(stuck, 'SIGSTOP');
  try {
    expect(readLedger(await proxy.metrics())).toEqual(before);
  } finally {
    process.kill(stuck, 'SIGCONT');
  }
  expect(before).toMatchObject({ received: 2 * SERIES, delivered: 2 * SERIES });
});

test('ends with the reason when a worker cannot listen, or cannot be built', async () => {
  const sandbox = await startSandboxProcess();
  const { proxy } = await startPair();
  const remoteWrite = [entryFor(sandbox)];
  const server = { admin_listen: '127.0.0.1:0', workers: 3 };
  const taken = { server: { ...server, listen: new URL(proxy.url).host }, remote_write: remoteWrite };
  expect(await startCommand(['--config', await writeConfig(taken)]).ended()).toMatchObject({
    status: 1,
    stdout: expect.stringMatching(/EADDRINUSE.*"cannot listen"/),
  });
  const tls = { cert_file: '/nonexistent/tls.crt', key_file: '/nonexistent/tls.key' };
  const without = { server: { ...server, listen: '127.0.0.1:0', tls }, remote_write: remoteWrite };
  expect(await startCommand(['--config', await writeConfig(without)]).ended()).toMatchObject({
    status: 1,
    stdout: expect.stringMatching(/nonexistent.*"cannot start"/),
  });
  const admin = { server: { ...server, admin_listen: new URL(proxy.adminUrl).host }, remote_write: remoteWrite };
  expect(await startCommand(['--config', await writeConfig(admin)]).ended()).toMatchObject({
    status: 1,
    stdout: expect.stringMatching(/EADDRINUSE.*"cannot listen"/),
  });
});

test('logs what the configuration warns of once, and names the worker on its lines', async () => {
  const { proxy } = await startPair({ follow_redirects: true }, TWO);
  await proxy.child.stop();
  expect(proxy.child.stdout.match(/redirects are never followed/g)).toHaveLength(1);
  for (const worker of [1, 2]) expect(proxy.child.stdout).toContain(`"worker":${worker},`);
});

function makeSenders(proxy: ProxyProcess, count: number): LedgerSender[] {
  const senders = Array.from(
    { length: count },
    (_, index) => new LedgerSender(proxy.writeUrl, { name: `sender-${index}` }),
  );
  // Before the proxy is ended, which gives connections that stay some seconds.
  onTestFinished(() => {
    for (const sender of senders) sender.close();
  });
  return senders;
}

/** Reads the data that a page gets when it opens. */
async function readStatusPage(proxy: ProxyProcess): Promise<Snapshot> {
  const { body } = await fetch(`${proxy.adminUrl}/status/stream`);
  let text = '';
  for await (const part of (body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    text += part;
    const [, data] = /event: status\ndata: (.*)\n\n/.exec(text) ?? [];
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the page gets
    if (data !== undefined) return JSON.parse(data) as Snapshot;
  }
  throw new Error('the stream ended without a status');
}

/** Reads metrics and readiness until it is ended: counters never fall, the ledger is balanced, and it stays ready. */
function follow(proxy: ProxyProcess): { end(): Promise<Exposition> } {
  const state = { over: false };
  const following = (async (): Promise<Exposition> => {
    let last = await proxy.metrics();
    while (!state.over) {
      const next = await proxy.metrics();
      expectNotBack(last, next);
      expectBalanced(readLedger(next));
      expect(await proxy.readiness()).toMatchObject({ status: 200 });
      last = next;
      await sleep(10);
    }
    return last;
  })();
  // `end` reports it; a failure before that must not count as unhandled.
  following.catch(() => undefined);
  return {
    end: async () => {
      state.over = true;
      return following;
    },
  };
}

function expectNotBack(before: Exposition, after: Exposition): void {
  const values = new Map(after.samples.map(({ name, labels, value }) => [name + JSON.stringify(labels), value]));
  for (const { name, labels, value } of before.samples) {
    if (!/_(?:total|count|sum|bucket)$/.test(name)) continue;
    expect(values.get(name + JSON.stringify(labels)), `${name} ${JSON.stringify(labels)}`).toBeGreaterThanOrEqual(
      value,
    );
  }
}
