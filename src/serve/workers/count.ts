/** Decides how many workers to start. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Config } from '../../config/schema.ts';
import { mostWorkers } from '../../config/worker-share.ts';
import type { Log } from '../../platform/log.ts';

/** @param processors how many this process may use */
export function workerCount({ server, limits }: Config, processors: number, log: Pick<Log, 'warn'>): number {
  if (server.workers !== 'auto') return server.workers;
  const most = mostWorkers(limits);
  if (processors > most) {
    const why = 'server.workers auto: limits.max_inflight_bytes has room for a body of max_body_bytes in fewer workers';
    log.warn({ workers: most, processors }, `${why} than there are processors; raise it, or name a number`);
  }
  return Math.min(processors, most);
}

/**
 * Counts the processors of the affinity mask, limited by the CPU limit of the container, which availableParallelism
 * ignores (libuv 1.46).
 */
export function usableProcessors(): number {
  return Math.max(1, Math.min(availableParallelism(), ...cpuQuotas(tryRead)));
}

const CGROUPS = '/sys/fs/cgroup';

/**
 * Returns the limits of cgroup v2 that apply to this process, in processors, rounded up: its own group's and those
 * above it.
 */
export function cpuQuotas(read: (file: string) => string | undefined): number[] {
  // `0::/kubepods/pod1/container1`, or `0::/` where the container has a namespace of its own.
  const [, path = '/'] = /^0::(\/.*)$/m.exec(read('/proc/self/cgroup') ?? '') ?? [];
  const names = path.split('/').filter((name) => name !== '');
  const groups = names.map((_, depth) => `/${names.slice(0, depth + 1).join('/')}`);
  return ['', ...groups].flatMap((group) => parseCpuMax(read(`${CGROUPS}${group}/cpu.max`)) ?? []);
}

/**
 * `150000 100000`, microseconds per period, means 2 processors; returns undefined for `max`, for no text and for any
 * other text.
 */
export function parseCpuMax(text: string | undefined): number | undefined {
  const [, quota, period] = /^(\d+) (\d+)\s*$/.exec(text ?? '') ?? [];
  if (quota === undefined || !(Number(period) > 0)) return undefined;
  return Math.max(1, Math.ceil(Number(quota) / Number(period)));
}

function tryRead(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // No cgroup v2 here.
  }
}
