/** query: the HTTP server that readers ask. It shares nothing with the write port but the process. */
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import fastify, { type FastifyInstance } from 'fastify';
import { capConnections, type ConnectionCapDeps } from '../receive/access/connection-cap.ts';
import type { ServerTls } from '../receive/access/tls.ts';
import {
  CHECK_INTERVAL_MS,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
} from '../receive/http/timeouts.ts';
import type { QueryHandler } from './query-handler.ts';

/** The limit for all readers together; limits.max_connections_per_address is half of it. */
const MAX_CONNECTIONS = 20_000;
const REMEDY =
  'raise limits.max_connections_per_address where many readers have this address; else look for a reader that does ' +
  'not use its connections again';

export type QueryConnectionDeps = Pick<ConnectionCapDeps, 'maxOfAddress' | 'count' | 'log' | 'nowMs'>;

export function makeQueryServer(
  handler: QueryHandler,
  connections: QueryConnectionDeps,
  tls?: ServerTls,
): FastifyInstance {
  const entry: RequestListener = (request, response) => void handler.handle(request, response);
  const limits = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
    noDelay: true,
  };
  const makeHttpServer = (): Server => {
    if (tls === undefined) return createServer(limits, entry);
    const secure = createSecureServer({ ...limits, ...tls.options, handshakeTimeout: HEADERS_TIMEOUT_MS }, entry);
    tls.onChange((material) => secure.setSecureContext(material));
    return secure;
  };
  return fastify({
    logger: false,
    requestIdHeader: false,
    forceCloseConnections: false,
    return503OnClosing: false,
    // Fastify listens and closes. Its router decodes paths and its replies are buffered or piped by rules of its own; a
    // query needs the path as it was sent, and an end that is told from a cut.
    serverFactory: () => {
      const made = makeHttpServer();
      capConnections(made, { ...connections, maxConnections: MAX_CONNECTIONS, remedy: REMEDY });
      return made;
    },
  });
}
