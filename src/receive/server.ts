/** receive: the HTTP server that senders write to; routes.ts says where a request leads. */
import type { RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import fastify, { type FastifyInstance } from 'fastify';
import { monotonicMs } from '../monotonic.ts';
import type { Exchange } from './exchange.ts';
import { LaneServer, type LaneOptions } from './lane-server.ts';
import { NodeExchange } from './node-exchange.ts';
import { Routes, type RoutedEntry } from './routes.ts';
import type { ServerTls } from './tls.ts';
import type { Destination } from './visit.ts';
import type { WriteRoute } from './write-route.ts';

export interface RoutedDestination extends Destination, RoutedEntry {}

/** A head that takes longer is cut off; a sender writes it in one go. */
const HEADERS_TIMEOUT_MS = 10_000;
/** A whole request: Prometheus gives up after 30 s (remote_timeout). */
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the 5 minutes after which Prometheus closes an idle connection, so that ours is never closed as it is used. */
const KEEP_ALIVE_TIMEOUT_MS = 330_000;
const CHECK_INTERVAL_MS = 2_000;
const MAX_CONNECTIONS = 20_000;

/** How long the lane waits, and by which clock. */
export type LaneTiming = Omit<LaneOptions, 'tryHandle'>;
const LANE: LaneTiming = {
  timeouts: { firstRequest: HEADERS_TIMEOUT_MS, request: REQUEST_TIMEOUT_MS, keepAlive: KEEP_ALIVE_TIMEOUT_MS },
  checkIntervalMs: CHECK_INTERVAL_MS,
  nowMs: monotonicMs,
};

export function makeServer(
  destinations: readonly [RoutedDestination, ...RoutedDestination[]],
  route: WriteRoute,
  tls?: ServerTls,
  timing: LaneTiming = LANE,
): FastifyInstance {
  const routes = new Routes(destinations);
  const handle = (exchange: Exchange, method: string, target: string): void => {
    const { entry: destination, unrouted } = routes.find(method, target);
    if (destination === undefined) route.handleUnrouted(exchange, target, unrouted);
    else route.handle(exchange, destination);
  };
  // Paths that lead nowhere are taken too: who may not send is told the same of them, to the byte.
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
  // Fastify leaves these alone where it does not make the server itself.
  const limits = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
    noDelay: true,
  };
  const server: FastifyInstance = fastify({
    logger: false,
    requestIdHeader: false,
    forceCloseConnections: false,
    return503OnClosing: false,
    // Fastify listens and closes; no request is routed or read by it.
    serverFactory: () => {
      // TLS is read by Node's HTTP server alone.
      if (tls === undefined) return new LaneServer(limits, entry, { ...timing, tryHandle });
      const secure = createSecureServer({ ...limits, ...tls.options }, entry);
      tls.onChange((material) => secure.setSecureContext(material));
      return secure;
    },
  });
  server.server.maxConnections = MAX_CONNECTIONS;
  return server;
}
