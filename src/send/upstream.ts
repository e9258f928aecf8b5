/**
 * Upstream: one HTTP POST to the configured URL, and what came back as a value. It never throws, never retries, never
 * follows a redirect, and is done within `timeoutMs` whatever the other side does.
 */
import { subscribe } from 'node:diagnostics_channel';
import { Socket } from 'node:net';
import { Pool, ProxyAgent, buildConnector, errors, type Dispatcher } from 'undici';
import type { FailureReason, UpstreamAnswer } from './outcome.ts';

export interface UpstreamOptions {
  readonly url: URL;
  /** Connections, which is requests in flight: one request a connection at a time. */
  readonly connections: number;
  /** Milliseconds from the first byte sent, connecting included, to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly tls: {
    readonly ca?: string | undefined;
    readonly servername?: string | undefined;
    readonly insecureSkipVerify: boolean;
  };
  /** An HTTP proxy to reach the upstream through. */
  readonly proxyUrl?: string | undefined;
}

/** How much of an answer's body is kept for the log and the sender. */
const MESSAGE_BYTES = 1024;
/** How much of an answer's body is read at all before its connection is given up. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Load balancers in front of AMP close idle connections after a minute or more; ours end sooner, so that none is used as it dies. */
const IDLE_CONNECTION_MS = 15_000;

export class Upstream {
  readonly #dispatcher: Dispatcher;
  readonly #origin: string;
  readonly #path: string;
  readonly #timeoutMs: number;

  constructor(options: UpstreamOptions) {
    this.#origin = options.url.origin;
    this.#path = options.url.pathname;
    this.#timeoutMs = options.timeoutMs;
    const { servername } = options.tls;
    const tls = {
      timeout: options.timeoutMs,
      rejectUnauthorized: !options.tls.insecureSkipVerify,
      ...(options.tls.ca === undefined ? {} : { ca: options.tls.ca }),
      ...(servername === undefined ? {} : { servername }),
    };
    const pool = {
      connections: options.connections,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: IDLE_CONNECTION_MS,
      keepAliveMaxTimeout: IDLE_CONNECTION_MS,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      maxResponseSize: MAX_ANSWER_BYTES,
    };
    this.#dispatcher =
      options.proxyUrl === undefined
        ? new Pool(this.#origin, { ...pool, connect: connector(tls) })
        : new ProxyAgent({ ...pool, uri: options.proxyUrl, requestTls: tls });
  }

  /** @param headers flat list of names and values; the body is not copied, and not read any more when this has resolved */
  async post(headers: string[], body: Buffer): Promise<UpstreamAnswer> {
    return new Promise((resolve) => {
      const exchange = new Exchange(resolve, body, this.#timeoutMs);
      exchanges.set(body, exchange);
      try {
        this.#dispatcher.dispatch({ origin: this.#origin, path: this.#path, method: 'POST', headers, body }, exchange);
      } catch (error) {
        exchange.onResponseError(undefined, error);
      }
    });
  }

  /** Ends idle connections at once, and the others when their answers are in. */
  async close(): Promise<void> {
    await this.#dispatcher.close();
  }

  /** Cuts every connection; attempts in flight fail. */
  async destroy(): Promise<void> {
    await this.#dispatcher.destroy();
  }
}

/** Which exchange a body belongs to, to find the socket that undici sends it on. */
const exchanges = new Map<Buffer, Exchange>();

// https://undici.nodejs.org/#/docs/api/DiagnosticsChannel
subscribe('undici:client:sendHeaders', (event) => {
  if (typeof event !== 'object' || event === null || !('request' in event) || !('socket' in event)) return;
  const { request, socket } = event;
  if (typeof request !== 'object' || request === null || !('body' in request)) return;
  if (Buffer.isBuffer(request.body) && socket instanceof Socket) exchanges.get(request.body)?.sendsOn(socket);
});

/** One request and its answer, as undici's handler. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #resolve: (answer: UpstreamAnswer) => void;
  readonly #body: Buffer;
  readonly #timer: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #socket: Socket | undefined;
  #timedOut = false;
  #status = 0;
  #retryAfter: string | undefined;
  #date: string | undefined;
  #chunks: Buffer[] = [];
  #kept = 0;

  constructor(resolve: (answer: UpstreamAnswer) => void, body: Buffer, timeoutMs: number) {
    this.#resolve = resolve;
    this.#body = body;
    this.#timer = setTimeout(() => {
      this.#timedOut = true;
      const error = new Error(`no answer within remote_timeout (${timeoutMs} ms)`);
      if (this.#controller === undefined) this.onResponseError(undefined, error);
      else this.#controller.abort(error);
    }, timeoutMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#timedOut) controller.abort(new Error('timed out before a connection was free'));
    this.#controller = controller;
  }

  sendsOn(socket: Socket): void {
    this.#socket = socket;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status;
    this.#retryAfter = firstValue(headers['retry-after']);
    this.#date = firstValue(headers['date']);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#kept >= MESSAGE_BYTES) return;
    this.#chunks.push(chunk);
    this.#kept += chunk.length;
  }

  onResponseEnd(): void {
    this.#over();
    // Answered before all of it was sent: the rest must not be read from memory that is about to be used again.
    if (this.#socket !== undefined && this.#socket.writableLength > 0) this.#socket.destroy();
    this.#resolve({
      kind: 'answered',
      status: this.#status,
      message: this.#chunks.length === 0 ? '' : firstLines(Buffer.concat(this.#chunks)),
      retryAfter: this.#retryAfter,
      date: this.#date,
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: unknown): void {
    this.#over();
    // The answer was there; only its explanation is too long to be read to its end.
    if (error instanceof errors.ResponseExceededMaxSizeError && this.#status !== 0) {
      this.onResponseEnd();
      return;
    }
    const reason = this.#timedOut ? 'timeout' : failureReason(error);
    this.#resolve({ kind: 'failed', reason, message: `${reason}: ${describe(error)}` });
  }

  #over(): void {
    clearTimeout(this.#timer);
    if (exchanges.get(this.#body) === this) exchanges.delete(this.#body);
  }
}

/** undici takes the name to expect from the Host header, whatever `servername` says; so it is put back here. */
function connector(tls: buildConnector.BuildOptions & { servername?: string }): buildConnector.connector {
  const connect = buildConnector(tls);
  return (options, callback) =>
    connect(tls.servername === undefined ? options : { ...options, servername: tls.servername }, callback);
}

function firstValue(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

/** Control characters are replaced, since this goes to logs and to senders. */
function firstLines(body: Buffer): string {
  return body
    .toString('utf8', 0, MESSAGE_BYTES)
    .replace(/[^\P{Cc}\n\t]/gu, ' ')
    .trim();
}

function describe(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(describe).join('; ');
  return error instanceof Error ? error.message : String(error);
}

function failureReason(error: unknown): FailureReason {
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) return 'timeout';
  if (error instanceof errors.ConnectTimeoutError) return 'timeout';
  if (error instanceof errors.HTTPParserError) return 'garbage';
  const code = errorCode(error);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'dns';
  if (code === 'ECONNREFUSED' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH' || code === 'ETIMEDOUT') {
    return 'connect';
  }
  if (code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL') || TLS_CODES.has(code)) return 'tls';
  return 'reset';
}

/** Of OpenSSL's verification, as Node names them. https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const TLS_CODES: ReadonlySet<string> = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_REVOKED',
  'CERT_UNTRUSTED',
  'INVALID_CA',
  'EPROTO',
]);

function errorCode(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorCode(error.errors[0]);
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return '';
}
