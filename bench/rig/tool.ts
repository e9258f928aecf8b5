// A tool that the bench measures: a program that takes remote write on a port and sends it on to the sink.
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Program } from './children.ts';
import { isExecutable } from './executable.ts';
import type { Row } from './rows.ts';

export const UPSTREAM_PATH = '/workspaces/ws-bench/api/v1/remote_write';
export const REGION = 'us-west-2';
/** The example keys of AWS's documentation; nothing here ever reaches AWS. */
export const ACCESS_KEY = 'AKIAIOSFODNN7EXAMPLE';
export const SECRET_KEY = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';

export type Upstream = {
  readonly port: number;
  /** The sink's certificate, which is its own authority; undefined for plain HTTP. */
  readonly caFile: string | undefined;
  /** A directory of its own for configuration and queues, removed after the run. */
  readonly directory: string;
};

export type RunningTool = {
  readonly program: Program;
  readonly port: number;
  readonly path: string;
  /**
   * For a tool that acknowledges early: returns true once all these samples have left it. Absent: 2xx means delivered.
   */
  readonly hasDelivered?: (samples: number, series: number) => Promise<boolean>;
  /** p99 of the event loop's delay since the last call, where the tool's metrics tell it. */
  readonly eventLoopP99Ms?: () => Promise<number | undefined>;
};

export type Tool = {
  readonly name: string;
  readonly signs: boolean;
  /** A note for the results: what it does and which settings it got. */
  readonly note: string;
  /** Rows that mean something for it; all where absent. */
  readonly runs?: (row: Row) => boolean;
  readonly start: (upstream: Upstream) => Promise<RunningTool>;
};

/** The URL that a tool is told to send to. */
export function upstreamUrl(upstream: Upstream): string {
  return `${upstream.caFile === undefined ? 'http' : 'https'}://127.0.0.1:${upstream.port}${UPSTREAM_PATH}`;
}

/** The program's path, from PEERS_DIR or else PATH. */
export function findProgram(name: string): string | undefined {
  const directories = [process.env['PEERS_DIR'] ?? '', ...(process.env['PATH'] ?? '').split(path.delimiter)];
  return directories
    .filter((directory) => directory !== '')
    .map((directory) => path.resolve(directory, name))
    .find((file) => isExecutable(file));
}

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no free TCP port');
  return address.port;
}

const READY_WITHIN_MS = 15_000;

/** Waits until `url` answers with 2xx (or, where any answer will do, at all); throws with the program's output else. */
export async function waitReady(program: Program, url: string, anyAnswer = false): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadline && !program.exited) {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
    await response?.arrayBuffer();
    if (response !== undefined && (anyAnswer || response.ok)) return;
    await sleep(30);
  }
  const state = program.exited ? 'has ended' : `is not ready after ${READY_WITHIN_MS / 1000} s`;
  throw new Error(`${state}; its last words:\n${program.output().trim() || '(none)'}`);
}

/** The sum of a metric's values over its label sets, from a Prometheus exposition; undefined where it is not there. */
export function sumMetric(exposition: string, name: string): number | undefined {
  let sum: number | undefined;
  for (const line of exposition.split('\n')) {
    if (!line.startsWith(name) || (line[name.length] !== '{' && line[name.length] !== ' ')) continue;
    sum = (sum ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}

export async function scrape(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
  return response.text();
}
