/**
 * A worker: a process with a pipeline of its own. node:cluster hands it connections of the shared port, and the primary
 * tells it when to begin and when to end.
 *
 * The primary handles signals, since Ctrl-C in a terminal goes to the whole group. When the primary is gone, the worker
 * still delivers its open requests, since nobody could do that later, and then ends.
 */
import cluster from 'node:cluster';
import type { Log } from '../../platform/log.ts';
import { makeLog } from '../../platform/log.ts';
import { exposeOwnMemory } from '../../metrics/process-metrics.ts';
import { monotonicMs } from '../../platform/clock.ts';
import { Pipeline } from '../pipeline.ts';
import type { FromWorker, ToWorker, WorkerReport } from './messages.ts';
import { makeReport } from './report.ts';

const REPORT_EVERY_MS = 1_000;
/** The time that the primary may take to acknowledge the last report. */
const END_WITHIN_MS = 1_000;

type Start = Extract<ToWorker, { kind: 'start' }>;

class Work {
  readonly #log: Log;
  readonly #pipeline: Pipeline;
  readonly #isReplacement: boolean;
  #answers = 0;
  #listening = false;
  #draining = false;
  #reporting = false;
  #timer: NodeJS.Timeout | undefined;

  /** Throws if the pipeline cannot be built, for example because a file that the configuration names is missing. */
  constructor({ slot, version, config, isReplacement }: Start) {
    this.#log = makeLog(config.log).child({ worker: slot });
    this.#pipeline = new Pipeline(config, this.#log, { version });
    exposeOwnMemory(this.#pipeline.metrics.registry);
    // A full worker would return the connection, and if all are full it would bounce forever.
    for (const { server } of this.#pipeline.servers) Object.assign(server, { dropMaxConnection: true });
    this.#isReplacement = isReplacement;
  }

  /** Rejects when it cannot listen. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.#tick(), REPORT_EVERY_MS);
    const listen = await this.#pipeline.start(this.#isReplacement);
    if (this.#draining) return;
    this.#listening = true;
    const { queryListen } = this.#pipeline;
    tell({ kind: 'listening', listen, queryListen, report: await this.#report() });
  }

  async answer(id: number): Promise<void> {
    this.#answers = id;
    tell({ kind: 'report', report: await this.#report() });
  }

  /** Ends when every sender has its answer and the primary has the last report. */
  async drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    if (this.#listening) await this.#pipeline.drain();
    clearInterval(this.#timer);
    tell({ kind: 'drained', report: await this.#report() });
    setTimeout(end, END_WITHIN_MS);
  }

  /** Called when the primary is gone. */
  async orphaned(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#draining) end();
    this.#log.error({}, 'the primary is gone; ending');
    await this.drain();
    end();
  }

  /** Skips this tick while the previous report is still queued on the IPC channel. */
  async #tick(): Promise<void> {
    if (this.#reporting) return;
    this.#reporting = true;
    const report = await this.#report();
    tell({ kind: 'report', report }, () => (this.#reporting = false));
  }

  async #report(): Promise<WorkerReport> {
    return makeReport(this.#pipeline, { answers: this.#answers, listening: this.#listening }, monotonicMs());
  }
}

let work: Work | undefined;

function obey(message: ToWorker): void {
  switch (message.kind) {
    case 'start':
      void begin(message);
      break;
    case 'ask':
      void work?.answer(message.id);
      break;
    case 'drain':
      if (work === undefined) end();
      void work?.drain();
      break;
    case 'end':
      end();
      break;
  }
}

async function begin(start: Start): Promise<void> {
  try {
    work = new Work(start);
  } catch (error) {
    fail('cannot start', error);
    return;
  }
  try {
    await work.start();
  } catch (error) {
    fail('cannot listen', error);
  }
}

function fail(what: 'cannot start' | 'cannot listen', error: unknown): void {
  tell({ kind: 'failed', what, error: error instanceof Error ? error.message : String(error) }, () => process.exit(1));
}

/** Messages to a primary that is gone are dropped. */
function tell(message: FromWorker, told: () => unknown = () => undefined): void {
  if (process.connected) process.send?.(message, told);
  else told();
}

function end(): never {
  process.exit(0);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => undefined);
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the primary, of the same build, says nothing else
process.on('message', (message) => obey(message as ToWorker));
cluster.worker?.on('disconnect', () => {
  // Otherwise node:cluster would end the process immediately.
  if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
  if (work === undefined) end();
  void work.orphaned();
});
