/**
 * The primary: with server.workers it carries no data. It accepts connections and distributes them to workers, replaces
 * workers that die, serves the admin port for all of them, and ends them.
 */
import { Registry } from 'prom-client';
import { AdminPort } from '../../admin/port.ts';
import type { Config } from '../../config/schema.ts';
import { workerShare } from '../../config/worker-share.ts';
import { endSignal } from '../signals.ts';
import { WorkerStartError } from '../../outcome/errors.ts';
import type { Log } from '../../platform/log.ts';
import { exposeDestinations } from '../../metrics/destination-exposition.ts';
import { exposeProcess, exposeWorkers } from '../../metrics/process-metrics.ts';
import { monotonicMs } from '../../platform/clock.ts';
import { DestinationsView } from './destinations-view.ts';
import { WorkerExits } from './worker-exits.ts';
import { WorkerPool } from './worker-pool.ts';
import { clusterFork, type Fork } from './fork.ts';
import { SendersView } from './senders-view.ts';
import { Totals } from './totals.ts';

/** The extra time beyond `shutdown_timeout`, which a worker observes by itself, before it is killed. */
const GRACE_MS = 1_000;

/** @returns the exit status */
export async function servePrimary(config: Config, workers: number, log: Log, version: string): Promise<number> {
  const registry = new Registry();
  exposeProcess(registry, version);
  const totals = new Totals();
  const fork: Fork = clusterFork();
  const share = workerShare(config, workers);
  const destinations = new DestinationsView(config.remote_write, () => fleet.reports.values());
  const senders = new SendersView();
  const ends = new WorkerExits(Date.now);
  const fleet: WorkerPool = new WorkerPool({
    size: workers,
    version,
    config: share,
    fork,
    log,
    nowMs: monotonicMs,
    retire: (report) => {
      totals.retire(report.metrics);
      destinations.retire(report);
    },
    ended: (slot, how) => ends.add(slot, how),
  });
  exposeDestinations(registry, () => destinations.snapshots());
  exposeWorkers(registry, { running: () => fleet.running, restarts: () => fleet.restarts });
  const metrics = () => [...fleet.reports.values()].map((report) => report.metrics);
  const admin = new AdminPort({
    config: config.server,
    version,
    exposition: {
      contentType: registry.contentType,
      metrics: async () => {
        await fleet.refresh();
        const own = await registry.getMetricsAsJSON();
        return totals.sum([own, ...metrics()]).metrics();
      },
    },
    destinations: () => destinations.snapshotsOfWorking(),
    senders: () => senders.read(fleet.reports, monotonicMs()),
    readiness: () => fleet.readiness(),
    isHealthy: () => fleet.isAlive,
    draining: () => fleet.draining,
    problems: () => ends.list(),
    workers: () => ({ running: fleet.running, wanted: workers }),
    budget: {
      get usedBytes() {
        return [...fleet.reports.values()].reduce((sum, { inflightBytes }) => sum + inflightBytes, 0);
      },
    },
    maxInflightBytes: config.limits.max_inflight_bytes,
    wallMs: Date.now,
    monotonicMs,
    log,
  });

  const signal = endSignal(log);
  try {
    const adminListen = await admin.start();
    const listen = await Promise.race([fleet.start(), signal.then(() => undefined)]);
    const names = config.remote_write.map(({ name, url }) => ({ name, url }));
    if (listen !== undefined) {
      const { queryListen } = fleet;
      log.info({ listen, adminListen, queryListen, version, workers, destinations: names }, 'listening');
    }
  } catch (error) {
    const what = error instanceof WorkerStartError ? error.what : 'cannot listen';
    log.error({ error: error instanceof Error ? error.message : String(error) }, what);
    await Promise.all([fleet.drain(0), admin.close()]);
    return endWith(1);
  }
  log.info({ signal: await signal }, 'asked to end');
  await fleet.drain(config.server.shutdown_timeout + GRACE_MS);
  await admin.close();
  log.info({}, 'drained');
  return endWith(0);
}

/** node:cluster may keep a channel open to a worker that was killed. */
function endWith(status: 0 | 1): number {
  setTimeout(() => process.exit(status), 200).unref();
  return status;
}
