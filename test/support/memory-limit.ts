/**
 * A limit on the memory of a process by a control group of its own (Linux, version 1 or 2; needs root). The kernel ends
 * a process that goes over it, as in a container.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';

const ROOT = '/sys/fs/cgroup';

export interface MemoryLimit {
  /** The most that the process has taken since it was limited. */
  readonly peakBytes: () => number;
}

/**
 * Ends with the test. Where control groups cannot be made, returns why.
 * @param bytes on top of what the process has
 */
export function limitMemory(pid: number, bytes: number): MemoryLimit | string {
  const isVersion2 = existsSync(path.join(ROOT, 'cgroup.controllers'));
  const group = path.join(isVersion2 ? ROOT : path.join(ROOT, 'memory'), `amp-write-proxy-test-${pid}`);
  const [limit, peak] = isVersion2
    ? ['memory.max', 'memory.peak']
    : ['memory.limit_in_bytes', 'memory.max_usage_in_bytes'];
  try {
    if (isVersion2) writeFileSync(path.join(ROOT, 'cgroup.subtree_control'), '+memory');
    mkdirSync(group);
    onTestFinished(() => {
      try {
        if (existsSync(`/proc/${pid}`)) writeFileSync(path.join(path.dirname(group), 'cgroup.procs'), String(pid));
      } finally {
        rmdirSync(group);
      }
    });
    writeFileSync(path.join(group, limit), String(bytes));
    writeFileSync(path.join(group, 'cgroup.procs'), String(pid));
    const set = readFileSync(path.join(group, limit), 'utf8').trim();
    if (Number(set) !== bytes) return `the limit of a control group is ${set} where ${bytes} bytes were set`;
  } catch (error) {
    return `no control group can be made in ${path.dirname(group)}: ${String(error)}`;
  }
  return { peakBytes: () => Number(readFileSync(path.join(group, peak), 'utf8')) };
}
