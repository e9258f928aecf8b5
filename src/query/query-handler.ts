/** query: takes a reader's request from its head to the last byte of its answer, or tells why not. */
import { remoteAddress } from '../platform/listening.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { QueryConfig } from '../config/schema.ts';
import type { QueryMetrics } from '../metrics/query-counts.ts';
import { AnswerTooLarge, cut, type PassedOn } from './answer.ts';
import { isEvaluation } from './api.ts';
import { answerFailure, type QueryFailure } from './failure.ts';
import { ForwardedQuery, type Query } from './forwarded-query.ts';
import { MAX_FORM_BYTES, readForm } from './query-body.ts';
import type { QueryEntry } from './query-entry.ts';
import { parseQueryString, QueryStringError, type Parameters } from './query-string.ts';
import type { ReaderLogin } from './reader-login.ts';
import { QueryRoutes, type FoundRoute } from './routes.ts';
import { logSlowQuery } from './slow-query.ts';
import type { Turn } from './turns.ts';

export interface QueryHandlerDeps {
  readonly config: QueryConfig;
  /** log.slow_queries, ms; 0 for none. */
  readonly slowQueriesMs: number;
  /** Everybody may read without one. */
  readonly login: ReaderLogin | undefined;
  readonly metrics: QueryMetrics;
  readonly log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
  readonly random: () => number;
}

type Routed = Extract<FoundRoute<QueryEntry>, { kind: 'route' }>;

/** query.timeout is over. */
class QueryTimeout extends Error {
  readonly code = 'QUERY_TIMEOUT';
}

/** The reader closed its connection. */
class ReaderGone extends Error {
  readonly code = 'READER_GONE';
}

/** A reader that finds no place may come back soon: a turn is short. */
const RETRY_AFTER_SECONDS = 1;
const FORM = /^application\/x-www-form-urlencoded\b/i;
const PASSED_UP = ['accept', 'accept-encoding', 'content-type'] as const;
const THRESHOLD = 'max_samples_processed_error_threshold';

export class QueryHandler {
  readonly #deps: QueryHandlerDeps;
  readonly #routes: QueryRoutes<QueryEntry>;
  #open = 0;
  #draining = false;

  constructor(entries: readonly [QueryEntry, ...QueryEntry[]], deps: QueryHandlerDeps) {
    this.#deps = deps;
    this.#routes = new QueryRoutes(entries, deps.config.alertmanager);
  }

  /** Requests without an end. */
  get open(): number {
    return this.#open;
  }

  /** From now on every answer asks the reader to come back on a new connection. */
  drain(): void {
    this.#draining = true;
  }

