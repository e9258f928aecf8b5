/**
 * A real Prometheus catches up after an outage, exemplars on, while bad senders earn 400s beside it: none of its own
 * samples is refused for being sent twice. The upstream refuses exemplars out of order, and repeats behind the
 * out-of-order window, as Cortex does. The outage lasts 15 s, and 90 s with ISOLATION_LONG=1.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startForwarder } from '../support/forwarder.ts';
import { until } from '../support/processes.ts';
import { PROMETHEUS, startPrometheus } from '../support/prometheus.ts';
import { entryFor, expectLedgerBalanced, startProxy, startSandboxProcess } from '../support/proxy.ts';
import { OPEN_METRICS, startScrapeTarget } from '../support/scrape-target.ts';
import { LedgerSender } from '../support/sending.ts';
import { stretched } from '../support/slowness.ts';

const OUTAGE_MS = process.env['ISOLATION_LONG'] === '1' ? 90_000 : 15_000;
const SCRAPE_INTERVAL_MS = 500;
const SERIES = 20;

describe.skipIf(PROMETHEUS === undefined)('a real Prometheus that catches up beside bad senders', () => {
  test('has no sample refused', { timeout: stretched(OUTAGE_MS + 120_000) }, async () => {
    const sandbox = await startSandboxProcess();
    const proxy = await startProxy({ remoteWrite: [entryFor(sandbox)] });
    await sandbox.client.changeRules({ enforceExemplarOrder: true });
    const target = await startScrapeTarget(OPEN_METRICS, withExemplars);
    const prometheus = await startPrometheus({
      name: 'good',
      scrapeIntervalMs: SCRAPE_INTERVAL_MS,
      targets: [target],
      externalLabels: { prometheus: 'good' },
      remoteWriteUrl: await startForwarder(proxy.writeUrl, '127.0.7.1'),
      maxSamplesPerSend: 1_000,
      sendExemplars: true,
      args: ['--enable-feature=exemplar-storage'],
    });
    const lagMs = async (): Promise<number> => {
      const [series] = await sandbox.client.series('with_exemplars_total{index="0"}');
      return Date.now() - Number(series?.samples.at(-1)?.[0] ?? 0);
    };
    await until('it writes', async () => (await lagMs()) < 3_000);
    expect((await sandbox.client.stats()).received.exemplars).toBeGreaterThan(0);

    await sandbox.client.addFaults({ action: { kind: 'status', status: 503, body: 'unavailable' } });
    await sleep(OUTAGE_MS);
    const bad = { name: 'sender', value: 'bad' };
    await sandbox.client.replaceFaults(
      { action: { kind: 'delay', ms: 400 } },
      { action: { kind: 'status', status: 400, body: 'out of order sample' }, label: bad, apply: true },
    );
    const crowd = new BadCrowd(proxy.writeUrl);
    onTestFinished(() => crowd.end());
    const crowding = crowd.run();
    await until('it has caught up', async () => (await lagMs()) < 3_000, 60_000);
    await sleep(3_000);
    crowd.end();
    await crowding;

    const mixed = (await sandbox.client.requests()).filter(
      ({ seriesKeys }) =>
        seriesKeys.some((key) => key.includes('sender="bad"')) &&
        seriesKeys.some((key) => key.includes('prometheus="good"')),
    );
    process.stdout.write(`${mixed.length} requests held both, ${crowd.told400} bad ones were told 400\n`);
    expect(crowd.told400, 'bad senders were told').toBeGreaterThan(10);
    const metrics = await prometheus.metrics();
    const lost = ['samples', 'exemplars', 'histograms'].map((kind) => [
      kind,
      metrics.sum(`prometheus_remote_storage_${kind}_failed_total`),
    ]);
    expect(Object.fromEntries(lost)).toEqual({ samples: 0, exemplars: 0, histograms: 0 });
    await expectLedgerBalanced(proxy);
  });
});

/** Counters whose exemplars change with every scrape. */
function withExemplars(scrapes: number): string {
  const lines = Array.from(
    { length: SERIES },
    (_, index) =>
      `with_exemplars_total{index="${index}"} ${scrapes + 1} # {trace_id="${scrapes}-${index}"} 1 ${(Date.now() / 1000).toFixed(3)}\n`,
  );
  return `# TYPE with_exemplars counter\n${lines.join('')}# EOF\n`;
}

/** Bad requests, each from an address that was not seen before, so that nothing is known about its sender. */
class BadCrowd {
  told400 = 0;
  readonly #url: string;
  #over = false;

  constructor(url: string) {
    this.#url = url;
  }

  async run(): Promise<void> {
    for (let index = 0; !this.#over; index += 1) {
      const localAddress = `127.0.${8 + Math.floor(index / 200)}.${1 + (index % 200)}`;
      const sender = new LedgerSender(this.#url, { name: 'bad', localAddress });
      // The answer is not waited for, so that there is always one on its way.
      void this.#send(sender);
      await sleep(100);
    }
  }

  end(): void {
    this.#over = true;
  }

  async #send(sender: LedgerSender): Promise<void> {
    const { status } = await sender.send(sender.makeSeries(2));
    if (status === 400) this.told400 += 1;
    sender.close();
  }
}
