/** The proxy in one process: pipeline -> listen -> drain on a signal. */
import { AdminPort } from '../admin/port.ts';
import type { Config } from '../config/schema.ts';
import { endSignal } from './signals.ts';
import type { Log } from '../platform/log.ts';
import { exposeDestinations } from '../metrics/destination-exposition.ts';
import { exposeWorkers } from '../metrics/process-metrics.ts';
import { monotonicMs } from '../platform/clock.ts';
import { Pipeline } from './pipeline.ts';

/** @returns the exit status */
export async function serveAlone(config: Config, log: Log, version: string): Promise<number> {
  let pipeline: Pipeline;
  try {
    pipeline = new Pipeline(config, log, { version });
  } catch (error) {
    log.error({ error: error instanceof Error ? error.message : String(error) }, 'cannot start');
    return 1;
  }
  const { registry } = pipeline.metrics;
  exposeDestinations(registry, pipeline.shown.destinations);
  exposeWorkers(registry, { running: () => 1, restarts: () => 0 });
  const admin = new AdminPort({
    config: config.server,
    ...pipeline.shown,
    version,
    exposition: registry,
    wallMs: Date.now,
    monotonicMs,
    log,
  });
  const signal = endSignal(log);
  try {
    const listen = await pipeline.start();
    const adminListen = await admin.start();
    log.info(
      {
        listen,
        adminListen,
        queryListen: pipeline.queryListen,
        version,
        destinations: config.remote_write.map(({ name, url }) => ({ name, url })),
      },
      'listening',
    );
  } catch (error) {
    log.error({ error: error instanceof Error ? error.message : String(error) }, 'cannot listen');
    await Promise.all([pipeline.close(), admin.close()]);
    return 1;
  }
  log.info({ signal: await signal }, 'asked to end');
  await pipeline.drain();
  await admin.close();
  log.info({}, 'drained');
  // A hanging call to STS would keep the process alive; nothing can be lost any more.
  setTimeout(() => process.exit(0), 200).unref();
  return 0;
}
