/**
 * Assembles the query port, where server.query_listen is set: login -> route -> turn -> sign -> send. Beside the write
 * port it shares the credentials, the clock and the trust of each destination, and nothing that a write could wait for.
 */
import { listenOn } from '../platform/listening.ts';
import type { FastifyInstance } from 'fastify';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config, RemoteWriteConfig } from '../config/schema.ts';
import { proxyFor } from '../config/proxy-route.ts';
import { QueryMetrics } from '../metrics/query-counts.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { monotonicMs } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { QueryEntry } from '../query/query-entry.ts';
import { QueryHandler } from '../query/query-handler.ts';
import { QuerySigner } from '../query/query-signer.ts';
import { QueryUpstream } from '../query/query-upstream.ts';
import { ReaderLogin } from '../query/reader-login.ts';
import { makeQueryServer } from '../query/server.ts';
import { QueryTurns } from '../query/turns.ts';
import { Authenticator } from '../receive/access/auth.ts';
import { ServerTls, type TlsConfig } from '../receive/access/tls.ts';
import { drainServer } from '../receive/http/drain.ts';
import type { UpstreamTls } from '../send/upstream/upstream.ts';
import type { DestinationPipeline } from './destination.ts';

type Destination = Pick<DestinationPipeline, 'name' | 'workspaceId' | 'credentials' | 'clock'> & {
  readonly tls: UpstreamTls;
};

/** Between the end of the time for queries in flight and the end of the process. */
const ANSWER_MS = 1_000;

export class QueryPort {
  readonly server: FastifyInstance;
  readonly #listen: NonNullable<Config['server']['query_listen']>;
  readonly #log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly #handler: QueryHandler;
  readonly #upstreams: readonly QueryUpstream[];
  readonly #auth: Authenticator | undefined;
  readonly #tls: ServerTls | undefined;

  /** Throws when a file cannot be read or used. */
  constructor(
    listen: NonNullable<Config['server']['query_listen']>,
    config: Config,
    destinations: readonly Destination[],
    metrics: Metrics,
    tls: TlsConfig | undefined,
    log: Pick<Log, 'info' | 'warn' | 'error'>,
  ) {
    const { server, query, limits } = config;
    this.#listen = listen;
    this.#log = log;
    const queryMetrics = new QueryMetrics(metrics.registry);
    const entries = config.remote_write.flatMap((entry, index) => {
      const { [index]: destination } = destinations;
      return destination === undefined || entry.query_url === undefined
        ? []
        : openEntry(entry, entry.query_url, destination, query, queryMetrics);
    });
    this.#upstreams = entries.map(({ upstream }) => upstream);
    const [first, ...others] = entries;
    if (first === undefined) throw new Error('server.query_listen without an entry that can be read');
    this.#tls = tls === undefined ? undefined : new ServerTls(tls, log);
    this.#auth = server.query_auth === undefined ? undefined : new Authenticator(server.query_auth, log);
    this.#handler = new QueryHandler([first, ...others], {
      config: query,
      slowQueriesMs: config.log.slow_queries,
      login: this.#auth === undefined ? undefined : new ReaderLogin(this.#auth, log, monotonicMs),
      metrics: queryMetrics,
      log,
      nowMs: monotonicMs,
      random: Math.random,
    });
    const connections = {
      maxOfAddress: limits.max_connections_per_address,
      count: () => queryMetrics.countDenied('too_many_connections'),
      log,
      nowMs: monotonicMs,
    };
    this.server = makeQueryServer(this.#handler, connections, this.#tls);
  }

  /** @returns where it listens; rejects when it cannot */
  async start(): Promise<string> {
    return listenOn(this.#listen, async (address) => this.server.listen(address), this.#log);
  }

  /** Queries in flight have so long to end. */
  async drain(timeoutMs: number): Promise<void> {
    this.#handler.drain();
    const idleMs = Math.min(1_000, timeoutMs / 4);
    const over = new AbortController();
    await Promise.race([
      drainServer(this.server.server, idleMs, () => this.#handler.open),
      sleep(Math.max(0, timeoutMs - ANSWER_MS), undefined, { signal: over.signal, ref: false }).catch(() => undefined),
    ]);
    over.abort();
    await this.close();
  }

  /** Ends at once: queries in flight are cut. */
  async close(): Promise<void> {
    this.#auth?.stop();
    this.#tls?.stop();
    await Promise.all(this.#upstreams.map(async (upstream) => upstream.destroy()));
    this.server.server.closeAllConnections();
    await this.server.close();
  }
}

function openEntry(
  { name, sigv4, proxy, proxy_connect_header: connectHeaders }: RemoteWriteConfig,
  queryUrl: string,
  { workspaceId, credentials, clock, tls }: Destination,
  query: Config['query'],
  metrics: QueryMetrics,
): QueryEntry {
  const url = new URL(queryUrl);
  const turns = new QueryTurns(query.max_concurrency, query.max_queued);
  const proxyUrl = proxyFor(url, proxy);
  return {
    name,
    workspaceId,
    basePath: url.pathname === '/' ? '' : url.pathname,
    signer: new QuerySigner(url, sigv4.region, sigv4.service_name),
    credentials,
    clock,
    upstream: new QueryUpstream({
      url,
      connections: query.max_concurrency,
      tls,
      proxy: proxyUrl === undefined ? undefined : { url: proxyUrl, connectHeaders },
    }),
    turns,
    counts: metrics.addEntry(name, turns),
  };
}
