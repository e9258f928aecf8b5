/**
 * A real Prometheus or VictoriaMetrics, and a real Alertmanager, behind the sandbox's verifier: signed requests in, plain
 * ones out. Answers come back as they are, byte for byte.
 */
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { Answer } from './listener.ts';
import type { ReceivedRequest } from './verify-signature.ts';

export interface BackendUrls {
  /** Prometheus's API, without /api/v1. */
  readonly prometheus: string | undefined;
  /** Without /api/v2. */
  readonly alertmanager: string | undefined;
}

/** The parts of a reader's request that the backend must see. */
const PASSED_ON = ['accept', 'accept-encoding', 'content-type', 'content-encoding'] as const;
/** About the connection and not the answer. */
const HOP_BY_HOP: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date']);

export class Backend {
  readonly #urls: BackendUrls;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(urls: BackendUrls) {
    this.#urls = urls;
  }

  /**
   * @param workspace what the path begins with in AMP and not in the backend
   * @returns undefined where no backend is given for it
   */
  async tryAsk(request: ReceivedRequest, workspace: string): Promise<Answer | undefined> {
    const below = request.target.slice(workspace.length);
    if (below.startsWith('/api/v1/')) return this.#tryForward(this.#urls.prometheus, below, request);
    return this.#tryForward(this.#urls.alertmanager, below.replace(/^\/alertmanager/, ''), request);
  }

  /** Receives the samples that AMP would store. If the backend does not take them, the writer is not affected. */
  async write(request: ReceivedRequest): Promise<void> {
    await this.#tryForward(this.#urls.prometheus, '/api/v1/write', request).catch(() => undefined);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #tryForward(
    base: string | undefined,
    target: string,
    { method, headers, body }: ReceivedRequest,
  ): Promise<Answer | undefined> {
    if (base === undefined) return undefined;
    const { hostname, port, pathname } = new URL(base);
    const passed = Object.fromEntries(
      PASSED_ON.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])),
    );
    const outgoing = httpRequest({
      hostname,
      port,
      method,
      // The URL stays as it was signed, since a URL object would normalise it.
      path: `${pathname.replace(/\/$/, '')}${target}`,
      headers: { ...passed, ...(body.length === 0 ? {} : { 'content-length': body.length }) },
      agent: this.#agent,
    }).end(body);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a response event carries
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const kept = Object.entries(incoming.headers).filter(([name]) => !HOP_BY_HOP.has(name));
    return {
      status: incoming.statusCode ?? 502,
      headers: Object.fromEntries(kept.map(([name, value]) => [name, String(value)])),
      body: Buffer.concat(chunks),
    };
  }
}
