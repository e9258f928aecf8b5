/** The build, and the process with its limits: what does not depend on what is sent. */
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { Gauge, collectDefaultMetrics, type Registry } from 'prom-client';

/** Gauges that end in _total, which promtool rightly finds wrong; the same without the suffix are kept. */
const MISNAMED = ['nodejs_active_resources_total', 'nodejs_active_handles_total', 'nodejs_active_requests_total'];

export function exposeProcess(registry: Registry, version: string): void {
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const constant = (name: string, help: string, value: number, labels: Record<string, string> = {}): void =>
    new Gauge({ name, help, labelNames: Object.keys(labels), registers: [registry] }).set(labels, value);

  constant('amp_write_proxy_build_info', 'Always 1; the labels tell the build.', 1, { version, node: process.version });
  constant('prometheus_build_info', "So that the dashboards of Prometheus's mixin offer it.", 1, { version });
  constant(
    'amp_write_proxy_memory_limit_bytes',
    'Memory that the process may use: the limit of its container, or what the machine has.',
    memoryLimitBytes(),
  );
  constant(
    'amp_write_proxy_heap_limit_bytes',
    'Where V8 gives up: --max-old-space-size and a little more.',
    getHeapStatistics().heap_size_limit,
  );
}

function memoryLimitBytes(): number {
  // Without a limit Node tells 0, or more than there is.
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
