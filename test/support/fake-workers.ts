/** Workers that are no processes: a test says what they say, and when they end. */
import type { Fork, WorkerEvents } from '../../src/serve/workers/fork.ts';
import type { FromWorker, ToWorker, WorkerReport } from '../../src/serve/workers/messages.ts';

export const EMPTY_REPORT: WorkerReport = {
  answers: 0,
  listening: true,
  metrics: [],
  readiness: { ready: true, reasons: [] },
  inflightBytes: 0,
  destinations: [],
  senders: [],
};

export class FakeWorker {
  readonly pid: number;
  /** The messages that the primary sent it. */
  readonly heard: ToWorker[] = [];
  readonly #events: WorkerEvents;

  constructor(pid: number, events: WorkerEvents) {
    this.pid = pid;
    this.#events = events;
  }

  tell(message: ToWorker): void {
    this.heard.push(message);
    if (message.kind === 'end') this.end('exit status 0');
  }

  kill(): void {
    this.end('signal SIGKILL');
  }

  say(message: FromWorker): void {
    this.#events.told(message);
  }

  listen(report: Partial<WorkerReport> = {}): void {
    this.say({ kind: 'listening', listen: 'http://127.0.0.1:1', report: { ...EMPTY_REPORT, ...report } });
  }

  report(report: Partial<WorkerReport>): void {
    this.say({ kind: 'report', report: { ...EMPTY_REPORT, ...report } });
  }

  end(how: string): void {
    this.#events.ended(how);
  }
}

/** All workers that were started, in order. */
export function fakeFork(): { fork: Fork; workers: FakeWorker[] } {
  const workers: FakeWorker[] = [];
  const fork: Fork = (events) => {
    const worker = new FakeWorker(100 + workers.length, events);
    workers.push(worker);
    return worker;
  };
  return { fork, workers };
}
