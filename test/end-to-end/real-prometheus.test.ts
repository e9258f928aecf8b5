/** P2: the samples of a real Prometheus arrive bit by bit as it stores them itself. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SeriesDocument } from '../../src/dev/sandbox/control.ts';
import { until } from '../support/processes.ts';
import { PROMETHEUS, startPrometheus, type QueriedSeries, type QueryResult } from '../support/prometheus.ts';
import { expectLedgerBalanced, startPair, startProxy } from '../support/proxy.ts';
import { hexOf, keyOf, STALE_MARKER } from '../support/sending.ts';
import { stretched } from '../support/slowness.ts';

const EXTERNAL_LABELS = { cluster: 'eks-test', region: 'us-west-2' };
const SCRAPE_INTERVAL_MS = 500;
const SCRAPES = 6;
/** The least number of series in one scrape of a Prometheus. */
const LEAST_SERIES = 300;

describe.skipIf(PROMETHEUS === undefined)('a real Prometheus that scrapes itself and writes through the proxy', () => {
  test(
    'finds every series and sample of its own query in the sandbox, with equal bits',
    { timeout: stretched(60_000) },
    async () => {
      const { sandbox, proxy } = await startPair();
      const target = await startTarget();
      const prometheus = await startPrometheus({
        name: 'prometheus',
        scrapeIntervalMs: SCRAPE_INTERVAL_MS,
        targets: [target.address],
        externalLabels: EXTERNAL_LABELS,
        remoteWriteUrl: proxy.writeUrl,
      });
      await prometheus.scraped(SCRAPES);
      await target.stop();
      await until('the series of the target that has gone end with a stale marker', async () => {
        const gone = await sandbox.client.series('awkward');
        return gone.length === AWKWARD_TEXT.length && gone.every(endsStale);
      });
      await prometheus.stopScraping();
      const { own, documents } = await until('the sandbox has as many samples as the query', async () => {
        const found = { own: await prometheus.queryAll(Date.now()), documents: await sandbox.client.series() };
        return countOf(arrivedOf(found.documents)) === countOf(found.own) ? found : undefined;
      });

      expect(own.size).toBeGreaterThanOrEqual(LEAST_SERIES);
      expectEqualSeries(own, arrivedOf(documents));
      const histograms = documents.flatMap((document) => document.histograms);
      const samples = documents.flatMap((document) => document.samples);
      expect(histograms.length).toBeGreaterThanOrEqual(await prometheus.leastNativeHistograms());
      expect(samples.length).toBeGreaterThan(LEAST_SERIES * (SCRAPES - 1));
      expect(Object.keys(await sandbox.client.metadata())).toContain('prometheus_build_info');

      const { received, refused, rejected } = await expectLedgerBalanced(proxy, {
        acknowledged: samples.length + histograms.length,
      });
      expect({ received, refused, rejected }).toEqual({
        received: samples.length + histograms.length,
        refused: 0,
        rejected: 0,
      });
    },
  );

  test(
    'writes on into a second real Prometheus, and both answer the same query alike',
    { timeout: stretched(60_000) },
    async () => {
      const receiver = await startPrometheus({ name: 'receiver', args: ['--web.enable-remote-write-receiver'] });
      const sigv4 = { region: 'us-west-2', access_key: 'AKIANOACCOUNT', secret_key: 'of-no-account' };
      const proxy = await startProxy({ remoteWrite: [{ url: `${receiver.url}/api/v1/write`, sigv4 }] });
      const prometheus = await startPrometheus({
        name: 'prometheus',
        scrapeIntervalMs: SCRAPE_INTERVAL_MS,
        externalLabels: EXTERNAL_LABELS,
        remoteWriteUrl: proxy.writeUrl,
      });
      await prometheus.scraped(SCRAPES);
      await prometheus.stopScraping();
      const atMs = Date.now();
      const own = await prometheus.queryAll(atMs);
      const theirs = await until('the receiver has as many samples', async () => {
        const result = await receiver.queryAll(atMs);
        return countOf(result) >= countOf(own) ? result : undefined;
      });
      expect(own.size).toBeGreaterThanOrEqual(LEAST_SERIES);
      expect(countOf(own)).toBeGreaterThan(LEAST_SERIES * (SCRAPES - 1));
      expect(Object.fromEntries(theirs)).toEqual(Object.fromEntries(own));
      const histograms = [...own.values()].filter((series) => series.histograms.size > 0);
      expect(histograms.length).toBeGreaterThanOrEqual(await prometheus.leastNativeHistograms());
      const { refused, rejected } = await expectLedgerBalanced(proxy);
      expect({ refused, rejected }).toEqual({ refused: 0, rejected: 0 });
    },
  );
});

