/**
 * The admin port: metrics for Prometheus, liveness and readiness for Kubernetes.
 *
 * Live means that the event loop turns. Ready means that a sender's request can be forwarded: credentials are there
 * and the process is not shutting down. An upstream that fails does not make it unready: senders are told 503 and why,
 * which is more than a refused connection tells them.
 */
import fastify, { type FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { monotonicMs } from '../platform/clock.ts';
import { RecurringLog } from '../platform/recurring-log.ts';
import type { AdminHosts } from './hosts.ts';
import { capConnections } from '../receive/access/connection-cap.ts';
import {
  CHECK_INTERVAL_MS,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
} from '../receive/http/timeouts.ts';

/** The content of /metrics. */
export type Exposition = Pick<Registry, 'contentType' | 'metrics'>;

export interface Readiness {
  readonly ready: boolean;
  /** One line per reason why it is not ready. */
  readonly reasons: readonly string[];
}

/** Which hosts may ask, and how many connections may be open. */
export interface AdminAccess {
  readonly hosts: AdminHosts;
  readonly log: { warn(fields: object, message: string): void };
  /** Timeouts other than those of the write port, for tests. */
  readonly timing?: { readonly headersTimeout: number; readonly connectionsCheckingInterval: number };
  readonly maxOfAddress?: number;
  /** The lines after the first of /-/ready: failures that do not make the process unready. */
  readonly failures?: () => readonly string[];
}

/** The admin port needs few connections: scrapes, probes and pages. */
const MAX_CONNECTIONS = 1_000;
const MAX_CONNECTIONS_OF_ADDRESS = 200;

/**
 * @param addPage adds the routes of a page at `/`; without one, there is a list in plain text
 * @param isHealthy false for a process that lives but cannot do its work
 */
export function makeAdminServer(
  exposition: Exposition,
  readiness: () => Readiness,
  access: AdminAccess,
  addPage?: (server: FastifyInstance) => void,
  isHealthy: () => boolean = () => true,
): FastifyInstance {
  const server = fastify({
    logger: false,
    forceCloseConnections: true,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: CHECK_INTERVAL_MS, ...access.timing },
  });
  capConnections(server.server, {
    maxConnections: MAX_CONNECTIONS,
    maxOfAddress: access.maxOfAddress ?? MAX_CONNECTIONS_OF_ADDRESS,
    remedy: 'look for somebody who leaves connections to the admin port open',
    count: () => undefined,
    log: access.log,
    nowMs: monotonicMs,
  });
  const warnings = new RecurringLog((fields, message) => access.log.warn(fields, message), monotonicMs);
  server.addHook('onRequest', (request, reply, done) => {
    const { host } = request.raw.headers;
    // It is no secret that the process lives, and a wrong name is no reason to restart it.
    if (request.url === '/-/healthy' || access.hosts.allows(host)) {
      done();
      return;
    }
    const remedy = 'add the name to server.admin_hosts, or ask by address';
    warnings.warn(
      'host',
      { host, address: request.ip, remedy },
      'the admin port was asked by a name that it does not know',
    );
    void reply.code(421).type('text/plain').send(`not known by this name: ${remedy}\n`);
  });
  server.get('/metrics', async (_request, reply) => {
    void reply.header('content-type', exposition.contentType);
    return exposition.metrics();
  });
  server.get('/-/healthy', (_request, reply) => {
    void reply.type('text/plain');
    return isHealthy() ? reply.send('healthy\n') : reply.code(503).send('not healthy: no worker lives\n');
  });
  server.get('/-/ready', (_request, reply) => {
    const { ready, reasons } = readiness();
    void reply.type('text/plain');
    const failures = (access.failures?.() ?? []).map((line) => `${line}\n`).join('');
    if (ready) return reply.send(`ready\n${failures}`);
    return reply.code(503).send(`not ready: ${reasons.join('; ')}\n${failures}`);
  });
  if (addPage !== undefined) addPage(server);
  else server.get('/', (_request, reply) => reply.type('text/plain').send(INDEX));
  return server;
}

const INDEX = `amp-write-proxy
/metrics     for Prometheus
/-/healthy   the process lives
/-/ready     requests can be forwarded, or why not
`;
