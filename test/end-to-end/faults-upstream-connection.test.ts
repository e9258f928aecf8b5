/** Faults between the proxy and the upstream other than its status. */
import { pathToFileURL } from 'node:url';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { FaultSpec } from '../../src/dev/sandbox/faults.ts';
import { ROOT, sleep, temporaryDirectory, until } from '../support/processes.ts';
import { startSandboxProcess } from '../support/proxy.ts';
import { expectPromisesKept, isAccepted, isRefused, residentBytes, startScene } from '../support/scene.ts';

interface Row {
  readonly name: string;
  readonly fault: FaultSpec;
  /** The reason as the metric names it. */
  readonly reason: string;
}

const ROWS: readonly Row[] = [
  { name: 'accepts and never answers', fault: { action: { kind: 'hang' } }, reason: 'timeout' },
  { name: 'never reads', fault: { action: { kind: 'hang', at: 'before-body' } }, reason: 'timeout' },
  { name: 'answers a byte every 100 ms', fault: { action: { kind: 'drip', intervalMs: 100 } }, reason: 'timeout' },
  { name: 'resets before the body', fault: { action: { kind: 'reset', at: 'before-body' } }, reason: 'reset' },
  { name: 'resets during the body', fault: { action: { kind: 'reset', at: 'during-body' } }, reason: 'reset' },
  { name: 'resets after the body', fault: { action: { kind: 'reset', at: 'after-body' } }, reason: 'reset' },
  {
    name: 'takes the samples and then resets',
    fault: { action: { kind: 'reset', at: 'after-body' }, apply: true },
    reason: 'reset',
  },
  { name: 'resets during its answer', fault: { action: { kind: 'reset', at: 'during-response' } }, reason: 'reset' },
  { name: 'ends its answer too early', fault: { action: { kind: 'truncate' } }, reason: 'reset' },
  { name: 'answers garbage', fault: { action: { kind: 'garbage' } }, reason: 'garbage' },
  { name: 'refuses connections', fault: { action: { kind: 'down' } }, reason: 'connect_refused' },
];

test.each(ROWS)('an upstream that $name costs senders a 503, and no sample', async ({ fault, reason }) => {
  const scene = await startScene({ deliveryTimeoutMs: 1_000 });
  await scene.under([fault], 1, isRefused);
  await expectPromisesKept(scene);
  expect(await scene.upstreamResponses(reason)).toBeGreaterThan(0);
});

test('answers in time also those who wait behind others for an upstream that hangs', async () => {
  // The senders have different clusters, so that they cannot share a batch, and send one at a time.
  const senders = Array.from({ length: 6 }, (_, index) => ({
    name: `sender-${index}`,
    labels: { cluster: `cluster-${index}`, __replica__: 'a' },
  }));
  const scene = await startScene({ senders, deliveryTimeoutMs: 1_000, queue: { max_shards: 1 } });
  await scene.under([{ action: { kind: 'hang' } }], 1, isRefused);
  await expectPromisesKept(scene);
  expect(await scene.upstreamResponses('timeout')).toBeGreaterThan(0);
});

test('is not noticed by senders when every fourth attempt fails, one way or another', async () => {
  const scene = await startScene();
  const mixed = ROWS.filter(({ fault }) => fault.action.kind !== 'down' && fault.action.kind !== 'hang');
  scene.load();
  await scene.client.addFaults(
    ...mixed.map(({ fault }, index): FaultSpec => ({ ...fault, probability: 0.04, seed: index })),
  );
  await scene.answers(25);
  await scene.client.clearFaults();
  await expectPromisesKept(scene);
  const refused = scene.senders.flatMap(({ statuses }) => statuses.filter(isRefused));
  expect(refused.length).toBeLessThanOrEqual(2);
});

