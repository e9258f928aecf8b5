/** A real Prometheus: found by PROMETHEUS_BIN or on PATH. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Exposition } from './exposition.ts';
import { freePort, startChild, temporaryDirectory, until, type Child } from './processes.ts';
import { findProgram } from './program.ts';
import { bitsOf, hexOf, keyOf } from './sending.ts';

export const PROMETHEUS = findProgram('prometheus', 'PROMETHEUS_BIN');
export const PROMTOOL = findProgram('promtool', 'PROMTOOL_BIN');

export interface PrometheusOptions {
  readonly name: string;
  /** Scrapes itself this often; absent: not at all. */
  readonly scrapeIntervalMs?: number;
  /** Scraped as well, as often: host:port. */
  readonly targets?: readonly string[];
  readonly externalLabels?: Readonly<Record<string, string>>;
  readonly remoteWriteUrl?: string;
  /** Default 200, so that a scrape is several requests. */
  readonly maxSamplesPerSend?: number;
  /** Needs `--enable-feature=exemplar-storage` among the arguments. */
  readonly sendExemplars?: boolean;
  readonly args?: readonly string[];
}

/** Series by key, external labels included; samples by timestamp in ms. */
export type QueryResult = ReadonlyMap<string, QueriedSeries>;

export interface QueriedSeries {
  /** Timestamp in ms -> value as 16 hex digits. */
  readonly samples: ReadonlyMap<number, string>;
  /** Timestamp in ms -> a native histogram as the API prints it. */
  readonly histograms: ReadonlyMap<number, PrintedHistogram>;
}

export interface PrintedHistogram {
  readonly count: string;
  readonly sum: string;
}

export class PrometheusProcess {
  readonly child: Child;
  readonly url: string;
  readonly #options: PrometheusOptions;
  readonly #configFile: string;

  constructor(child: Child, url: string, configFile: string, options: PrometheusOptions) {
    this.child = child;
    this.url = url;
    this.#configFile = configFile;
    this.#options = options;
  }

  get #address(): string {
    return new URL(this.url).host;
  }

  /** Scrapes that it makes of itself carry native histograms from version 3 on. */
  async leastNativeHistograms(): Promise<0 | 1> {
    const response = await fetch(`${this.url}/api/v1/status/buildinfo`);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- https://prometheus.io/docs/prometheus/latest/querying/api/#build-information
    const { data } = (await response.json()) as { readonly data: { readonly version: string } };
    return Number.parseInt(data.version, 10) >= 3 ? 1 : 0;
  }

  /** Every sample of the five minutes up to `atMs`; stale markers are not among them. */
  async queryAll(atMs: number, selector = '{__name__=~".+"}'): Promise<QueryResult> {
    const form = new URLSearchParams({ query: `${selector}[5m]`, time: (atMs / 1000).toFixed(3) });
    const response = await fetch(`${this.url}/api/v1/query`, { method: 'POST', body: form });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- https://prometheus.io/docs/prometheus/latest/querying/api/#range-vectors
    const answer = (await response.json()) as MatrixAnswer;
    const { externalLabels = {} } = this.#options;
    return new Map(
      answer.data.result.map(({ metric, values = [], histograms = [] }) => [
        keyOf({ ...externalLabels, ...metric }),
        {
          samples: new Map(values.map(([at, text]) => [Math.round(at * 1000), hexOf(parseBits(text))])),
          histograms: new Map(histograms.map(([at, histogram]) => [Math.round(at * 1000), histogram])),
        },
      ]),
    );
  }

  /** Resolves after so many scrapes; the first comes some 5 s after the start, when targets are looked at. */
  async scraped(times: number): Promise<void> {
    const key = keyOf({ ...this.#options.externalLabels, __name__: 'up', instance: this.#address, job: 'prometheus' });
    await until(`${times} scrapes`, async () => {
      const count = (await this.queryAll(Date.now(), 'up')).get(key)?.samples.size ?? 0;
      return count >= times;
    });
  }

  /** Reads its own metrics. */
  async metrics(): Promise<Exposition> {
    return new Exposition(await (await fetch(`${this.url}/metrics`)).text());
  }

  /** Takes the scrapes away, which leaves no stale markers. */
  async stopScraping(): Promise<void> {
    const { scrapeIntervalMs: _, ...rest } = this.#options;
    await writeFile(this.#configFile, configuration(rest, this.#address));
    this.child.trySignal('SIGHUP');
  }
}

export async function startPrometheus(options: PrometheusOptions): Promise<PrometheusProcess> {
  if (PROMETHEUS === undefined) throw new Error('there is no prometheus; set PROMETHEUS_BIN');
  const directory = await temporaryDirectory();
  const address = `127.0.0.1:${await freePort()}`;
  const configFile = path.join(directory, 'prometheus.yml');
  await writeFile(configFile, configuration(options, address));
  const child = startChild(options.name, PROMETHEUS, [
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${path.join(directory, 'data')}`,
    `--web.listen-address=${address}`,
    '--scrape.discovery-reload-interval=100ms',
    '--enable-feature=native-histograms',
    ...(options.args ?? []),
  ]);
  const url = `http://${address}`;
  await child.ready(async () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok || undefined,
      () => undefined,
    ),
  );
  return new PrometheusProcess(child, url, configFile, options);
}

interface MatrixAnswer {
  readonly data: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly values?: readonly (readonly [seconds: number, value: string])[];
      readonly histograms?: readonly (readonly [seconds: number, histogram: PrintedHistogram])[];
    }[];
  };
}

/** JSON is YAML. */
function configuration(options: Omit<PrometheusOptions, 'name'>, address: string): string {
  const { scrapeIntervalMs, externalLabels = {}, remoteWriteUrl, targets = [], maxSamplesPerSend = 200 } = options;
  const interval = `${scrapeIntervalMs ?? 60_000}ms`;
  return JSON.stringify({
    global: { scrape_interval: interval, scrape_timeout: interval, external_labels: externalLabels },
    scrape_configs:
      scrapeIntervalMs === undefined
        ? []
        : [{ job_name: 'prometheus', static_configs: [{ targets: [address, ...targets] }] }],
    remote_write:
      remoteWriteUrl === undefined
        ? []
        : [
            {
              url: remoteWriteUrl,
              send_native_histograms: true,
              send_exemplars: options.sendExemplars ?? false,
              queue_config: { max_samples_per_send: maxSamplesPerSend, batch_send_deadline: '200ms', min_shards: 2 },
              metadata_config: { send_interval: '1s' },
            },
          ],
  });
}

/**
 * Parses the API's text, the shortest that gives the same double. For a NaN the API prints no bits; scraped ones have
 * these.
 */
function parseBits(text: string): bigint {
  if (text === 'NaN') return 0x7ff8000000000001n;
  return bitsOf(text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text));
}
