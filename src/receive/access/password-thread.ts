/**
 * Checks passwords in one thread beside the event loop, one at a time. The thread starts with the first password and
 * ends with the process; one that crashes or hangs is replaced with the next password.
 */
import { Worker } from 'node:worker_threads';

/** A message to the thread, which answers true or false. */
export interface PasswordQuestion {
  readonly password: string;
  readonly hash: string;
}

interface Job {
  readonly resolve: (matches: boolean) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** The slowest hash that a password file may hold takes seconds. */
const TIMEOUT_MS = 30_000;
/** bcryptjs needs little memory, and scrypt's memory is outside V8's heap. */
const HEAP_MB = 32;
const MAIN = new URL('./password-thread-main.ts', import.meta.url);

export class PasswordThread {
  readonly #log: { error(fields: object, message: string): void };
  readonly #main: URL;
  readonly #timeoutMs: number;
  #worker: Worker | undefined;
  #job: Job | undefined;

  /** @param main the file that the thread runs */
  constructor(log: { error(fields: object, message: string): void }, main = MAIN, timeoutMs = TIMEOUT_MS) {
    this.#log = log;
    this.#main = main;
    this.#timeoutMs = timeoutMs;
  }

  /** Must not be called again before it has settled. Rejects if the thread ended or hung before it answered. */
  async matches(password: string, hash: string): Promise<boolean> {
    if (this.#job !== undefined) throw new Error('a password is being checked already');
    this.#worker ??= this.#start();
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#end(worker, `took more than ${this.#timeoutMs} ms`), this.#timeoutMs);
      this.#job = { resolve, reject, timer: timer.unref() };
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage({ password, hash } satisfies PasswordQuestion);
    });
  }

  stop(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
    this.#settle()?.reject(new Error('the proxy is ending'));
  }

  #start(): Worker {
    // The thread needs neither the flags of this process nor the secrets in its environment.
    const worker = new Worker(this.#main, {
      name: 'passwords',
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    worker.on('message', (matches) => {
      if (worker === this.#worker) this.#settle()?.resolve(matches === true);
    });
    worker.on('error', (error) => this.#end(worker, error instanceof Error ? error.message : String(error)));
    worker.on('exit', (code) => this.#end(worker, `exit status ${code}`));
    // Called after the listeners were added, since a listener for messages keeps the process alive.
    worker.unref();
    return worker;
  }

  /** Has no effect for a thread that was replaced or stopped. */
  #end(worker: Worker, how: string): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    void worker.terminate();
    this.#log.error({ how }, 'the thread that checks passwords has ended; another takes its place');
    this.#settle()?.reject(new Error(`the thread that checks passwords has ended: ${how}`));
  }

  #settle(): Job | undefined {
    const job = this.#job;
    clearTimeout(job?.timer);
    this.#job = undefined;
    return job;
  }
}
