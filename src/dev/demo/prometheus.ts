/**
 * A sender of the demo: behaves like a Prometheus server with remote_write. It scrapes invented nodes, sends their
 * samples over a few connections, resends on 5xx, drops on 4xx, and remembers the answer for every sample.
 */
import { Agent, request } from 'node:http';
import { encodeWriteRequest, type SeriesToSend } from './write-request.ts';

export interface DemoPrometheusOptions {
  readonly url: URL;
  readonly cluster: string;
  /** The replica of a highly available pair; undefined for a single server. */
  readonly replica?: string;
  readonly nodes: number;
}

/** One sample that the proxy acknowledged with 2xx. */
export interface Acknowledged {
  /** The labels without `__replica__`, which AMP removes. */
  readonly labels: Readonly<Record<string, string>>;
  readonly timestamp: number;
}

export interface Told {
  samples: number;
  acknowledged: number;
  rejected: number;
  resent: number;
}

const SCRAPE_INTERVAL_MS = 250;
const SERIES_PER_REQUEST = 100;
const RETRY_MS = 200;

export class DemoPrometheus {
  readonly told: Told = { samples: 0, acknowledged: 0, rejected: 0, resent: 0 };
  readonly acknowledged: Acknowledged[] = [];
  /** The latencies of the latest answers, in milliseconds. */
  readonly latenciesMs: number[] = [];
  readonly #options: DemoPrometheusOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });
  readonly #open = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: DemoPrometheusOptions) {
    this.#options = options;
  }

  get replica(): string | undefined {
    return this.#options.replica;
  }

  start(): void {
    this.#timer = setInterval(() => this.#scrape(Date.now()), SCRAPE_INTERVAL_MS);
  }

  /** Stops scraping, and resolves when every request has its answer. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping = true;
    await Promise.all(this.#open);
    this.#agent.destroy();
  }

  #scrape(timestamp: number): void {
    // A round waits for the previous one, so that the samples of a series stay in order.
    if (this.#open.size > 0) return;
    const series: SeriesToSend[] = [];
    for (let node = 0; node < this.#options.nodes; node += 1) series.push(...this.#scrapeNode(node, timestamp));
    for (let start = 0; start < series.length; start += SERIES_PER_REQUEST) {
      const sending = this.#send(series.slice(start, start + SERIES_PER_REQUEST));
      this.#open.add(sending);
      void sending.finally(() => this.#open.delete(sending));
    }
  }

  #scrapeNode(node: number, timestamp: number): SeriesToSend[] {
    const { cluster, replica } = this.#options;
    const instance = `ip-10-0-${node}-17.us-west-2.compute.internal:9100`;
    return METRICS.map(([name, label, value]) => ({
      labels: {
        __name__: name,
        ...(replica === undefined ? {} : { __replica__: replica }),
        cluster,
        instance,
        job: 'node-exporter',
        ...label,
      },
      samples: [{ value: value(node, timestamp / 1000), timestamp }],
    }));
  }

  /** Sends until the answer is 2xx or 4xx, as Prometheus does. */
  async #send(series: readonly SeriesToSend[]): Promise<void> {
    const body = encodeWriteRequest(series);
    this.told.samples += series.length;
    for (;;) {
      const startedAtMs = performance.now();
      const status = await this.#post(body);
      if (status >= 200 && status < 300) {
        this.#noteLatency(performance.now() - startedAtMs);
        this.told.acknowledged += series.length;
        for (const { labels, samples } of series) {
          const { __replica__: _, ...kept } = labels;
          for (const { timestamp } of samples) this.acknowledged.push({ labels: kept, timestamp });
        }
        return;
      }
      if (status >= 400 && status < 500) {
        this.told.rejected += series.length;
        return;
      }
      if (this.#stopping) return;
      this.told.resent += series.length;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /** Returns the status, or 0 when there was no answer. */
  async #post(body: Buffer): Promise<number> {
    return new Promise((resolve) => {
      const headers = {
        'content-type': 'application/x-protobuf',
        'content-encoding': 'snappy',
        'x-prometheus-remote-write-version': '0.1.0',
        'content-length': body.length,
      };
      const call = request(this.#options.url, { method: 'POST', agent: this.#agent, headers }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0));
      });
      call.on('error', () => resolve(0));
      call.end(body);
    });
  }

  #noteLatency(elapsedMs: number): void {
    this.latenciesMs.push(elapsedMs);
    if (this.latenciesMs.length > 500) this.latenciesMs.shift();
  }
}

type Metric = readonly [name: string, labels: Record<string, string>, value: (node: number, seconds: number) => number];

/** Counters that rise and gauges that swing, under the names that node_exporter uses. */
const METRICS: readonly Metric[] = [
  ['up', {}, () => 1],
  ['node_load1', {}, (node, at) => 1 + node / 4 + Math.sin(at / 30 + node)],
  ['node_memory_MemAvailable_bytes', {}, (node, at) => 6e9 + 1e9 * Math.sin(at / 60 + node)],
  ['node_memory_MemTotal_bytes', {}, () => 16_777_216_000],
  ['node_boot_time_seconds', {}, (node) => 1_760_000_000 + node * 3600],
  ...['0', '1', '2', '3'].flatMap((cpu) =>
    ['idle', 'iowait', 'irq', 'nice', 'softirq', 'steal', 'system', 'user'].map((mode, index): Metric => [
      'node_cpu_seconds_total',
      { cpu, mode },
      (node, at) => Math.floor(at * (mode === 'idle' ? 80 : index + 1)) / 100 + node,
    ]),
  ),
  ...['eth0', 'lo'].flatMap((device): Metric[] => [
    ['node_network_receive_bytes_total', { device }, (node, at) => Math.floor(at * 12_345) + node],
    ['node_network_transmit_bytes_total', { device }, (node, at) => Math.floor(at * 6789) + node],
  ]),
  ...['/', '/var'].flatMap((mountpoint): Metric[] => [
    ['node_filesystem_avail_bytes', { device: '/dev/nvme0n1p1', fstype: 'xfs', mountpoint }, (_, at) => 4e10 - at],
    ['node_filesystem_size_bytes', { device: '/dev/nvme0n1p1', fstype: 'xfs', mountpoint }, () => 8e10],
  ]),
];
