/** The connections to one workspace that queries are sent on. */
import { Pool, ProxyAgent, type Dispatcher } from 'undici';
import { CONNECT_ATTEMPT_TIMEOUT_MS } from '../send/upstream/dial.ts';
import { IDLE_CONNECTION_MS, type UpstreamProxy, type UpstreamTls } from '../send/upstream/upstream.ts';

export interface QueryUpstreamOptions {
  /** The path of the workspace, which precedes /api/v1. */
  readonly url: URL;
  /** The most requests in flight. */
  readonly connections: number;
  readonly tls: UpstreamTls;
  readonly proxy: UpstreamProxy | undefined;
}

export interface QueryRequest {
  readonly method: string;
  readonly path: string;
  readonly queryString: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

/** A connection is not used for longer, so that the pool follows DNS. */
const MAX_CONNECTION_AGE_MS = 5 * 60_000;
const CONNECT_TIMEOUT_MS = 10_000;

export class QueryUpstream {
  readonly #options: QueryUpstreamOptions;
  #dispatcher: Dispatcher;
  /** The authorities that #dispatcher trusts. */
  #ca: string | undefined;

  constructor(options: QueryUpstreamOptions) {
    this.#options = options;
    this.#ca = options.tls.ca;
    this.#dispatcher = open(options);
  }

  /** Rejects with what the connection, DNS or TLS says, or with the reason of the signal. */
  async send(request: QueryRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { method, path, queryString, headers, body } = request;
    if (this.#options.tls.ca !== this.#ca) this.#trustOthers();
    return this.#dispatcher.request({
      origin: this.#options.url.origin,
      method,
      path: queryString === '' ? path : `${path}?${queryString}`,
      headers,
      body: body ?? null,
      signal,
    });
  }

  /** Cuts every connection; queries in flight fail. */
  async destroy(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  /** The authorities have changed: queries in flight end where they are, further ones get new connections. */
  #trustOthers(): void {
    const old = this.#dispatcher;
    this.#ca = this.#options.tls.ca;
    this.#dispatcher = open(this.#options);
    void old.close();
  }
}

function open({ url, connections, tls, proxy }: QueryUpstreamOptions): Dispatcher {
  const { ca, servername, minVersion, maxVersion } = tls;
  const connect = {
    timeout: CONNECT_TIMEOUT_MS,
    autoSelectFamilyAttemptTimeout: CONNECT_ATTEMPT_TIMEOUT_MS,
    rejectUnauthorized: !tls.insecureSkipVerify,
    ...(ca === undefined ? {} : { ca }),
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
    ...(servername === undefined ? {} : { servername }),
  };
  const pool = {
    connections,
    pipelining: 1,
    allowH2: false,
    clientTtl: MAX_CONNECTION_AGE_MS,
    keepAliveTimeout: IDLE_CONNECTION_MS,
    keepAliveMaxTimeout: IDLE_CONNECTION_MS,
    // query.timeout ends a query, whatever it is at.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  if (proxy === undefined) return new Pool(url.origin, { ...pool, connect });
  const connectHeaders = Object.entries(proxy.connectHeaders ?? {});
  return new ProxyAgent({
    ...pool,
    uri: proxy.url,
    headers: Object.fromEntries(connectHeaders.map(([name, values]) => [name, [...values]])),
    requestTls: connect,
    proxyTls: { timeout: CONNECT_TIMEOUT_MS, autoSelectFamilyAttemptTimeout: CONNECT_ATTEMPT_TIMEOUT_MS },
    // In absolute form ProxyAgent drops the pool's options; without them the number of connections has no bound.
    factory: (origin, given) => new Pool(origin, Object.assign({}, pool, given)),
  });
}