/** The values that a target may write. Not -0: Prometheus leaves a value that equals 0 out of the message it sends. */
const AWKWARD_TEXT = ['NaN', '+Inf', '-Inf', '5e-324', '1.7976931348623157e308', '0.1', '9007199254740993'];

/** Something to scrape, which goes away when told to. */
async function startTarget(): Promise<{ address: string; stop(): Promise<void> }> {
  const page = AWKWARD_TEXT.map((text, index) => `awkward{index="${index}"} ${text}\n`).join('');
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4').end(page);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  onTestFinished(stop);
  return { address: `127.0.0.1:${address.port}`, stop };
}

function endsStale({ samples }: SeriesDocument): boolean {
  return samples.at(-1)?.[1] === hexOf(STALE_MARKER);
}

function countOf(result: QueryResult): number {
  return [...result.values()].reduce((sum, { samples, histograms }) => sum + samples.size + histograms.size, 0);
}

/** Returns the sandbox's samples, without stale markers, in the form of a query. */
function arrivedOf(documents: readonly SeriesDocument[]): QueryResult {
  return new Map(
    documents.map(({ labels, samples, histograms }) => [
      keyOf(labels),
      {
        samples: new Map(
          samples.filter(([, hex]) => hex !== hexOf(STALE_MARKER)).map(([at, hex]) => [Number(at), hex] as const),
        ),
        histograms: new Map(
          histograms
            .filter(([, hex]) => !isStaleHistogram(hex))
            .map(([at, hex]) => [Number(at), decodeHistogram(hex)] as const),
        ),
      },
    ]),
  );
}

function expectEqualSeries(own: QueryResult, arrived: QueryResult): void {
  expect([...arrived.keys()].toSorted()).toEqual([...own.keys()].toSorted());
  for (const [key, { samples, histograms }] of own) {
    expect(arrived.get(key)?.samples, `samples of ${key}`).toEqual(samples);
    expect(countAndSum(arrived.get(key)), `histograms of ${key}`).toEqual(countAndSum({ samples, histograms }));
  }
}

/** The API prints nothing else of a histogram that is comparable; the buckets arrive in the same bytes. */
function countAndSum(series: QueriedSeries | undefined): [atMs: number, count: number, sum: number][] {
  return [...(series?.histograms ?? [])].map(([at, { count, sum }]) => [at, Number(count), Number(sum)]);
}

const root = new protobuf.Root();
root.loadSync(fileURLToPath(new URL('../../proto/remote.proto', import.meta.url)));
const Histogram = root.lookupType('prometheus.Histogram');

function decodeHistogram(hex: string): { count: string; sum: string } {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- protobufjs types toObject() as a bare record; the fields are the schema's
  const histogram = Histogram.toObject(Histogram.decode(Buffer.from(hex, 'hex')), { longs: String }) as {
    countInt?: string;
    countFloat?: number;
    sum?: number;
  };
  return { count: histogram.countInt ?? String(histogram.countFloat ?? 0), sum: String(histogram.sum ?? 0) };
}

/** The sum (field 3, fixed64) is looked for as bytes, as a JS number does not keep a NaN's. */
function isStaleHistogram(hex: string): boolean {
  return hex.includes('19020000000000f07f');
}
