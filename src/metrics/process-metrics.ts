/** Metrics of the build, and of the process with its limits, which do not depend on the traffic. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { Gauge, collectDefaultMetrics, type Aggregator, type Registry } from 'prom-client';
import { collectCounter, collectGauge } from './collected.ts';

/** Gauges that end in _total, which promtool rightly finds wrong; the same without the suffix are kept. */
const MISNAMED = ['nodejs_active_resources_total', 'nodejs_active_handles_total', 'nodejs_active_requests_total'];

/**
 * How prom-client's own metrics of several processes are aggregated where that is not by sum. Each process has its own
 * heap, open files and limits, so the fullest one counts; the start time is the primary's.
 */
const TOGETHER: readonly (readonly [RegExp, Aggregator])[] = [
  [/^nodejs_heap_/, 'max'],
  [/^process_(?:open|max)_fds$/, 'max'],
  [/^nodejs_eventloop_lag_(?!min_)/, 'max'],
  [/^process_start_time_seconds$/, 'min'],
];

export function exposeProcess(registry: Registry, version: string): void {
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  for (const metric of registry.getMetricsAsArray()) {
    const [, aggregator] = TOGETHER.find(([names]) => names.test(metric.name)) ?? [];
    if (aggregator !== undefined) metric.aggregator = aggregator;
  }
  const constant = (
    name: string,
    help: string,
    value: number,
    aggregator: Aggregator,
    labels: Record<string, string> = {},
  ): void =>
    new Gauge({ name, help, labelNames: Object.keys(labels), registers: [registry], aggregator }).set(labels, value);

  const build = { version, node: process.version };
  constant('amp_write_proxy_build_info', 'Always 1; the labels tell the build.', 1, 'first', build);
  constant('prometheus_build_info', "So that the dashboards of Prometheus's mixin offer it.", 1, 'first', { version });
  constant(
    'amp_write_proxy_memory_limit_bytes',
    'Memory that the proxy may use: the limit of its container, or what the machine has.',
    memoryLimitBytes(),
    'max',
  );
  constant(
    'amp_write_proxy_heap_limit_bytes',
    'Where V8 gives up: --max-old-space-size and a little more.',
    getHeapStatistics().heap_size_limit,
    'max',
  );
}

/**
 * Exposes a worker's memory without the part that it shares with the primary, which is mostly Node's own code (60 of
 * 125 MB), so that the sum is the memory of the proxy. Without /proc it is exposed unchanged.
 */
export function exposeOwnMemory(registry: Registry): void {
  const name = 'process_resident_memory_bytes';
  if (ownMemoryBytes() === undefined) return;
  registry.removeSingleMetric(name);
  collectGauge(registry, name, 'Resident memory size in bytes.', [], (emit) => emit({}, ownMemoryBytes() ?? 0));
}

function ownMemoryBytes(): number | undefined {
  try {
    const [, anonymousKib] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return anonymousKib === undefined ? undefined : Number(anonymousKib) * 1024;
  } catch {
    return undefined;
  }
}

/** Called in the process that has the admin port. */
export function exposeWorkers(
  registry: Registry,
  read: { readonly running: () => number; readonly restarts: () => number },
): void {
  collectGauge(registry, 'amp_write_proxy_workers', 'Processes that take requests.', [], (emit) => {
    emit({}, read.running());
  });
  const help = 'Workers that were started in place of one that ended.';
  collectCounter(registry, 'amp_write_proxy_worker_restarts_total', help, [], (emit) => emit({}, read.restarts()));
}

function memoryLimitBytes(): number {
  // Without a limit Node returns 0, or more memory than there is.
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
