/**
 * Builds the stages, top to bottom in the order in which a request passes them, and ends them. A single process has one
 * pipeline and an admin port (admin/port.ts); with server.workers each worker has its own pipeline.
 *
 *     receive -> decode -> queue -> batch -> send -> outcome
 */
import { listenOn } from '../platform/listening.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { BufferPool } from '../memory/buffer-pool.ts';
import { Kernel } from '../codec/kernel.ts';
import { KernelTurns } from '../codec/kernel-turns.ts';
import type { Config, RemoteWriteConfig } from '../config/schema.ts';
import { DestinationPipeline } from './destination.ts';
import type { Log } from '../platform/log.ts';
import { Metrics } from '../metrics/metrics.ts';
import { monotonicMs } from '../platform/clock.ts';
import { QueryPort } from './query-port.ts';
import type { Readiness } from '../admin/server.ts';
import { ByteBudget } from '../receive/access/byte-budget.ts';
import { Authenticator } from '../receive/access/auth.ts';
import type { RefusedConnection } from '../receive/access/connection-cap.ts';
import { drainServer } from '../receive/http/drain.ts';
import { makeServer } from '../receive/server.ts';
import { ServerTls, type TlsConfig } from '../receive/access/tls.ts';
import { WriteHandler } from '../receive/write-handler.ts';
import type { StatusDeps } from '../admin/status-page/status.ts';

/** The interval at which deadlines are checked; a sender is answered up to this much before its deadline. */
const SWEEP_MS = 250;

const READY_POLL_MS = 100;

/** The memory for bodies that is kept between requests. */
const MAX_IDLE_BYTES = 32 * 1024 * 1024;

export type PipelineView = Pick<
  StatusDeps,
  'destinations' | 'senders' | 'readiness' | 'draining' | 'budget' | 'maxInflightBytes'
>;

export class Pipeline {
  readonly server: FastifyInstance;
  readonly metrics: Metrics;
  readonly #budget: ByteBudget;
  readonly #config: Config;
  readonly #log: Log;
  readonly #destinations: readonly [DestinationPipeline, ...DestinationPipeline[]];
  readonly #route: WriteHandler;
  readonly #tls: ServerTls | undefined;
  readonly #auth: Authenticator | undefined;
  readonly #query: QueryPort | undefined;
  readonly #sweep: NodeJS.Timeout;
  #queryListen: string | undefined;
  #draining = false;

