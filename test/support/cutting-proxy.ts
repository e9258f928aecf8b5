/**
 * A real HTTP proxy in front of a control plane: writes down each call, and can cut the line for good after so many, or
 * answer in its place.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';

export type CutMode =
  /** The call never arrives. */
  | 'before'
  /** The call is done and its answer is lost. */
  | 'after';

export interface Override {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class CuttingProxy {
  readonly #target: string;
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  /** The action of each call: `CreateRole`, or `POST /workspaces`. */
  calls: string[] = [];
  #cutAfter = Infinity;
  #mode: CutMode = 'before';
  /** Called first; undefined lets the call through. */
  override: (call: string, count: number, body: string) => Override | undefined = () => undefined;

  constructor(target: string) {
    this.#target = target;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /** Lets `calls` calls through; every later one finds a dead line. */
  cutAfter(calls: number, mode: CutMode): void {
    this.calls = [];
    this.#cutAfter = calls;
    this.#mode = mode;
  }

  mend(): void {
    this.calls = [];
    this.#cutAfter = Infinity;
    this.override = () => undefined;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    // An IncomingMessage without an encoding yields Buffers.
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const path = (request.url ?? '').split('?')[0];
    const call = new URLSearchParams(body.toString()).get('Action') ?? `${request.method} ${path}`;
    const index = this.calls.length;
    if (index > this.#cutAfter || (index === this.#cutAfter && this.#mode === 'before')) {
      request.socket.destroy();
      return;
    }
    this.calls.push(call);
    const override = this.override(call, this.calls.filter((item) => item === call).length, body.toString());
    if (override !== undefined) {
      response.writeHead(override.status, { 'content-type': 'text/xml', ...override.headers }).end(override.body);
      return;
    }
    const headers: [string, string][] = [];
    for (const [name, value] of Object.entries(request.headers)) {
      if (!['host', 'connection', 'content-length', 'expect'].includes(name)) headers.push([name, String(value)]);
    }
    const answer = await fetch(`${this.#target}${request.url}`, {
      method: request.method ?? 'GET',
      headers,
      ...(body.length === 0 ? {} : { body: new Uint8Array(body) }),
    });
    const text = await answer.text();
    if (index === this.#cutAfter) {
      request.socket.destroy();
      return;
    }
    const type = answer.headers.get('content-type') ?? 'application/json';
    const errorType = answer.headers.get('x-amzn-errortype');
    response.writeHead(answer.status, {
      'content-type': type,
      ...(errorType === null ? {} : { 'x-amzn-errortype': errorType }),
    });
    response.end(text);
  }
}
