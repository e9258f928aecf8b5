/**
 * Starts workers with node:cluster. The primary accepts connections and distributes them round-robin, so that a few
 * long-lived ones are spread evenly.
 */
import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { PendingHandoffs } from './pending-handoffs.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** A worker as the primary handles it. */
export interface WorkerProcess {
  readonly pid: number;
  tell(message: ToWorker): void;
  /** Ends it immediately. */
  kill(): void;
}

export interface WorkerEvents {
  readonly told: (message: FromWorker) => void;
  /** Called after the last message. @param how in words */
  readonly ended: (how: string) => void;
}

export type Fork = (events: WorkerEvents) => WorkerProcess;

/** By then every worker that was told to drain has stopped accepting connections. */
const DOORS_CLOSED_MS = 1_000;

/** Must be called once. */
export function clusterFork(): Fork {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  // Workers get the primary's own Node flags.
  cluster.setupPrimary({ exec: fileURLToPath(new URL('./worker.ts', import.meta.url)), args: [] });
  return forkWorker;
}

function forkWorker({ told, ended }: WorkerEvents): WorkerProcess {
  const worker = cluster.fork();
  const dealt = new PendingHandoffs(worker.process);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the worker, of the same build, says nothing else
  worker.on('message', (message) => told(message as FromWorker));
  // A message to a worker that has just died fails; its death is reported by its end.
  worker.on('error', () => undefined);
  // This is the process's event: it has ended, and all its messages were received.
  worker.process.once('close', (code: number | null, signal: string | null) => {
    // node:cluster does not notice the end while a connection is being handed over, and would keep the port for it.
    worker.disconnect();
    dealt.closeAll();
    ended(signal === null ? `exit status ${code}` : `signal ${signal}`);
  });
  return {
    pid: worker.process.pid ?? 0,
    tell: (message) => {
      if (worker.isConnected()) worker.send(message);
      // A worker that no longer accepts connections returns one that comes late; once all workers do, nobody takes it.
      if (message.kind === 'drain') setTimeout(() => dealt.closeAll(), DOORS_CLOSED_MS).unref();
    },
    kill: () => worker.process.kill('SIGKILL'),
  };
}
