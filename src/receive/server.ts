/**
 * receive: the HTTP server that senders write to. Three routes lead to the destinations; everything else is 404.
 *
 *     POST /api/v1/write                              the first remote_write entry
 *     POST /api/v1/write/NAME                         the entry of that name
 *     POST /workspaces/WS/api/v1/remote_write         the entry whose URL names the workspace WS
 */
import type { RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import fastify, {
  type FastifyReply,
  type FastifyInstance,
  type FastifyRequest,
  type RouteShorthandOptions,
} from 'fastify';
import { monotonicMs } from '../monotonic.ts';
import type { Exchange } from './exchange.ts';
import { answerText } from './linger.ts';
import { LaneServer, type LaneOptions } from './lane-server.ts';
import { NodeExchange } from './node-exchange.ts';
import type { ServerTls } from './tls.ts';
import type { Destination } from './visit.ts';
import type { WriteRoute } from './write-route.ts';

export interface RoutedDestination extends Destination {
  /** Workspace id in the URL, if it has one. */
  readonly workspaceId: string | undefined;
}

/** A head that takes longer is cut off; a sender writes it in one go. */
const HEADERS_TIMEOUT_MS = 10_000;
/** A whole request: Prometheus gives up after 30 s (remote_timeout). */
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the 5 minutes after which Prometheus closes an idle connection, so that ours is never closed as it is used. */
const KEEP_ALIVE_TIMEOUT_MS = 330_000;
const CHECK_INTERVAL_MS = 2_000;
const MAX_CONNECTIONS = 20_000;

const WRITE_PATH = '/api/v1/write';
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
  const [first] = destinations;
  const byPath = pathsOf(destinations);
  const tryHandle = (exchange: Exchange, path: string): boolean => {
    const destination = byPath.get(path);
    if (destination !== undefined) route.handle(exchange, destination);
    return destination !== undefined;
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
    serverFactory: (handler) => {
      // The route that nearly every request takes, before the router.
      const entry: RequestListener = (request, response) => {
        if (request.url === WRITE_PATH && request.method === 'POST') {
          route.handle(new NodeExchange(request, response), first);
        } else handler(request, response);
      };
      // TLS is read by Node's HTTP server alone.
      if (tls === undefined) return new LaneServer(limits, entry, { ...timing, tryHandle });
      const secure = createSecureServer({ ...limits, ...tls.options }, entry);
      tls.onChange((material) => secure.setSecureContext(material));
      return secure;
    },
  });
  server.server.maxConnections = MAX_CONNECTIONS;
  // No body is Fastify's to read, of unknown routes neither.
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', (_request, _payload, done) => done(null, undefined));

  const byName = new Map(destinations.map((destination) => [destination.name, destination]));
  const byWorkspace = new Map(
    destinations.toReversed().map((destination) => [destination.workspaceId ?? '', destination]),
  );
  // Taken over before Fastify looks at the body: the route reads it, under its budget.
  const write = (find: (request: FastifyRequest) => Destination | string): RouteShorthandOptions => ({
    onRequest: (request, reply) => {
      reply.hijack();
      const destination = find(request);
      if (typeof destination === 'string') unknown(request, reply, 404, destination);
      else route.handle(new NodeExchange(request.raw, reply.raw), destination);
    },
  });

  server.post(
    WRITE_PATH,
    write(() => first),
    unreached,
  );
  server.post('/api/v1/write/:last', write(named), unreached);
  server.post('/workspaces/:last/api/v1/remote_write', write(ofWorkspace), unreached);

  function unknown(
    request: FastifyRequest,
    reply: FastifyReply,
    status: number,
    message: string,
    headers: Record<string, string> = {},
  ): void {
    route.countUnknown(status);
    answerText(request.raw, reply.raw, status, message, headers);
  }

  function named(request: FastifyRequest): Destination | string {
    const name = parameter(request);
    const known = [...byName.keys()].join(', ');
    return byName.get(name) ?? `no remote_write entry is named ${quoted(name)}; there are ${known}`;
  }

  function ofWorkspace(request: FastifyRequest): Destination | string {
    const workspace = parameter(request);
    const found = workspace === '' ? undefined : byWorkspace.get(workspace);
    return found ?? `no remote_write entry has a url with the workspace ${quoted(workspace)}`;
  }

  server.setNotFoundHandler((request, reply) => {
    reply.hijack();
    if (request.method !== 'POST' && request.url.includes('write')) {
      const message = `${request.method} is not supported; remote_write is POST`;
      unknown(request, reply, 405, message, { allow: 'POST' });
    } else {
      unknown(request, reply, 404, `there is no such route; senders write to ${ROUTES}`);
    }
  });
  return server;
}

const ROUTES = '/api/v1/write, /api/v1/write/NAME or /workspaces/WS/api/v1/remote_write';

/** The paths as senders write them; what is written otherwise (a query, an escaped name) is for the router. */
function pathsOf(destinations: readonly [RoutedDestination, ...RoutedDestination[]]): Map<string, Destination> {
  const byPath = new Map<string, Destination>([[WRITE_PATH, destinations[0]]]);
  for (const destination of destinations.toReversed()) {
    const { name, workspaceId } = destination;
    byPath.set(`${WRITE_PATH}/${name}`, destination);
    if (workspaceId !== undefined) byPath.set(`/workspaces/${workspaceId}/api/v1/remote_write`, destination);
  }
  return byPath;
}

/** Fastify wants a handler beside the hook that takes every request over. */
function unreached(): never {
  throw new Error('a write route went past its hook');
}

/** The parameter of a route, which the router has decoded. */
function parameter(request: FastifyRequest): string {
  const { params } = request;
  return typeof params === 'object' && params !== null && 'last' in params ? String(params.last) : '';
}

function quoted(value: string): string {
  return JSON.stringify(value.slice(0, 100));
}
