/**
 * Two real Prometheus servers behind one proxy, and a workspace at its limit of active series. The label of one of them
 * explodes; the other's samples, and the first one's known series, arrive as ever. It lasts 20 s, and two minutes with
 * ISOLATION_LONG=1.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { until } from '../support/processes.ts';
import { startForwarder } from '../support/forwarder.ts';
import { PROMETHEUS, startPrometheus } from '../support/prometheus.ts';
import { entryFor, expectLedgerBalanced, startProxy, startSandboxProcess } from '../support/proxy.ts';
import { PLAIN_METRICS, startScrapeTarget } from '../support/scrape-target.ts';
import { stretched } from '../support/slowness.ts';

const WATCHED_MS = process.env['ISOLATION_LONG'] === '1' ? 120_000 : 20_000;
const SCRAPE_INTERVAL_MS = 1_000;
/** The new series of each scrape. */
const NEW_SERIES = 20;
/** They are used up within a few scrapes. */
const SERIES_LEFT = 100;
const LATEST_MS = 3_000;
/** Everything must be in order again this long after the first 429. */
const FIRST_INCIDENT_MS = 3_000;

describe.skipIf(PROMETHEUS === undefined)('two real Prometheus servers and a limit of active series', () => {
  test.each([
    { where: 'from two addresses', addresses: ['127.0.6.1', '127.0.6.2'] as const },
    { where: 'from one address', addresses: ['127.0.6.3', '127.0.6.3'] as const },
  ])(
    '$where: the calm one stays within 3 s of now, and so do the known series of the other',
    { timeout: stretched(WATCHED_MS + 90_000) },
    async ({ addresses }) => {
      const sandbox = await startSandboxProcess();
      const proxy = await startProxy({ remoteWrite: [entryFor(sandbox)] });
      let explodes = false;
      const target = await startScrapeTarget(PLAIN_METRICS, () =>
        Array.from({ length: explodes ? NEW_SERIES : 0 }, () => `exploding{id="${randomUUID()}"} 1\n`).join(''),
      );
      const [calmAddress, loudAddress] = addresses;
      await startPrometheus({
        name: 'calm',
        scrapeIntervalMs: SCRAPE_INTERVAL_MS,
        externalLabels: { prometheus: 'calm' },
        remoteWriteUrl: await startForwarder(proxy.writeUrl, calmAddress),
      });
      const loud = await startPrometheus({
        name: 'loud',
        scrapeIntervalMs: SCRAPE_INTERVAL_MS,
        targets: [target],
        externalLabels: { prometheus: 'loud' },
        remoteWriteUrl: await startForwarder(proxy.writeUrl, loudAddress),
      });
      /** Returns how far the newest stored sample of this one's `up` is behind now, in ms. */
      const lagMs = async (prometheus: string): Promise<number> => {
        const found = await sandbox.client.series(`up{prometheus="${prometheus}"}`);
        const newest = found.map(({ samples }) => Number(samples.at(-1)?.[0] ?? 0));
        // This is the lag of its slowest target.
        return newest.length === 0 ? Infinity : Date.now() - Math.min(...newest);
      };
      await until('both write', async () => Math.max(await lagMs('calm'), await lagMs('loud')) < LATEST_MS);
      await sleep(5_000);
      const { stored } = await sandbox.client.stats();
      await sandbox.client.changeRules({ maxActiveSeries: stored.series + SERIES_LEFT });
      explodes = true;
      await until('the limit is met', async () => (await sandbox.client.stats()).rejected.series_limit > 0);
      await sleep(FIRST_INCIDENT_MS);

      const worst = { calm: 0, loud: 0 };
      const endsAtMs = performance.now() + WATCHED_MS;
      while (performance.now() < endsAtMs) {
        worst.calm = Math.max(worst.calm, await lagMs('calm'));
        worst.loud = Math.max(worst.loud, await lagMs('loud'));
        await sleep(200);
      }
      process.stdout.write(`behind now at worst: calm ${worst.calm} ms, loud ${worst.loud} ms\n`);
      expect(worst.calm, 'the calm one is behind now, in ms').toBeLessThan(LATEST_MS);
      expect(worst.loud, 'known series of the other are behind now, in ms').toBeLessThan(LATEST_MS);
      const metrics = await proxy.metrics();
      expect(metrics.sum('amp_write_proxy_samples_rejected_total', { reason: 'series_limit' })).toBeGreaterThan(0);
      expect(metrics.sum('amp_write_proxy_upstream_down')).toBe(0);
      expect(proxy.child.stdout).not.toContain('upstream is down');
      const failed = (await loud.metrics()).sum('prometheus_remote_storage_samples_failed_total');
      expect(failed, 'the culprit was told, and drops').toBeGreaterThan(0);
      await expectLedgerBalanced(proxy);
    },
  );
});