  /** Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#open += 1;
    if (this.#draining) response.shouldKeepAlive = false;
    try {
      await this.#handle(request, response);
    } catch (error) {
      this.#deps.log.error({ error: String(error) }, 'internal error while handling a query');
      if (response.headersSent) cut(response);
      else answerFailure(response, { status: 500, errorType: 'internal', message: 'internal error of the proxy' });
    } finally {
      this.#open -= 1;
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const arrivedAtMs = this.#deps.nowMs();
    const { login, metrics } = this.#deps;
    const denied = await login?.deny(request);
    if (denied !== undefined) {
      metrics.countDenied(denied.reason);
      // A connection that has shown no right credentials is not kept.
      response.shouldKeepAlive = false;
      if (!response.destroyed) answerFailure(response, denied.failure);
      return;
    }
    const { method = '', url: target = '' } = request;
    const question = target.indexOf('?');
    const path = question === -1 ? target : target.slice(0, question);
    const found = this.#routes.find(method, path);
    if (found.kind === 'route') {
      await this.#query(found, question === -1 ? '' : target.slice(question + 1), request, response, arrivedAtMs);
    } else if (found.kind === 'buildinfo') {
      answerBuildInfo(response);
    } else if (found.kind === 'wrong_method') {
      metrics.countDenied('wrong_method');
      const message = `${method} is not supported here; use ${found.allow}`;
      answerFailure(response, { status: 405, errorType: 'bad_data', message, headers: { allow: found.allow } });
    } else {
      metrics.countDenied('unknown_route');
      answerFailure(response, { status: 404, errorType: 'not_found', message: found.message });
    }
  }

  async #query(
    found: Routed,
    queryString: string,
    request: IncomingMessage,
    response: ServerResponse,
    arrivedAtMs: number,
  ): Promise<void> {
    const { entry, route } = found;
    const { config, nowMs, log, slowQueriesMs } = this.#deps;
    const passed: PassedOn = { bytes: 0, samplesProcessed: undefined };
    const control = new AbortController();
    const timer = setTimeout(() => control.abort(new QueryTimeout()), config.timeout);
    response.once('close', () => control.abort(new ReaderGone()));
    const turn = entry.turns.tryEnter();
    let query: Query | undefined;
    let code: string | undefined;
    try {
      const ready =
        turn === undefined ? tooMany(config) : await this.#prepare(found, queryString, request, control.signal);
      if ('errorType' in ready) answerFailure(response, ready);
      else {
        query = ready;
        await begun(turn, control.signal);
        await new ForwardedQuery(query, response, control.signal, {
          maxResponseBytes: config.max_response_bytes,
          random: this.#deps.random,
          log,
        }).run(passed);
      }
    } catch (error) {
      code = this.#end(error, response, control.signal, turn, entry);
    } finally {
      clearTimeout(timer);
      turn?.end();
      const elapsedMs = nowMs() - arrivedAtMs;
      code ??= String(response.statusCode);
      entry.counts.count(route.path, code, passed.bytes, elapsedMs);
      entry.counts.samplesProcessed += passed.samplesProcessed ?? 0;
      if (query !== undefined && slowQueriesMs > 0 && elapsedMs >= slowQueriesMs) {
        logSlowQuery(log, query, { code, elapsedMs, bytes: passed.bytes, reader: remoteAddress(request.socket) });
      }
    }
  }

  /** Reads what is to be sent, or tells why it cannot be. */
  async #prepare(
    { entry, route, path, action }: Routed,
    queryString: string,
    request: IncomingMessage,
    signal: AbortSignal,
  ): Promise<Query | QueryFailure> {
    const { method = '' } = request;
    let parameters: Parameters;
    try {
      parameters = parseQueryString(queryString);
    } catch (error) {
      if (!(error instanceof QueryStringError)) throw error;
      return { status: 400, errorType: 'bad_data', message: error.message };
    }
    let body: Buffer | undefined;
    if (method === 'POST') {
      try {
        body = await readForm(request);
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      }
      if (body === undefined) {
        const message = `the body is larger than ${MAX_FORM_BYTES} bytes; shorten the query`;
        return { status: 413, errorType: 'bad_data', message };
      }
    }
    const headers: Record<string, string> = {};
    for (const name of PASSED_UP) {
      const value = request.headers[name];
      if (typeof value === 'string' && (name !== 'content-type' || body !== undefined)) headers[name] = value;
    }
    const query: Query = {
      entry,
      method,
      path,
      action,
      parameters,
      headers,
      body,
      isRepeatable: route.api === 'prometheus',
    };
    return isEvaluation(route) ? withThreshold(query, this.#deps.config.max_samples_processed) : query;
  }

  /** @returns the code of a query that had no answer, or not all of it */
  #end(
    error: unknown,
    response: ServerResponse,
    signal: AbortSignal,
    turn: Turn | undefined,
    entry: QueryEntry,
  ): string | undefined {
    const { log, config } = this.#deps;
    if (signal.reason instanceof ReaderGone) return 'gone';
    const isTimeout = signal.reason instanceof QueryTimeout;
    if (response.headersSent) {
      const why = isTimeout ? 'query.timeout is over' : error instanceof Error ? error.message : String(error);
      log.warn({ remote_name: entry.name, why }, 'an answer could not be passed on to its end; the connection is cut');
      cut(response);
      return 'cut';
    }
    if (error instanceof AnswerTooLarge) {
      const message = `${error.message}; ask for fewer series or a larger step, or raise it`;
      answerFailure(response, { status: 422, errorType: 'execution', message });
    } else if (isTimeout && turn?.state === 'waiting') answerFailure(response, tooMany(config));
    else if (isTimeout) {
      const message = `no answer within query.timeout (${config.timeout} ms); ask for less, or raise it`;
      answerFailure(response, { status: 503, errorType: 'timeout', message });
    } else throw error;
    return undefined;
  }
}

/** Resolves when it is the query's turn; rejects when the signal ends it before. */
async function begun(turn: Turn | undefined, signal: AbortSignal): Promise<void> {
  if (turn === undefined) throw new Error('a query without a turn');
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    await Promise.race([turn.begun, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function tooMany({ max_concurrency: active, max_queued: queued }: QueryConfig): QueryFailure {
  return {
    status: 503,
    errorType: 'unavailable',
    message: `too many queries: ${active} are in flight (query.max_concurrency) and up to ${queued} wait (query.max_queued)`,
    headers: { 'retry-after': RETRY_AFTER_SECONDS },
  };
}

/** Where the reader's parameters are, unless it gives one itself. */
function withThreshold(query: Query, threshold: number): Query {
  if (threshold === 0) return query;
  const { parameters, headers, body } = query;
  const isForm = body !== undefined && FORM.test(headers['content-type'] ?? '');
  const isGiven =
    parameters.some(([name]) => name === THRESHOLD) || (isForm && new URLSearchParams(body.toString()).has(THRESHOLD));
  if (isGiven) return query;
  if (!isForm) return { ...query, parameters: [...parameters, [THRESHOLD, String(threshold)]] };
  const separator = body.length === 0 ? '' : '&';
  return { ...query, body: Buffer.concat([body, Buffer.from(`${separator}${THRESHOLD}=${threshold}`)]) };
}

/**
 * Grafana takes an empty version for an unknown one and sets nothing by it. With a version of Prometheus it would offer
 * what AMP does not have, and with `features` it would take AMP for Mimir.
 */
function answerBuildInfo(response: ServerResponse): void {
  const data = { application: 'amp-write-proxy', version: '', revision: '', branch: '', buildUser: '', buildDate: '' };
  const body = JSON.stringify({ status: 'success', data: { ...data, goVersion: '' } });
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}
