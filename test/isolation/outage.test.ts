/**
 * An outage with 20 senders: the breaker opens, probes, and closes when it is over; nobody's data is lost. The same with
 * a culprit among them. It lasts 18 s, and 60 s with ISOLATION_LONG=1.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { until } from '../support/processes.ts';
import { readLedger } from '../support/proxy.ts';
import { POISON_ANSWERS } from './answers.ts';
import { RowProxy } from './row-proxy.ts';
import { RowSender, SERIES_PER_REQUEST } from './row-sender.ts';
import { POISON_LABEL, PoisonUpstream, type Outage } from './upstream.ts';
import { stretched } from '../support/slowness.ts';

const OUTAGE_MS = process.env['ISOLATION_LONG'] === '1' ? 60_000 : 18_000;
const SENDERS = 20;
/** Short, so that an outage by hangs is seen early; the default is 10 s. */
const REMOTE_TIMEOUT_MS = 2_000;
/**
 * The breaker opens by the first failure after 5 s of them, which may be `max_backoff` (5 s) later; a hang is a failure
 * after `remote_timeout` only. The rest is for a busy machine.
 */
const OPENS_WITHIN_MS = { refused: 12_000, '503': 12_000, hang: 12_000 + REMOTE_TIMEOUT_MS } as const;
/** A second is promised; a probe that hangs is given up after `remote_timeout` first. The rest is for a busy machine. */
const CLOSES_WITHIN_MS = { refused: 2_000, '503': 2_000, hang: 2_000 + REMOTE_TIMEOUT_MS } as const;
/** Retry-After is a second; the rest is for a busy machine. */
const FLOWS_AGAIN_MS = 4_000;
/** Four senders at a time probe, each every 500 ms, and one in 100 ms gives its place to another sender. */
const MOST_PROBES_A_SECOND = 4 * 2 + 10 + 7;

const pace = async (): Promise<void> => sleep(200);

const culprit = POISON_ANSWERS.find(({ name }) => name === '500');

describe.concurrent.each(['refused', '503', 'hang'] as const)('an outage by %s', (outage: Outage) => {
  test.for([
    { name: 'twenty senders', poison: undefined },
    { name: 'twenty senders and a culprit', poison: culprit },
  ])(
    'opens the breaker, is probed, and is over for $name at its end',
    { timeout: stretched(OUTAGE_MS + 90_000) },
    async ({ poison }, { onTestFinished }) => {
      const upstream = new PoisonUpstream(poison, 20);
      const proxy = await RowProxy.start(await upstream.listen(), { remote_timeout: `${REMOTE_TIMEOUT_MS}ms` });
      let isOver = false;
      const good = Array.from(
        { length: SENDERS },
        (_, index) =>
          new RowSender(proxy.writeUrl, { name: `good-${index}`, localAddress: `127.0.1.${index + 1}`, pace }),
      );
      const labels = { [POISON_LABEL]: 'yes' };
      const culprits =
        poison === undefined
          ? []
          : [new RowSender(proxy.writeUrl, { name: 'culprit', localAddress: '127.0.2.1', labels, pace })];
      const senders = [...good, ...culprits];
      onTestFinished(async () => {
        isOver = true;
        for (const sender of senders) sender.close();
        await proxy.kill();
        await upstream.close();
      });
      const isDown = async (): Promise<boolean> => (await proxy.metrics()).sum('amp_write_proxy_upstream_down') > 0;

      const attempts = async (): Promise<number> =>
        (await proxy.metrics()).sum('amp_write_proxy_upstream_responses_total');

      const sending = senders.map(async (sender) => sender.run(() => isOver));
      await until('everybody was accepted', () => good.every(({ acknowledged }) => acknowledged.length >= 2));
      expect(await isDown()).toBe(false);

      const beganAtMs = performance.now();
      await upstream.beginOutage(outage);
      await until('the breaker is open', isDown, OPENS_WITHIN_MS[outage]);
      await sleep(1_000);
      const attemptsBefore = await attempts();
      const probingFromMs = performance.now();
      await sleep(Math.max(2_000, beganAtMs + OUTAGE_MS - performance.now()));
      const probes = (await attempts()) - attemptsBefore;
      const probingSeconds = (performance.now() - probingFromMs) / 1_000;
      expect(await isDown(), 'the breaker stays open until the end').toBe(true);
      expect(probes, 'probes').toBeGreaterThan(0);
      expect(probes / probingSeconds, 'probes in a second').toBeLessThan(MOST_PROBES_A_SECOND);

      const acceptedBefore = new Map(good.map((sender) => [sender, sender.acknowledged.length]));
      await upstream.endOutage();
      const endedAtMs = performance.now();
      await until('the breaker is closed', async () => !(await isDown()), CLOSES_WITHIN_MS[outage]);
      const closedAfterMs = performance.now() - endedAtMs;
      await until(
        'everybody is accepted again',
        () => good.every((sender) => sender.acknowledged.length > (acceptedBefore.get(sender) ?? 0)),
        FLOWS_AGAIN_MS + CLOSES_WITHIN_MS[outage] - closedAfterMs,
      );
      process.stdout.write(
        `outage by ${outage}${poison === undefined ? '' : ' with a culprit'}: ${(probes / probingSeconds).toFixed(1)} probes/s, ` +
          `closed after ${Math.round(closedAfterMs)} ms, all flow after ${Math.round(performance.now() - endedAtMs)} ms\n`,
      );
      await sleep(2_000);
      expect(await isDown(), 'the culprit opens it again').toBe(false);

      isOver = true;
      for (const sender of culprits) sender.close();
      await Promise.all(sending);
      const told = new Set(good.flatMap(({ attempts }) => attempts.map(({ status }) => status)));
      expect([...told].toSorted((a, b) => a - b)).toEqual([204, 503]);
      const missing = good.flatMap(({ seriesNames, acknowledged }) =>
        seriesNames.map((name) => upstream.countMissing(name, acknowledged)),
      );
      expect(
        missing.reduce((sum, count) => sum + count, 0),
        'acknowledged samples that are missing',
      ).toBe(0);
      expect(upstream.disordered).toBe(0);
      const ledger = await until('nothing is pending', async () => {
        const reading = readLedger(await proxy.metrics());
        return reading.pending === 0 ? reading : undefined;
      });
      const acknowledged = good.reduce((sum, sender) => sum + sender.acknowledged.length * SERIES_PER_REQUEST, 0);
      expect(ledger.delivered).toBe(acknowledged);
      expect(ledger.received).toBe(ledger.delivered + ledger.rejected + ledger.refused);
    },
  );
});
