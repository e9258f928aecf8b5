/** SIGTERM loses nothing that was acknowledged, and answers everybody (docs/operations.md, "Draining"). */
import { expect, test } from 'vitest';
import { expectNothingLost } from '../support/judge.ts';
import { sleep, until } from '../support/processes.ts';
import { expectBalanced, readLedger, startPair, type LedgerReading, type ProxyProcess } from '../support/proxy.ts';
import { LedgerSender, type Answer } from '../support/sending.ts';

const SENDERS = 6;
const SERIES = 30;

test('becomes unready immediately on SIGTERM, answers all requests in flight, and exits 0', async () => {
  const { sandbox, proxy } = await startPair({}, { server: { shutdown_timeout: '20s' } });
  await sandbox.client.addFaults({ action: { kind: 'delay', ms: 1_500 } });
  const senders = makeSenders(proxy);
  const answers = Promise.all(senders.map(async (sender) => sender.send(sender.makeSeries(SERIES))));
  await until('all requests are in', async () => (await ledgerOf(proxy)).pending === SENDERS * SERIES);

  const startedAtMs = performance.now();
  proxy.child.trySignal('SIGTERM');
  await until('it is not ready', async () => (await proxy.readiness()).status === 503);
  expect(performance.now() - startedAtMs, 'while requests are still in flight').toBeLessThan(1_400);
  expect((await proxy.readiness()).text).toMatch(/shutting down/);
  const last = await followLedger(proxy);
  for (const answer of await answers) expect(answer).toMatchObject({ status: 204, text: '' });
  const { status, stdout } = await proxy.child.ended();
  expect(status).toBe(0);
  // Kept connections that nobody uses any more must not hold it until shutdown_timeout.
  expect(performance.now() - startedAtMs, 'the requests take 1.5 s').toBeLessThan(10_000);
  expect(stdout).toMatch(/"drained"/);
  expect(last.received).toBe(SENDERS * SERIES);
  const { stored } = await expectNothingLost(sandbox.client, senders);
  expect(stored).toBe(SENDERS * SERIES);
});

test('loses nothing acknowledged when SIGTERM comes under load, and resets no request that it has begun to answer', async () => {
  const { sandbox, proxy } = await startPair();
  await sandbox.client.addFaults({ action: { kind: 'delay', ms: 30 } });
  const senders = makeSenders(proxy);
  const sending = Promise.all(
    senders.map(async (sender) => {
      while (proxy.child.running) await sender.send(sender.makeSeries(SERIES));
    }),
  );
  await until('load', () => senders.every(({ requests }) => requests.length > 5));
  proxy.child.trySignal('SIGTERM');
  const last = await followLedger(proxy);
  const { status } = await proxy.child.ended();
  await sending;
  expect(status).toBe(0);
  expect(last.received).toBeGreaterThanOrEqual(SENDERS * 5 * SERIES);
  // 204 until the end, then nobody listens any more.
  for (const { statuses } of senders) {
    const answered = statuses.filter((code) => code !== 0);
    expect(new Set(answered)).toEqual(new Set([204]));
    expect(statuses.slice(0, answered.length), 'no answer is missing in between').toEqual(answered);
  }
  await expectNothingLost(sandbox.client, senders);
});

test('exits 0 inside shutdown_timeout when the upstream hangs, and tells its senders 503', async () => {
  const { sandbox, proxy } = await startPair({}, { server: { shutdown_timeout: '3s' } });
  await sandbox.client.addFaults({ action: { kind: 'hang' } });
  const senders = makeSenders(proxy);
  const answers = Promise.all(senders.map(async (sender) => sender.send(sender.makeSeries(SERIES))));
  await until('all requests are in', async () => (await ledgerOf(proxy)).pending === SENDERS * SERIES);

  const startedAtMs = performance.now();
  proxy.child.trySignal('SIGTERM');
  const last = await followLedger(proxy);
  for (const answer of await answers) expectRefused(answer);
  const { status } = await proxy.child.ended();
  expect(status).toBe(0);
  // Some seconds of slack for a busy machine; without the timeout it would be delivery_timeout, 25 s.
  expect(performance.now() - startedAtMs).toBeLessThan(8_000);
  expect(last).toMatchObject({ received: SENDERS * SERIES, delivered: 0 });
  const { acknowledged } = await expectNothingLost(sandbox.client, senders);
  expect(acknowledged).toBe(0);
});

test('drains on when the same signal is passed on to it, and ends at once when it is asked again', async () => {
  const { sandbox, proxy } = await startPair();
  await sandbox.client.addFaults({ action: { kind: 'hang' } });
  const [sender] = makeSenders(proxy);
  const answer = sender?.send(sender.makeSeries(SERIES));
  await until('the request is in', async () => (await ledgerOf(proxy)).pending === SERIES);

  proxy.child.trySignal('SIGTERM');
  await until('it drains', () => /"draining"/.test(proxy.child.stdout));
  proxy.child.trySignal('SIGTERM');
  proxy.child.trySignal('SIGINT');
  await sleep(1_200);
  expect((await proxy.readiness()).text, 'twice within a second').toMatch(/shutting down/);
  proxy.child.trySignal('SIGINT');
  const { status, stdout } = await proxy.child.ended();
  expect(status).toBe(130);
  expect(stdout).toMatch(/"level":"warn".*"signal":"SIGINT".*asked again to end/);
  expect(await answer).toMatchObject({ status: 0 });
});

function makeSenders(proxy: ProxyProcess): LedgerSender[] {
  return Array.from({ length: SENDERS }, (_, index) => new LedgerSender(proxy.writeUrl, { name: `sender-${index}` }));
}

function expectRefused({ status, text, headers }: Answer): void {
  expect({ status, text }).toEqual({ status: 503, text: expect.stringMatching(/shutting down/) });
  expect(Number(headers['retry-after'])).toBeGreaterThan(0);
}

async function ledgerOf(proxy: ProxyProcess): Promise<LedgerReading> {
  return readLedger(await proxy.metrics());
}

/** Checks the ledger for as long as /metrics answers. @returns the last reading */
async function followLedger(proxy: ProxyProcess): Promise<LedgerReading> {
  let last = await ledgerOf(proxy);
  for (;;) {
    expectBalanced(last);
    try {
      last = await ledgerOf(proxy);
    } catch {
      return last;
    }
    await sleep(20);
  }
}
