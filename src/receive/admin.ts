/**
 * The admin port: metrics for Prometheus, liveness and readiness for Kubernetes.
 *
 * Live means that the event loop turns. Ready means that a sender's request can be forwarded: credentials are there
 * and the process is not shutting down. An upstream that fails does not make it unready: senders are told 503 and why,
 * which is more than a refused connection tells them.
 */
import fastify, { type FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';

/** What /metrics shows. */
export type Exposition = Pick<Registry, 'contentType' | 'metrics'>;

export interface Readiness {
  readonly ready: boolean;
  /** One line a reason when it is not ready. */
  readonly reasons: readonly string[];
}

/**
 * @param addPage adds the routes of a page at `/`; without one, there is a list in plain text
 * @param isHealthy for a process that lives and is of no use all the same
 */
export function makeAdminServer(
  exposition: Exposition,
  readiness: () => Readiness,
  addPage?: (server: FastifyInstance) => void,
  isHealthy: () => boolean = () => true,
): FastifyInstance {
  const server = fastify({ logger: false, forceCloseConnections: true });
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
    if (ready) return reply.send('ready\n');
    return reply.code(503).send(`not ready: ${reasons.join('; ')}\n`);
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
