/** Reaches the upstream through an HTTP proxy, in absolute form or through a tunnel (CONNECT), with undici. */
import { subscribe } from 'node:diagnostics_channel';
import { Socket } from 'node:net';
import { Pool, ProxyAgent, errors, type Dispatcher } from 'undici';
import { MAX_BODY_BYTES, MESSAGE_BYTES } from './answer-reader.ts';
import { CONNECT_ATTEMPT_TIMEOUT_MS } from './dial.ts';
import { failedBy, presentableErrorType, presentableText, timedOut } from './failure.ts';
import type { UpstreamAnswer } from '../../outcome/outcome.ts';
import { ProxiedConnections } from './proxied-connections.ts';
import { IDLE_CONNECTION_MS, type Upstream, type UpstreamOptions, type UpstreamProxy } from './upstream.ts';

export class ProxiedUpstream implements Upstream {
  readonly #options: UpstreamOptions;
  readonly #proxy: UpstreamProxy;
  #dispatcher: Dispatcher;
  /** The authorities that #dispatcher trusts. */
  #ca: string | undefined;
  readonly #origin: string;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #connections: ProxiedConnections;

  constructor(options: UpstreamOptions, proxy: UpstreamProxy) {
    this.#options = options;
    this.#proxy = proxy;
    this.#origin = options.url.origin;
    this.#path = options.url.pathname;
    this.#timeoutMs = options.timeoutMs;
    this.#connections = new ProxiedConnections(options.random ?? Math.random);
    this.#ca = options.tls.ca;
    this.#dispatcher = this.#open();
  }

  #open(): Dispatcher {
    const options = this.#options;
    const { servername, minVersion, maxVersion } = options.tls;
    const tls = {
      timeout: options.timeoutMs,
      rejectUnauthorized: !options.tls.insecureSkipVerify,
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
      ...(minVersion === undefined ? {} : { minVersion }),
      ...(maxVersion === undefined ? {} : { maxVersion }),
      ...(servername === undefined ? {} : { servername }),
    };
    // For every connection to the proxy, although it has no TLS.
    const proxyTls = { keepAlive: true, autoSelectFamilyAttemptTimeout: CONNECT_ATTEMPT_TIMEOUT_MS };
    const pool = {
      connections: options.connections,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: IDLE_CONNECTION_MS,
      keepAliveMaxTimeout: IDLE_CONNECTION_MS,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      maxResponseSize: MAX_BODY_BYTES,
    };
    const connectHeaders = Object.entries(this.#proxy.connectHeaders ?? {});
    return new ProxyAgent({
      ...pool,
      uri: this.#proxy.url,
      headers: Object.fromEntries(connectHeaders.map(([name, values]) => [name, [...values]])),
      requestTls: tls,
      proxyTls,
      // In absolute form ProxyAgent drops the pool's options; without them the number of connections has no bound.
      factory: (origin, given) => new Pool(origin, Object.assign({}, pool, given)),
    });
  }

  async post(headers: string[], body: Buffer): Promise<UpstreamAnswer> {
    if (this.#options.tls.ca !== this.#ca) this.#trustOthers();
    return new Promise((resolve) => {
      const pending = new PendingPost(resolve, body, this.#timeoutMs, this.#connections);
      pendingPosts.set(body, pending);
      try {
        this.#dispatcher.dispatch({ origin: this.#origin, path: this.#path, method: 'POST', headers, body }, pending);
      } catch (error) {
        pending.onResponseError(undefined, error);
      }
    });
  }

  /** The authorities have changed: posts in flight end where they are, further ones get new connections. */
  #trustOthers(): void {
    const old = this.#dispatcher;
    this.#ca = this.#options.tls.ca;
    this.#dispatcher = this.#open();
    void old.close();
  }

  async destroy(): Promise<void> {
    this.#connections.stop();
    await this.#dispatcher.destroy();
  }
}

/** Posts by their bodies, to learn which socket undici sends each on. */
const pendingPosts = new Map<Buffer, PendingPost>();

// https://undici.nodejs.org/#/docs/api/DiagnosticsChannel
subscribe('undici:client:sendHeaders', (event) => {
  if (typeof event !== 'object' || event === null || !('request' in event) || !('socket' in event)) return;
  const { request, socket } = event;
  if (typeof request !== 'object' || request === null || !('body' in request)) return;
  if (Buffer.isBuffer(request.body) && socket instanceof Socket) pendingPosts.get(request.body)?.sendsOn(socket);
});

/** One request and its answer, as undici's handler. */
class PendingPost implements Dispatcher.DispatchHandler {
  readonly #resolve: (answer: UpstreamAnswer) => void;
  readonly #body: Buffer;
  readonly #timer: NodeJS.Timeout;
  readonly #timeoutMs: number;
  readonly #connections: ProxiedConnections;
  #controller: Dispatcher.DispatchController | undefined;
  #socket: Socket | undefined;
  #timedOut = false;
  #status = 0;
  #retryAfter: string | undefined;
  #date: string | undefined;
  #errorType: string | undefined;
  #chunks: Buffer[] = [];
  #kept = 0;

  constructor(
    resolve: (answer: UpstreamAnswer) => void,
    body: Buffer,
    timeoutMs: number,
    connections: ProxiedConnections,
  ) {
    this.#connections = connections;
    this.#resolve = resolve;
    this.#body = body;
    this.#timeoutMs = timeoutMs;
    this.#timer = setTimeout(() => {
      this.#timedOut = true;
      const error = new Error('timed out');
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
    this.#connections.use(socket);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status;
    this.#retryAfter = firstValue(headers['retry-after']);
    this.#date = firstValue(headers['date']);
    this.#errorType = presentableErrorType(firstValue(headers['x-amzn-errortype']));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#kept >= MESSAGE_BYTES) return;
    this.#chunks.push(chunk);
    this.#kept += chunk.length;
  }

  onResponseEnd(): void {
    this.#over();
    if (this.#socket !== undefined) this.#connections.release(this.#socket, this.#status);
    this.#resolve({
      kind: 'answered',
      status: this.#status,
      message: presentableText(Buffer.concat(this.#chunks).subarray(0, MESSAGE_BYTES)),
      retryAfter: this.#retryAfter,
      date: this.#date,
      errorType: this.#errorType,
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: unknown): void {
    this.#over();
    // The status is known; only the body is too long to be read to its end.
    if (error instanceof errors.ResponseExceededMaxSizeError && this.#status !== 0) {
      this.onResponseEnd();
      return;
    }
    this.#socket?.destroy();
    this.#resolve(this.#timedOut ? timedOut(this.#timeoutMs) : failedBy(error));
  }

  #over(): void {
    clearTimeout(this.#timer);
    if (pendingPosts.get(this.#body) === this) pendingPosts.delete(this.#body);
  }
}

function firstValue(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
