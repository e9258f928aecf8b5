/** receive: the HTTP server that senders write to; routes.ts says where a request leads. */
import type { RequestListener, Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import fastify, { type FastifyInstance } from 'fastify';
import { monotonicMs } from '../platform/clock.ts';
import { capConnections, type ConnectionCapDeps } from './access/connection-cap.ts';
import type { Exchange } from './http/exchange.ts';
import { FastPathServer, type FastPathOptions } from './http/fast-path/server.ts';
import { NodeExchange } from './http/node-exchange.ts';
import { Routes, type RoutedEntry } from './routes.ts';
import { CHECK_INTERVAL_MS, HEADERS_TIMEOUT_MS, KEEP_ALIVE_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from './http/timeouts.ts';
import type { ServerTls } from './access/tls.ts';
import type { Destination } from './write-request-handler.ts';
import type { WriteHandler } from './write-handler.ts';

export interface RoutedDestination extends Destination, RoutedEntry {}

/** The limit for all senders together; limits.max_connections_per_address is half of it. */
const MAX_CONNECTIONS = 20_000;
const REMEDY =
  'raise limits.max_connections_per_address where many senders have this address, as behind a balancer; ' +
  'else look for a sender that does not use its connections again';

/** The treatment of excess connections. */
export type FastPathConnectionDeps = Pick<ConnectionCapDeps, 'maxOfAddress' | 'count' | 'log'>;

/** The timeouts of the fast path, and its clock. */
export type FastPathTiming = Omit<FastPathOptions, 'tryHandle'>;
const LANE: FastPathTiming = {
  timeouts: { firstRequest: HEADERS_TIMEOUT_MS, request: REQUEST_TIMEOUT_MS, keepAlive: KEEP_ALIVE_TIMEOUT_MS },
  checkIntervalMs: CHECK_INTERVAL_MS,
  nowMs: monotonicMs,
};

export function makeServer(
  destinations: readonly [RoutedDestination, ...RoutedDestination[]],
  route: WriteHandler,
  connections: FastPathConnectionDeps,
  tls?: ServerTls,
  timing: FastPathTiming = LANE,
): FastifyInstance {
  const routes = new Routes(destinations);
  const handle = (exchange: Exchange, method: string, target: string): void => {
    const { entry: destination, unrouted } = routes.find(method, target);
    if (destination === undefined) route.handleUnrouted(exchange, target, unrouted);
    else route.handle(exchange, destination);
  };
  // Paths that lead nowhere are taken too, since an unauthorised sender gets the same answer for them, to the byte.
  const tryHandle = (exchange: Exchange, path: string): boolean => {
    const destination = routes.tryExact(path);
    if (destination !== undefined) route.handle(exchange, destination);
    else if (routes.isPlain(path)) handle(exchange, 'POST', path);
    else return false;
    return true;
  };
  const entry: RequestListener = (request, response) => {
    handle(new NodeExchange(request, response), request.method ?? '', request.url ?? '');
  };
  // Fastify leaves these settings alone when it does not create the server itself.
  const limits = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
    noDelay: true,
  };
  // TLS is handled by Node's HTTP server alone.
  const makeHttpServer = (): Server => {
    if (tls === undefined) return new FastPathServer(limits, entry, { ...timing, tryHandle });
    const handshakeTimeout = timing.timeouts.firstRequest;
    const secure = createSecureServer({ ...limits, ...tls.options, handshakeTimeout }, entry);
    tls.onChange((material) => secure.setSecureContext(material));
    return secure;
  };
  return fastify({
    logger: false,
    requestIdHeader: false,
    forceCloseConnections: false,
    return503OnClosing: false,
    // Fastify listens and closes; it routes and reads no request. On localhost it asks for one server per address.
    serverFactory: () => {
      const made = makeHttpServer();
      capConnections(made, { ...connections, maxConnections: MAX_CONNECTIONS, remedy: REMEDY, nowMs: timing.nowMs });
      return made;
    },
  });
}
