/**
 * Child processes of one test: each is ended by its own handle when the test is over, whatever became of the test, and
 * what it printed is shown when the test has failed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFailed, onTestFinished } from 'vitest';
import { stretched } from './slowness.ts';

export const ROOT = path.resolve(import.meta.dirname, '../..');

/** The time that a process may take until it is ready; generous, for machines that do other things too. */
const READY_TIMEOUT_MS = 30_000;
/** The time that a process may take to end after SIGTERM before it is killed. */
const END_TIMEOUT_MS = 10_000;
/** The characters of the output that a failed test shows. */
const SHOWN = 8_000;

export interface ChildOptions {
  readonly cwd?: string;
  /** Added to this process's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to its standard input, which is closed after it. */
  readonly input?: string;
}

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Child {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  #stdout = '';
  #stderr = '';

  constructor(name: string, command: string, args: readonly string[], options: ChildOptions = {}) {
    const { cwd = ROOT, env = {}, input } = options;
    this.name = name;
    this.#process = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: 'pipe' });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.#process.stdin?.on('error', () => {}).end(input);
    this.#process.on('error', (error) => (this.#stderr += `${error.message}\n`));
    this.#closed = once(this.#process, 'close').catch(() => undefined);
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** False when it is not running. */
  trySignal(signal: NodeJS.Signals): boolean {
    return this.running && this.#process.kill(signal);
  }

  /** Resolves when it has ended and all its output is read. @returns its exit status; null when a signal ended it */
  async ended(): Promise<Finished> {
    await this.#closed;
    return { status: this.#process.exitCode, stdout: this.#stdout, stderr: this.#stderr };
  }

  /** SIGTERM, and SIGKILL for one that does not listen. */
  async stop(): Promise<Finished> {
    this.trySignal('SIGTERM');
    const timer = setTimeout(() => this.trySignal('SIGKILL'), stretched(END_TIMEOUT_MS));
    const finished = await this.ended();
    clearTimeout(timer);
    return finished;
  }

  /** Polls `probe` until it gives something; throws when the process ends before, or time is up. */
  async ready<T>(probe: () => T | undefined | Promise<T | undefined>): Promise<T> {
    return until(`${this.name} is ready`, async () => {
      if (!this.running) throw new Error(`${this.name} ended before it was ready:\n${this.output()}`);
      return probe();
    });
  }

  /** The end of what it printed. */
  output(): string {
    return `${this.#stdout.slice(-SHOWN)}\n${this.#stderr.slice(-SHOWN)}`.trim();
  }
}

/** Starts a process that ends with the test. */
export function startChild(name: string, command: string, args: readonly string[], options?: ChildOptions): Child {
  const child = new Child(name, command, args, options);
  const kill = (): void => void child.trySignal('SIGKILL');
  process.once('exit', kill);
  onTestFailed(() => void process.stderr.write(`--- ${name}\n${child.output()}\n`));
  onTestFinished(
    async () => {
      await child.stop();
      process.off('exit', kill);
    },
    stretched(END_TIMEOUT_MS * 2),
  );
  return child;
}

/** Runs a process to its end. */
export async function run(command: string, args: readonly string[], options?: ChildOptions): Promise<Finished> {
  return startChild(path.basename(command), command, args, options).ended();
}

/** A directory that is gone after the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'amp-write-proxy-test-'));
  // Hooks run last one first, so that the processes that were started after this have ended.
  onTestFinished(async () => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

/**
 * Finds a port for programs that cannot tell which port they took; it is free now, and only likely to be free in a
 * moment.
 */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** Polls until `probe` gives something other than undefined or false. `timeoutMs` stretches on a slow machine. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  timeoutMs: number = READY_TIMEOUT_MS,
): Promise<Exclude<T, false>> {
  const startedAtMs = performance.now();
  for (;;) {
    const result = await probe();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- false is what was just excluded
    if (result !== undefined && result !== false) return result as Exclude<T, false>;
    const waitedMs = performance.now() - startedAtMs;
    if (waitedMs > stretched(timeoutMs)) throw new Error(`waited ${waitedMs.toFixed()} ms until ${what}, in vain`);
    await sleep(25);
  }
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
