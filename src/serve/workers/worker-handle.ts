/**
 * WorkerHandle: one worker as the primary knows it.
 *
 *     starting -> listening -> draining -> gone
 *
 * A worker may be gone from any state.
 */
import { WorkerStartError } from '../../outcome/errors.ts';
import type { Fork, WorkerProcess } from './fork.ts';
import type { FromWorker, ToWorker, WorkerReport } from './messages.ts';

/** A worker may skip states, and never goes back. */
const ORDER = ['starting', 'listening', 'draining', 'gone'] as const;
export type WorkerState = (typeof ORDER)[number];

export interface WorkerHandleDeps {
  readonly start: Extract<ToWorker, { kind: 'start' }>;
  readonly fork: Fork;
  readonly nowMs: () => number;
  readonly listening: (member: WorkerHandle, listen: string) => void;
  readonly gone: (member: WorkerHandle, how: string) => void;
}

interface Question {
  readonly id: number;
  readonly answered: () => void;
}

export class WorkerHandle {
  readonly slot: number;
  readonly isReplacement: boolean;
  readonly startedAtMs: number;
  readonly #deps: WorkerHandleDeps;
  readonly #process: WorkerProcess;
  #state: WorkerState = 'starting';
  #report: WorkerReport | undefined;
  #heardAtMs: number;
  #queryListen: string | undefined;
  #failure: WorkerStartError | undefined;
  #killedFor = '';
  #asked = 0;
  #questions: Question[] = [];

  constructor(deps: WorkerHandleDeps) {
    this.#deps = deps;
    this.slot = deps.start.slot;
    this.isReplacement = deps.start.isReplacement;
    this.startedAtMs = deps.nowMs();
    this.#heardAtMs = this.startedAtMs;
    this.#process = deps.fork({ told: (message) => this.#hear(message), ended: (how) => this.#end(how) });
    this.#process.tell(deps.start);
  }

  get state(): WorkerState {
    return this.#state;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The last report; undefined before the first. */
  get report(): WorkerReport | undefined {
    return this.#report;
  }

  /** The time of its last message, or of its last excuse; ms of the monotonic clock. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  /** The reason that it gave before it ended. */
  get failure(): WorkerStartError | undefined {
    return this.#failure;
  }

  /** Resolves when its report is renewed, or when the time is up. */
  async ask(timeoutMs: number): Promise<void> {
    if (this.#state !== 'listening' && this.#state !== 'draining') return;
    this.#asked += 1;
    const id = this.#asked;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      const answered = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#questions.push({ id, answered });
      this.#process.tell({ kind: 'ask', id });
    });
  }

  /** Where it serves readers, once it listens. */
  get queryListen(): string | undefined {
    return this.#queryListen;
  }

  drain(): void {
    if (this.#state === 'gone') return;
    if (this.#state !== 'draining') this.#become('draining');
    this.#process.tell({ kind: 'drain' });
  }

  /** Called when it may have spoken while nobody listened. */
  excuse(): void {
    this.#heardAtMs = this.#deps.nowMs();
  }

  /** @param why the reason, which precedes the way it ended */
  kill(why = ''): void {
    if (this.#state === 'gone') return;
    this.#killedFor = why;
    this.#process.kill();
  }

  #hear(message: FromWorker): void {
    if (this.#state === 'gone') return;
    this.#heardAtMs = this.#deps.nowMs();
    if (message.kind === 'failed') {
      this.#failure = new WorkerStartError(message.what, message.error);
      return;
    }
    this.#report = message.report;
    this.#tellAnswered(message.report.answers);
    if (message.kind === 'listening' && this.#state === 'starting') {
      this.#become('listening');
      this.#queryListen = message.queryListen;
      this.#deps.listening(this, message.listen);
    }
    if (message.kind === 'drained') this.#process.tell({ kind: 'end' });
  }

  #end(how: string): void {
    this.#become('gone');
    this.#tellAnswered(Infinity);
    const killed = this.#killedFor === '' ? how : `${this.#killedFor}: ${how}`;
    this.#deps.gone(this, this.#failure === undefined ? killed : `${this.#failure.what}: ${this.#failure.message}`);
  }

  #become(next: WorkerState): void {
    if (ORDER.indexOf(next) <= ORDER.indexOf(this.#state)) {
      throw new Error(`a worker that is ${this.#state} does not become ${next}`);
    }
    this.#state = next;
  }

  #tellAnswered(upTo: number): void {
    const answered = this.#questions.filter(({ id }) => id <= upTo);
    this.#questions = this.#questions.filter(({ id }) => id > upTo);
    for (const question of answered) question.answered();
  }
}
