/** The build, and the process with its limits: what does not depend on what is sent. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { Gauge, collectDefaultMetrics, type Aggregator, type Registry } from 'prom-client';
import { collectCounter, collectGauge } from './collected.ts';

/** Gauges that end in _total, which promtool rightly finds wrong; the same without the suffix are kept. */
const MISNAMED = ['nodejs_active_resources_total', 'nodejs_active_handles_total', 'nodejs_active_requests_total'];

/**
 * How prom-client's own are put together of several processes, where that is not their sum. A process has a heap and
 * open files of its own with limits of their own, so that the fullest is told; the start is the primary's.
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
 * In a worker: its memory without what it shares with the primary, which is node's own code for the most part (60 of
 * 125 MB), so that the sum is what the proxy uses. As it is where there is no /proc.
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

/** Of the process that has the admin port. */
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
  // Without a limit Node tells 0, or more than there is.
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