  constructor(config: Config, log: Log, build: { version: string }) {
    this.#config = config;
    this.#log = log;
    const { limits, server } = config;
    const metrics = new Metrics(build);
    this.metrics = metrics;
    const kernelLimits = {
      maxBodyBytes: limits.max_body_bytes,
      maxDecodedBytes: limits.max_decoded_bytes,
      maxSeries: limits.max_series_per_request,
      maxSamples: limits.max_samples_per_request,
      maxMetadata: limits.max_metadata_per_request,
      maxFields: limits.max_fields_per_request,
    };
    // One kernel does the work that takes one turn of the event loop, the other the work that takes several.
    const kernel = new Kernel(kernelLimits);
    const turns = new KernelTurns(new Kernel(kernelLimits), monotonicMs);
    const pool = new BufferPool(MAX_IDLE_BYTES);
    const budget = new ByteBudget(limits.max_inflight_bytes);
    this.#budget = budget;
    const [first, ...others] = config.remote_write;
    const open = (entry: RemoteWriteConfig): DestinationPipeline =>
      new DestinationPipeline(entry, turns, pool, metrics, budget, log);
    this.#destinations = [open(first), ...others.map(open)];
    this.#tls = server.tls === undefined ? undefined : new ServerTls(requireFiles(server.tls), log);
    this.#auth = server.auth === undefined ? undefined : new Authenticator(server.auth, log);
    this.#route = new WriteHandler({
      kernel,
      turns,
      budget,
      pool,
      maxBodyBytes: limits.max_body_bytes,
      auth: this.#auth,
      metrics,
      log,
      nowMs: monotonicMs,
      maxConnectionAgeMs: server.max_connection_age,
      random: Math.random,
    });
    metrics.exposeInflight(budget);
    const connections = {
      maxOfAddress: limits.max_connections_per_address,
      count: (reason: RefusedConnection) => metrics.countRefusedConnection(reason),
      log,
    };
    this.server = makeServer(this.#destinations, this.#route, connections, this.#tls);
    // query: a port of its own, with the credentials of the destinations.
    if (server.query_listen !== undefined) {
      const readersTls = server.query_tls === undefined ? undefined : requireFiles(server.query_tls);
      this.#query = new QueryPort(server.query_listen, config, this.#destinations, metrics, readersTls, log);
    }
    this.#sweep = setInterval(() => {
      for (const destination of this.#destinations) destination.sweep(monotonicMs() + SWEEP_MS);
    }, SWEEP_MS);
  }

  /**
   * Listens, and requests credentials in the background. Rejects if it cannot listen on the address.
   * @param whenReady true to listen only once there are credentials: other workers do the work until then
   */
  async start(whenReady = false): Promise<string> {
    for (const { credentials } of this.#destinations) void credentials.refresh();
    if (whenReady) while (!this.readiness().ready) await sleep(READY_POLL_MS);
    const listen = await listenOn(
      this.#config.server.listen,
      async (address) => this.server.listen(address),
      this.#log,
    );
    this.#queryListen = await this.#query?.start();
    return listen;
  }

  /** The servers that listen. */
  get servers(): readonly FastifyInstance[] {
    return this.#query === undefined ? [this.server] : [this.server, this.#query.server];
  }

  /** Where readers are served once it has started, if they are. */
  get queryListen(): string | undefined {
    return this.#queryListen;
  }

  /** The readings for the status page. */
  get shown(): PipelineView {
    return {
      destinations: () => this.#destinations.map((destination) => destination.snapshot()),
      senders: () => this.#route.senders(),
      readiness: () => this.readiness(),
      draining: () => this.#draining,
      budget: this.#budget,
      maxInflightBytes: this.#config.limits.max_inflight_bytes,
    };
  }

  readiness(): Readiness {
    const reasons = this.#destinations
      .filter(({ credentials }) => credentials.tryCurrent() === undefined)
      .map(({ name, credentials: { lastError, lastRemedy } }) => {
        const remedy = lastRemedy === '' ? '' : ` -> ${lastRemedy}`;
        return `remote_write ${name} has no AWS credentials: ${lastError}${remedy}`;
      });
    if (this.#draining) reasons.unshift('shutting down');
    return { ready: reasons.length === 0, reasons };
  }

  /**
   * Becomes unready immediately; open requests are still delivered, or refused when `shutdown_timeout` is over.
   * Resolves when every sender has its answer and every socket is closed.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#route.drain();
    const timeoutMs = this.#config.server.shutdown_timeout;
    this.#log.info({ pending: this.#pending(), timeoutMs }, 'draining');
    for (const destination of this.#destinations) destination.drain();
    const timer = setTimeout(() => this.#refuseRest(), Math.max(0, timeoutMs - ANSWER_MS));
    await Promise.all([
      drainServer(this.server.server, Math.min(IDLE_MS, timeoutMs / 4), () => this.#route.open),
      this.#query?.drain(timeoutMs),
    ]);
    await this.close();
    clearTimeout(timer);
  }

  /** Ends immediately: pending requests are refused. */
  async close(): Promise<void> {
    clearInterval(this.#sweep);
    this.#auth?.stop();
    this.#tls?.stop();
    await this.#query?.close();
    await Promise.all(this.#destinations.map(async (destination) => destination.stop()));
    await this.server.close();
  }

  #refuseRest(): void {
    this.#log.warn({ pending: this.#pending() }, 'shutdown_timeout is nearly over; what is left is refused');
    for (const destination of this.#destinations) void destination.stop();
    setTimeout(() => this.server.server.closeAllConnections(), ANSWER_MS / 2).unref();
  }

  #pending(): number {
    return this.#destinations.reduce((sum, { pendingParcels }) => sum + pendingParcels, 0);
  }
}

/** The part of `shutdown_timeout` that is kept for writing the last answers. */
const ANSWER_MS = 1_000;
/** The time in which an idle connection may carry one more request: Prometheus sends its samples after at most 5 s. */
const IDLE_MS = 5_000;

/** The rules of the configuration ensure that both are present. */
function requireFiles({ cert_file, key_file, client_ca_file }: NonNullable<Config['server']['tls']>): TlsConfig {
  if (cert_file === undefined || key_file === undefined) throw new Error('server.tls without cert_file and key_file');
  return { cert_file, key_file, client_ca_file };
}
