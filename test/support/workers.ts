/** The workers of a proxy process, as the system sees them (Linux: /proc). */
import { readdir, readFile, readlink } from 'node:fs/promises';
import type { Child } from './processes.ts';

/** Its child processes, oldest first. */
export async function workerPids({ pid }: Child): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text
    .split(' ')
    .map(Number)
    .filter((child) => child > 0);
}

/** False for a process that is no more, or has ended and is only not yet waited for. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/\) [ZX] /.test(stat);
}

/** Established TCP connections of senders that the process holds, by the port that they were made to. */
export async function connectionsOn(port: number, pid: number): Promise<number> {
  const established = '01';
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  const inodes = new Set(rows.filter((row) => row[1]?.endsWith(local) && row[3] === established).map((row) => row[9]));
  const files = await readdir(`/proc/${pid}/fd`);
  const links = await Promise.all(files.map(async (file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')));
  return links.filter((link) => inodes.has(/^socket:\[(\d+)\]$/.exec(link)?.[1])).length;
}
