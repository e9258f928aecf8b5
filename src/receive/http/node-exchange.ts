/**
 * An exchange through Node's HTTP server, which handles all requests that the fast path does not take: TLS, chunked
 * bodies, other routes, pipelined requests, and heads that come in pieces.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { readBody } from './body.ts';
import type { Exchange, ExchangeListener, Intake } from './exchange.ts';
import { answerText } from './lingering-close.ts';

export class NodeExchange implements Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #listener: ExchangeListener | undefined;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  get socket(): Socket {
    return this.#request.socket;
  }

  get authorization(): string | undefined {
    return this.#request.headers.authorization;
  }

  get contentType(): string | undefined {
    return this.#request.headers['content-type'];
  }

  get contentEncoding(): string | undefined {
    return this.#request.headers['content-encoding'];
  }

  get gone(): boolean {
    return this.#response.destroyed;
  }

  get listener(): ExchangeListener | undefined {
    return this.#listener;
  }

  set listener(listener: ExchangeListener | undefined) {
    if (this.#listener === undefined) this.#response.once('close', () => this.#listener?.ended());
    this.#listener = listener;
  }

  closeAfterAnswer(): void {
    this.#response.shouldKeepAlive = false;
  }

  /** Node's HTTP server holds some KB of the body and reads no further. */
  discardBody(): void {}

  readBody(intake: Intake): void {
    readBody(this.#request, intake, (error, body) => {
      if (body !== undefined) this.#listener?.bodyRead(body);
      else if (!this.#request.destroyed || this.#request.complete) this.#listener?.bodyFailed(error);
    });
  }

  answer(status: number, text: string, headers?: Readonly<Record<string, string | number>>): void {
    if (status === 204) this.#response.writeHead(204).end();
    else answerText(this.#request, this.#response, status, text, headers);
  }
}
