/** Starts workers with node:cluster. The primary accepts connections and deals them in turn: a few long-lived ones are spread evenly. */
import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { PendingHandoffs } from './pending-handoffs.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** A worker as the primary handles it. */
export interface WorkerProcess {
  readonly pid: number;
  tell(message: ToWorker): void;
  /** At once. */
  kill(): void;
}

export interface WorkerEvents {
  readonly told: (message: FromWorker) => void;
  /** After the last message. @param how in words */
  readonly ended: (how: string) => void;
}

export type Fork = (events: WorkerEvents) => WorkerProcess;

/** By then every worker that was told to drain has closed its door. */
const DOORS_CLOSED_MS = 1_000;

/** To be called once. */
export function clusterFork(): Fork {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  // Workers get the primary's own flags of node.
  cluster.setupPrimary({ exec: fileURLToPath(new URL('./worker.ts', import.meta.url)), args: [] });
  return forkWorker;
}

function forkWorker({ told, ended }: WorkerEvents): WorkerProcess {
  const worker = cluster.fork();
  const dealt = new PendingHandoffs(worker.process);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the worker, of the same build, says nothing else
  worker.on('message', (message) => told(message as FromWorker));
  // A message to one that has just died; that it died is told by its end.
  worker.on('error', () => undefined);
  // Of the process: when it has ended, and all that it said was heard.
  worker.process.once('close', (code: number | null, signal: string | null) => {
    // While a connection was on its way node:cluster has not noticed, and would keep the port for it.
    worker.disconnect();
    dealt.closeAll();
    ended(signal === null ? `exit status ${code}` : `signal ${signal}`);
  });
  return {
    pid: worker.process.pid ?? 0,
    tell: (message) => {
      if (worker.isConnected()) worker.send(message);
      // One that had closed its door when a connection came gave it back, and when all have, nobody takes it.
      if (message.kind === 'drain') setTimeout(() => dealt.closeAll(), DOORS_CLOSED_MS).unref();
    },
    kill: () => worker.process.kill('SIGKILL'),
  };
}
