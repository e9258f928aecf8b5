// Every process that the bench starts, so that none outlives it: not after a failure, not after Ctrl-C.
import { fork, spawn, type ChildProcess, type Serializable } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';

const running = new Set<ChildProcess>();
let ending = false;
const STOP_GRACE_MS = 3000;
const KEPT_OUTPUT = 4000;

export type Program = {
  readonly pid: number;
  readonly exited: boolean;
  /** The last of what it printed, for the message when it fails. */
  output(): string;
  stop(): Promise<void>;
};

export function startProgram(command: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd: string): Program {
  assertNotEnding();
  const child = spawn(command, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (text: string): void => {
    output = (output + text).slice(-KEPT_OUTPUT);
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  child.on('error', (error) => keep(error.message));
  track(child);
  return {
    get pid() {
      return child.pid ?? 0;
    },
    get exited() {
      return hasExited(child);
    },
    output: () => output,
    stop: () => stop(child),
  };
}

/** A forked file of the bench: one question at a time, each answered by one message. */
export class BenchProcess<Command extends Serializable, Answer> {
  readonly #child: ChildProcess;
  readonly #file: string;
  readonly #answer: z.ZodType<Answer>;

  private constructor(child: ChildProcess, file: string, answer: z.ZodType<Answer>) {
    this.#child = child;
    this.#file = file;
    this.#answer = answer;
  }

  /** Starts `file` with its options and resolves with the process and its first message. */
  static async start<Command extends Serializable, Answer, First>(
    file: string,
    options: unknown,
    schemas: { readonly first: z.ZodType<First>; readonly answer: z.ZodType<Answer> },
  ): Promise<{ process: BenchProcess<Command, Answer>; first: First }> {
    assertNotEnding();
    // `advanced` carries NaN, which JSON does not.
    const child = fork(file, [JSON.stringify(options)], {
      execArgv: ['--max-semi-space-size=32'],
      serialization: 'advanced',
    });
    track(child);
    const first = schemas.first.parse(await nextMessage(child, file, 30_000));
    return { process: new BenchProcess<Command, Answer>(child, file, schemas.answer), first };
  }

  async ask(command: Command, timeoutMs = 10_000): Promise<Answer> {
    const answer = nextMessage(this.#child, this.#file, timeoutMs);
    this.#child.send(command);
    return this.#answer.parse(await answer);
  }

  stop(): Promise<void> {
    return stop(this.#child);
  }
}

/** Returns true once `stopAll` was called: later failures are its effect. */
export function isEnding(): boolean {
  return ending;
}

/** Stops everything for good: nothing is started after it. */
export async function stopAll(): Promise<void> {
  ending = true;
  await Promise.all([...running].map((child) => stop(child)));
}

function assertNotEnding(): void {
  if (ending) throw new Error('the bench is ending');
}

function track(child: ChildProcess): void {
  running.add(child);
  child.on('exit', () => running.delete(child));
  child.on('error', () => running.delete(child));
}

function hasExited(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

async function stop(child: ChildProcess): Promise<void> {
  if (hasExited(child)) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = new AbortController();
  const outcome = await Promise.race([exit, sleep(STOP_GRACE_MS, 'late', { signal: timer.signal })]);
  timer.abort();
  if (outcome === 'late') {
    child.kill('SIGKILL');
    await exit;
  }
}

async function nextMessage(child: ChildProcess, file: string, timeoutMs: number): Promise<unknown> {
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const exit = once(child, 'exit', { signal }).then(() => {
      throw new Error(`${file} ended before it answered`);
    });
    const [message]: unknown[] = await Promise.race([once(child, 'message', { signal }), exit]);
    return message;
  } finally {
    done.abort();
  }
}
