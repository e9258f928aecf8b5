/**
 * `npm run demo`: the sandbox, the proxy and a handful of Prometheus-like senders on loopback, until Ctrl-C or for
 * `--seconds N`. Prints progress every second, and last `received=<n> delivered=<n> rejected=<n> lost=<n>`: the first
 * three as the proxy counts them, lost as the samples that a sender got a 2xx for but the sandbox does not have.
 *
 * Exit status: 0, or 1 when something was lost or the proxy did not end well, 2 for wrong usage.
 */
import { parseCommandLine, wrongUsage } from '../../commands/arguments.ts';
import { startSandbox, type Sandbox } from '../sandbox/sandbox.ts';
import type { SampleStore } from '../sandbox/store.ts';
import { DemoPrometheus, type Acknowledged } from './prometheus.ts';
import { startProxy, type DemoProxy } from './proxy.ts';

const USAGE = `Usage: npm run demo [-- --seconds N]

Starts a stand-in for AMP, the proxy and eight senders on loopback, and shows what passes.

  --seconds N   end after N seconds (default: when Ctrl-C is pressed)
  --help
`;

export async function main(args: string[]): Promise<number> {
  const options = { seconds: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } } as const;
  const values = parseCommandLine(args, options, USAGE);
  if (typeof values === 'number') return values;
  const seconds = values.seconds === undefined ? Infinity : Number(values.seconds);
  if (!(seconds > 0)) {
    return wrongUsage(`--seconds ${values.seconds} is not a number above 0`, USAGE);
  }
  return demo(seconds);
}

async function demo(seconds: number): Promise<number> {
  const interrupted = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  const sandbox = await startSandbox();
  const proxy = await startProxy(sandbox);
  const senders = makeSenders(proxy.writeUrl);
  console.log(introduction(proxy, sandbox, senders.length));
  for (const sender of senders) sender.start();

  const startedAtMs = Date.now();
  const standby = new Set<DemoPrometheus>();
  let lost = 0;
  const progress = setInterval(() => {
    lost += countLost(senders, sandbox.store, standby);
    void showProgress(proxy, senders, startedAtMs);
  }, 1000);
  let timer: NodeJS.Timeout | undefined;
  const elapsed = new Promise<void>((resolve) => {
    if (seconds !== Infinity) timer = setTimeout(resolve, seconds * 1000);
  });
  await Promise.race([interrupted, elapsed]);
  clearTimeout(timer);
  clearInterval(progress);

  console.log('\nEnding: waiting for the last answers, then asking the sandbox what it has.');
  await Promise.all(senders.map(async (sender) => sender.stop()));
  const metrics = await proxy.readMetrics();
  const exitCode = await proxy.stop();
  lost += countLost(senders, sandbox.store, standby);
  await sandbox.close();
  if (exitCode !== 0) console.log(`the proxy ended with exit status ${exitCode}`);
  const of = (name: string): number => metrics.get(`amp_write_proxy_samples_${name}_total`) ?? 0;
  console.log(`received=${of('received')} delivered=${of('delivered')} rejected=${of('rejected')} lost=${lost}`);
  return lost === 0 && exitCode === 0 ? 0 : 1;
}

/** Makes six single servers and a highly available pair, of which AMP keeps one replica's samples. */
function makeSenders(url: URL): DemoPrometheus[] {
  const alone = ['eks-prod', 'eks-staging', 'eks-build', 'edge-1', 'edge-2', 'office'];
  const pair = ['a', 'b'].map((replica) => new DemoPrometheus({ url, cluster: 'eks-ha', replica, nodes: 6 }));
  return [...alone.map((cluster, index) => new DemoPrometheus({ url, cluster, nodes: 4 + index })), ...pair];
}

function introduction(proxy: DemoProxy, sandbox: Sandbox, senders: number): string {
  return `amp-write-proxy demo: ${senders} senders -> proxy -> sandbox (a stand-in for AMP), all on this machine.

Point a Prometheus of your own at it, in its prometheus.yml:

    remote_write:
      - url: ${proxy.writeUrl.href}

Watch it in a browser: ${proxy.adminUrl}/
Metrics of the proxy:  ${proxy.adminUrl}/metrics
What the sandbox has:  ${sandbox.controlUrl}/sandbox/stats
`;
}

async function showProgress(proxy: DemoProxy, senders: readonly DemoPrometheus[], startedAtMs: number): Promise<void> {
  const metrics = await proxy.readMetrics().catch(() => new Map<string, number>());
  const of = (name: string): number => metrics.get(`amp_write_proxy_${name}`) ?? 0;
  const parcels = of('batch_requests_sum');
  const batches = of('batch_requests_count');
  const seconds = Math.round((Date.now() - startedAtMs) / 1000);
  console.log(
    [
      `${String(seconds).padStart(4)} s`,
      `received ${of('samples_received_total')}`,
      `delivered ${of('samples_delivered_total')}`,
      `requests ${parcels} -> upstream ${of('upstream_responses_total')}`,
      `parcels/batch ${batches === 0 ? '-' : (parcels / batches).toFixed(1)}`,
      `latency p50 ${percentile(senders, 0.5)} p99 ${percentile(senders, 0.99)} ms`,
    ].join('  '),
  );
}

function percentile(senders: readonly DemoPrometheus[], share: number): string {
  const sorted = senders.flatMap(({ latenciesMs }) => latenciesMs).toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return value === undefined ? '-' : value.toFixed(0);
}

/**
 * Takes the samples that senders got a 2xx for since the last call, and counts those that the sandbox does not hold. Of
 * the pair, AMP keeps one replica's samples and acknowledges both's; the replica whose first sample is absent stands
 * by.
 */
function countLost(senders: readonly DemoPrometheus[], store: SampleStore, standby: Set<DemoPrometheus>): number {
  let lost = 0;
  for (const sender of senders) {
    const acknowledged = sender.acknowledged.splice(0);
    const missing = acknowledged.filter((sample) => !isStored(store, sample));
    const isFirst = sender.told.acknowledged === acknowledged.length;
    if (sender.replica !== undefined && isFirst && missing.length === acknowledged.length) standby.add(sender);
    if (!standby.has(sender)) lost += missing.length;
  }
  return lost;
}

function isStored(store: SampleStore, { labels, timestamp }: Acknowledged): boolean {
  const sorted = Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const series = store.ensureSeries(sorted.map(([name, value]) => ({ name, value })));
  const at = BigInt(timestamp);
  const time = { low: Number(BigInt.asIntN(32, at)), high: Number(BigInt.asIntN(32, at >> 32n)) };
  return store.findSampleAt(series, time) !== undefined;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
