// A share of a core for a process, by a control group of its own. Linux's cgroups, version 2 or 1; needs root.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = '/sys/fs/cgroup';
/** Short, so that a process that has used up its share does not keep senders waiting for long. */
const PERIOD_US = 10_000;

export class CpuQuota {
  readonly #parent: string;
  readonly #isVersion2: boolean;
  readonly #groups: string[] = [];

  constructor() {
    this.#isVersion2 = existsSync(path.join(ROOT, 'cgroup.controllers'));
    this.#parent = this.#isVersion2 ? ROOT : path.join(ROOT, 'cpu');
  }

  /** Throws where control groups cannot be made. @param cores that it may use, such as 0.3 */
  limit(pid: number, cores: number): void {
    const group = path.join(this.#parent, `amp-write-proxy-bench-${pid}`);
    const quota = Math.round(cores * PERIOD_US);
    try {
      if (this.#isVersion2) writeFileSync(path.join(this.#parent, 'cgroup.subtree_control'), '+cpu');
      mkdirSync(group);
      this.#groups.push(group);
      if (this.#isVersion2) writeFileSync(path.join(group, 'cpu.max'), `${quota} ${PERIOD_US}`);
      else {
        writeFileSync(path.join(group, 'cpu.cfs_period_us'), `${PERIOD_US}`);
        writeFileSync(path.join(group, 'cpu.cfs_quota_us'), `${quota}`);
      }
      writeFileSync(path.join(group, 'cgroup.procs'), `${pid}`);
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      throw new Error(`cannot limit a process to ${cores} cores; it takes root and cgroups with cpu: ${cause}`, {
        cause: error,
      });
    }
  }

  /** Lets the processes go that are still there. */
  release(): void {
    for (const group of this.#groups.splice(0)) {
      for (const pid of readFileSync(path.join(group, 'cgroup.procs'), 'utf8').split('\n')) {
        if (pid !== '') writeFileSync(path.join(this.#parent, 'cgroup.procs'), pid);
      }
      rmdirSync(group);
    }
  }
}
