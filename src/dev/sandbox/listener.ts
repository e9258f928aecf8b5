/**
 * One port of the sandbox: reads requests, asks the faults what to do, asks the handler for the answer, and sends
 * either the answer or the fault. Handlers know nothing of sockets, faults know nothing of AMP.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Server as TcpServer, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SandboxClock } from './clock.ts';
import { destroyHard, drip, playFault, rawResponse } from './fault-actions.ts';
import type { FaultPlan, Faults, FaultTarget } from './faults.ts';
import type { ReceivedRequest } from './verify-signature.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

export interface Exchange {
  readonly request: ReceivedRequest;
  /** The status that was sent, or undefined if there was none. */
  readonly status: number | undefined;
  /** Kind of the fault that acted, or undefined. */
  readonly fault: string | undefined;
}

export interface Handler {
  /** Returns the regular answer. `plan` is for faults that change it from inside (credentials). */
  handle(request: ReceivedRequest, plan: FaultPlan): Promise<Answer>;
  /** Returns true if a series of the body carries this label. */
  hasLabel(request: ReceivedRequest, name: string, value: string): boolean;
  /** Called once per request, when its outcome is known. */
  onExchange(exchange: Exchange): void;
}

export interface ListenerOptions {
  readonly target: FaultTarget;
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly faults: Faults;
  readonly clock: SandboxClock;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #handler: Handler;
  readonly #sockets = new Map<Socket, { served: number; isBusy: boolean }>();
  #server: Server | undefined;
  #port: number;
  #change: Promise<void> = Promise.resolve();

  constructor(options: ListenerOptions, handler: Handler) {
    this.#options = options;
    this.#handler = handler;
    this.#port = options.port;
  }

  /** The port once it has listened; stays the same while the listener is down. */
  get port(): number {
    return this.#port;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Opens or closes the port; resolves when that is done. Changes happen one after the other. */
  async ensureOpen(isOpen: boolean): Promise<void> {
    this.#change = this.#change.then(() => (isOpen ? this.#open() : this.#close()));
    await this.#change;
  }

  async #open(): Promise<void> {
    if (this.#server !== undefined) return;
    const { tls, host } = this.#options;
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      void this.#serve(request, response);
    };
    const server = tls === undefined ? createHttpServer(onRequest) : createHttpsServer({ ...tls }, onRequest);
    // AMP sits behind a load balancer with an idle timeout of a minute.
    server.keepAliveTimeout = 60_000;
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.#sockets.set(socket, { served: 0, isBusy: false });
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, host, resolve);
    });
    this.#port = portOf(server);
    this.#server = server;
  }

  async #close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    for (const socket of this.#sockets.keys()) socket.destroy();
    server.closeAllConnections();
    await closed;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = incoming;
    const state = this.#sockets.get(socket) ?? { served: 0, isBusy: false };
    state.served += 1;
    state.isBusy = true;
    let request = describe(incoming, Buffer.alloc(0));
    try {
      const { faults, target } = this.#options;
      const path = request.target;
      const isReusedConnection = state.served > 1;
      const early = faults.planBeforeBody(target, { path, isReusedConnection, hasLabel: undefined });
      if (early.delayMs > 0) await sleep(early.delayMs);
      if (early.action !== undefined) {
        if (early.action.kind === 'reset' && early.action.at === 'during-body') await waitForFirstBytes(incoming);
        if (early.action.kind === 'reset') destroyHard(socket);
        this.#handler.onExchange({ request, status: undefined, fault: early.action.kind });
        return;
      }
      request = describe(incoming, await readBody(incoming));
      const received = request;
      const hasLabel = (name: string, value: string): boolean => this.#handler.hasLabel(received, name, value);
      const plan = faults.planAfterBody(target, { path, isReusedConnection, hasLabel });
      if (plan.delayMs > 0) await sleep(plan.delayMs);
      const status = await this.#answer(request, plan, response, socket);
      this.#handler.onExchange({ request, status, fault: plan.action?.kind });
      if (plan.closeIdleAfterMs !== undefined) this.#closeWhenIdle(socket, plan.closeIdleAfterMs);
    } catch (error) {
      // Usually the client has gone away; anything else is an error of the sandbox that must not look like a requested
      // fault.
      if (!incoming.aborted && !socket.destroyed) console.error('sandbox: a request failed', error);
      socket.destroy();
      this.#handler.onExchange({ request, status: undefined, fault: undefined });
    } finally {
      state.isBusy = false;
    }
  }

  /** @returns the status that went out, or undefined when none did. */
  async #answer(
    request: ReceivedRequest,
    plan: FaultPlan,
    response: ServerResponse,
    socket: Socket,
  ): Promise<number | undefined> {
    const { action } = plan;
    const date = new Date(this.#options.clock.nowMs()).toUTCString();
    if (action === undefined || action.kind === 'credentials') {
      const answer = await this.#handler.handle(request, plan);
      await write(response, answer, date);
      return answer.status;
    }
    const carriesAnswer =
      action.kind === 'drip' ||
      action.kind === 'truncate' ||
      (action.kind === 'reset' && action.at === 'during-response');
    const honest = plan.apply || carriesAnswer ? await this.#handler.handle(request, plan) : undefined;
    if (action.kind === 'status') {
      const headers = { ...action.headers };
      if (action.retryAfter !== undefined) headers['retry-after'] = retryAfter(action.retryAfter, this.#options.clock);
      await write(response, { status: action.status, headers, body: action.body ?? '' }, date);
      return action.status;
    }
    if (action.kind === 'drip' && honest !== undefined) {
      await drip(socket, rawResponse(honest, date), action.intervalMs);
      return honest.status;
    }
    await playFault(action, socket);
    return undefined;
  }

  #closeWhenIdle(socket: Socket, afterMs: number): void {
    const served = this.#sockets.get(socket)?.served;
    setTimeout(() => {
      const state = this.#sockets.get(socket);
      if (state !== undefined && !state.isBusy && state.served === served) socket.destroy();
    }, afterMs).unref();
  }
}

/** @throws when the server does not listen on TCP. */
export function portOf(server: TcpServer): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen on a TCP port');
  return address.port;
}

function describe(incoming: IncomingMessage, body: Buffer): ReceivedRequest {
  const headers: Record<string, string> = {};
  for (let index = 0; index + 1 < incoming.rawHeaders.length; index += 2) {
    const name = (incoming.rawHeaders[index] ?? '').toLowerCase();
    const value = incoming.rawHeaders[index + 1] ?? '';
    headers[name] = headers[name] === undefined ? value : `${headers[name]},${value}`;
  }
  return { method: incoming.method ?? '', target: incoming.url ?? '/', headers, body };
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  // An IncomingMessage without an encoding yields Buffers.
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function waitForFirstBytes(incoming: IncomingMessage): Promise<void> {
  await new Promise<void>((resolve) => {
    incoming.once('data', () => resolve());
    incoming.once('close', () => resolve());
  });
}

async function write(response: ServerResponse, answer: Answer, date: string): Promise<void> {
  response.sendDate = false;
  response.writeHead(answer.status, {
    date,
    ...answer.headers,
    'content-length': String(Buffer.byteLength(answer.body)),
  });
  await new Promise<void>((resolve) => {
    response.once('close', () => resolve());
    response.end(answer.body, () => resolve());
  });
}

function retryAfter(wanted: number | `date:${number}`, clock: SandboxClock): string {
  if (typeof wanted === 'number') return String(wanted);
  return new Date(clock.nowMs() + Number(wanted.slice('date:'.length)) * 1000).toUTCString();
}
