// Reads the cost of a process from Linux's /proc: CPU seconds over all its threads and peak memory, with those of its
// children (nginx's worker, the proxy's workers) added.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** USER_HZ: fixed at 100 for what Linux shows to user space, whatever the kernel's own tick. */
const TICKS_PER_SECOND = 100;

/** CPU seconds (user and system) that the process and its descendants have used so far; resolution 10 ms each. */
export function cpuSeconds(pid: number): number {
  let ticks = 0;
  for (const member of processTree(pid)) ticks += parseStat(readStat(member)).cpuTicks;
  return ticks / TICKS_PER_SECOND;
}

/**
 * CPU seconds of the threads that the process has now, to the nanosecond: for times too short for `cpuSeconds`, in which
 * no thread ends. NaN where the kernel keeps no such statistics.
 */
export function threadSeconds(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readOrEmpty(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0] || Number.NaN);
  }
  return nanoseconds / 1e9;
}

/** Peak resident memory (VmHWM) since `resetPeakMemory`, summed over the process and its descendants, in MB (10^6). */
export function peakMemoryMb(pid: number): number {
  let kib = 0;
  for (const member of processTree(pid)) {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readOrEmpty(`/proc/${member}/status`));
    kib += Number(line?.[1] ?? 0);
  }
  return (kib * 1024) / 1e6;
}

/** Starts the peak anew; where the kernel does not allow it, the peak since the process began stays. */
export function resetPeakMemory(pid: number): void {
  for (const member of processTree(pid)) {
    try {
      writeFileSync(`/proc/${member}/clear_refs`, '5');
    } catch {
      // Not permitted here: the figure then includes the start and the warm-up.
    }
  }
}

/** CPU seconds that all processes of the machine have used so far, with what the hypervisor gave to others. */
export function machineCpuSeconds(): number {
  const [, user, nice, system, , , irq, softirq, steal] = readOrEmpty('/proc/stat').split(/\s+/, 9).map(Number);
  return ((user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0) + (steal ?? 0)) / TICKS_PER_SECOND;
}

/** Fields of /proc/PID/stat; the command's name may hold spaces and parentheses, so it is skipped by its last `)`. */
export function parseStat(stat: string): { parent: number; cpuTicks: number } {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1] ?? 0), cpuTicks: Number(fields[11] ?? 0) + Number(fields[12] ?? 0) };
}

/** Children, their children, and so on. */
export function descendants(pid: number): number[] {
  return processTree(pid).slice(1);
}

function processTree(root: number): number[] {
  const childrenOf = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? readStat(pid) : '';
    if (stat === '') continue;
    const { parent } = parseStat(stat);
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), pid]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(childrenOf.get(pid) ?? []));
  return tree;
}

function readStat(pid: number): string {
  return readOrEmpty(`/proc/${pid}/stat`);
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // the process has ended meanwhile
  }
}