test('closing idle connections just as they are used loses nothing and is retried unseen', async () => {
  const scene = await startScene();
  await scene.client.addFaults({ action: { kind: 'close-idle', afterMs: 20 } });
  for (let round = 0; round < 12; round += 1) {
    await Promise.all(scene.senders.map(async (sender) => sender.deliver(sender.makeSample(5, Date.now()))));
    // About as long as the sandbox keeps a connection.
    await sleep(15 + round);
  }
  await scene.client.replaceFaults({ action: { kind: 'reset', at: 'after-body' }, onReusedConnection: true, times: 5 });
  await Promise.all(scene.senders.map(async (sender) => sender.deliver(sender.makeSample(5, Date.now()))));
  await scene.client.clearFaults();
  await expectPromisesKept(scene);
  expect(new Set(scene.senders.flatMap(({ statuses }) => statuses))).toEqual(new Set([204]));
});

test('senders get quick refusals and memory stays flat during an outage, and full flow follows its end', async () => {
  const senders = Array.from({ length: 12 }, (_, index) => ({ name: `sender-${index}` }));
  const scene = await startScene({ senders });
  scene.load();
  await scene.answers(2, isAccepted);
  const residentBefore = await residentBytes(scene.proxy);
  await scene.client.addFaults({ action: { kind: 'down' } });
  await until('the breaker opens', async () => (await downMetric(scene)) === 1, 15_000);
  const from = scene.senders.map(({ requests }) => requests.length);
  await sleep(3_000);
  const during = scene.senders.flatMap(({ requests }, index) => requests.slice(from[index]));
  expect(new Set(during.map(({ answer }) => answer?.status ?? 503))).toEqual(new Set([503]));
  // All but the few that probe.
  const quick = during.filter(({ answer, tookMs = Infinity }) => answer !== undefined && tookMs < 500);
  expect(quick.length).toBeGreaterThan(8 * 10);
  expect(quick.at(-1)?.answer?.text).toMatch(/upstream is down.*connect/);
  expect(during.length - quick.length).toBeLessThan(4 * 5);
  expect((await residentBytes(scene.proxy)) - residentBefore).toBeLessThan(60 * 1024 * 1024);

  await scene.client.clearFaults();
  const endedAtMs = performance.now();
  await scene.answers(3, isAccepted);
  expect(performance.now() - endedAtMs, 'three rounds of every sender after the end').toBeLessThan(4_000);
  expect(await downMetric(scene)).toBe(0);
  await expectPromisesKept(scene);
});

/**
 * The name is looked up by a hook inside the proxy (test/support/lookup-hook.ts), as the system's resolver cannot be
 * pointed elsewhere by a test; everything else is real.
 */
test('a name that does not resolve gives 503 and the reason, and is looked up again', async () => {
  const hosts = path.join(await temporaryDirectory(), 'hosts.json');
  await writeFile(hosts, '{}');
  const sandbox = await startSandboxProcess();
  const url = new URL(sandbox.remoteWriteUrl);
  url.hostname = 'amp.invalid';
  const hook = pathToFileURL(path.join(ROOT, 'test/support/lookup-hook.ts')).href;
  const scene = await startScene({
    sandbox,
    entry: { url: url.href },
    deliveryTimeoutMs: 1_000,
    proxy: { env: { NODE_OPTIONS: `--import=${hook}`, TEST_HOSTS_FILE: hosts } },
  });
  scene.load();
  await scene.answers(1, isRefused);
  expect(scene.senders[0]?.requests[0]?.answer?.text).toMatch(/dns.*amp\.invalid/);
  expect(await scene.upstreamResponses('dns')).toBeGreaterThan(0);
  await writeFile(hosts, JSON.stringify({ 'amp.invalid': '127.0.0.1' }));
  await scene.answers(2, isAccepted);
  // Down again under load. Connections that are open need no name, so the sandbox ends them.
  await writeFile(hosts, '{}');
  const [id = ''] = await scene.client.addFaults({ action: { kind: 'close-idle', afterMs: 0 } });
  await scene.answers(1, isRefused);
  await scene.client.removeFault(id);
  await writeFile(hosts, JSON.stringify({ 'amp.invalid': '127.0.0.1' }));
  await expectPromisesKept(scene);
});

async function downMetric({ proxy }: Awaited<ReturnType<typeof startScene>>): Promise<number> {
  return (await proxy.metrics()).sum('amp_write_proxy_upstream_down');
}
