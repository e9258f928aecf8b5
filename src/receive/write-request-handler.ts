/**
 * Handles one request from its admission to its answer.
 *
 * admit (head only) -> read the body -> decode into a parcel -> hand it to its destination -> receive its outcome.
 * Exactly one answer is written; nothing is written to a sender that has gone.
 */
import type { BufferPool, Lease } from '../memory/buffer-pool.ts';
import type { Kernel } from '../codec/kernel.ts';
import type { KernelTurns } from '../codec/kernel-turns.ts';
import { decodeInSteps, decodeWriteRequest, isSmall, type DecodedRequest } from '../decode/remote-write-1.ts';
import { RequestError } from '../outcome/errors.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { ConnectionActivity } from '../parcel/connection-activity.ts';
import type { ParcelContents } from '../parcel/parcel.ts';
import { headersOf, httpAnswer, type HttpAnswer } from '../outcome/http-answer.ts';
import { INTERNAL, SENDER_GONE, type Outcome } from '../outcome/outcome.ts';
import type { ByteBudget } from './access/byte-budget.ts';
import { assertRemoteWrite1 } from './content-format.ts';
import { Reservation, type Exchange, type ExchangeListener } from './http/exchange.ts';
import type { LoginRefusal } from './access/login-refusal.ts';
import type { SenderAddress } from './senders.ts';

/** Where requests go: the stages behind one remote_write entry. */
export interface Destination {
  readonly name: string;
  /**
   * Takes a request with its body and calls `onSettled` with its outcome once; before this returns if the request is
   * refused.
   *
   * @param arrivedAtMs when its head was read, ms of the monotonic clock
   */
  accept(
    contents: ParcelContents,
    connection: ConnectionActivity,
    arrivedAtMs: number,
    onSettled: (outcome: Outcome) => void,
  ): AcceptedRequest;
}

export interface AcceptedRequest {
  /** Has no effect once it has an outcome. */
  trySettle(outcome: Outcome): boolean;
}

export interface WriteRequestDeps {
  /** The kernel for small bodies. */
  readonly kernel: Kernel;
  /** Decides whose body is decoded next. */
  readonly turns: KernelTurns;
  readonly budget: ByteBudget;
  /** The pool that bodies are read into. */
  readonly pool: BufferPool;
  readonly maxBodyBytes: number;
  readonly metrics: Metrics;
  readonly log: { error(fields: object, message: string): void };
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
}

/** The state that all requests share. */
export interface OpenRequests {
  /** Requests without an answer yet, including those whose body is still arriving. */
  open: number;
  /** True when every answer asks the sender to reconnect. */
  draining: boolean;
}

/** The state of a sender's connection. */
export interface Connection extends ConnectionActivity {
  readonly sender: SenderAddress;
  readonly closeAfterMs: number;
}

export class WriteRequestHandler implements ExchangeListener {
  readonly #deps: WriteRequestDeps;
  readonly #openRequests: OpenRequests;
  readonly #exchange: Exchange;
  readonly #destination: Destination;
  readonly #connection: Connection;
  readonly #arrivedAtMs: number;
  readonly #reservation: Reservation;
  #accepted: AcceptedRequest | undefined;
  #ended = false;

  /** @param arrivedAtMs of the monotonic clock */
  constructor(
    deps: WriteRequestDeps,
    openRequests: OpenRequests,
    exchange: Exchange,
    destination: Destination,
    connection: Connection,
    arrivedAtMs: number,
  ) {
    this.#deps = deps;
    this.#openRequests = openRequests;
    this.#exchange = exchange;
    this.#destination = destination;
    this.#connection = connection;
    this.#arrivedAtMs = arrivedAtMs;
    this.#reservation = new Reservation(deps.budget, connection.sender);
  }

  /** Denies a request that server.auth does not admit; nothing of it is read. */
  deny(refusal: LoginRefusal): void {
    const { status, reason, told } = refusal;
    const { metrics } = this.#deps;
    const { sender } = this.#connection;
    sender.lastStatus = status;
    sender.lastRefusal = told;
    metrics.countRequest(this.#destination.name, status);
    metrics.countDenied(this.#destination.name, status, reason);
    if (!this.#exchange.gone) writeAnswer(this.#exchange, httpAnswer(refusal));
  }

  begin(): void {
    const exchange = this.#exchange;
    this.#openRequests.open += 1;
    exchange.listener = this;
    try {
      assertRemoteWrite1(exchange.contentType, exchange.contentEncoding);
      const { maxBodyBytes, pool } = this.#deps;
      exchange.readBody({ maxBodyBytes, reservation: this.#reservation, pool });
    } catch (error) {
      this.bodyFailed(error);
    }
  }

  bodyRead(body: Lease): void {
    const { sender } = this.#connection;
    const { turns } = this.#deps;
    if (turns.isFree(sender, body.buffer.length)) this.#decode(body);
    else if (isSmall(body.buffer)) turns.run(sender, () => this.#decode(body));
    else {
      turns.runInSteps(sender, {
        steps: decodeInSteps(turns.steppedKernel, body),
        isWanted: () => this.#isWanted(body),
        done: (contents) => this.#decoded(body, contents),
        failed: (error) => this.#notDecoded(body, error),
      });
    }
  }

  /** Returns false if the sender has gone while its request waited for its turn; the body is then released. */
  #isWanted(body: Lease): boolean {
    if (this.#ended) body.release();
    return !this.#ended;
  }

  #decode(body: Lease): void {
    if (!this.#isWanted(body)) return;
    let contents;
    try {
      contents = decodeWriteRequest(this.#deps.kernel, body);
    } catch (error) {
      this.#notDecoded(body, error);
      return;
    }
    this.#decoded(body, contents);
  }

  #decoded(body: Lease, contents: DecodedRequest): void {
    const { sender } = this.#connection;
    sender.samples += contents.samples + contents.histograms;
    try {
      this.#accepted = this.#destination.accept(contents, this.#connection, this.#arrivedAtMs, this.#onSettled);
    } catch (error) {
      // A throw means that it does not own the body yet.
      this.#notDecoded(body, error);
    }
  }

  #notDecoded(body: Lease, error: unknown): void {
    body.release();
    this.bodyFailed(error);
  }

  bodyFailed(error: unknown): void {
    const { metrics, log } = this.#deps;
    if (error instanceof RequestError) {
      const { httpStatus: status, message } = error;
      metrics.countDenied(this.#destination.name, status, error.code.toLowerCase());
      this.#answer(httpAnswer({ kind: 'denied', status, message }));
      return;
    }
    log.error({ error: messageOf(error) }, 'internal error while handling a request');
    this.#answer(httpAnswer(INTERNAL));
  }

  ended(): void {
    this.#ended = true;
    this.#reservation.release();
    this.#openRequests.open -= 1;
    // Has no effect once it was answered.
    this.#accepted?.trySettle(SENDER_GONE);
  }

  /** This runs in the middle of settling a batch: an error here must not reach the other requests. */
  readonly #onSettled = (outcome: Outcome): void => {
    try {
      this.#answer(httpAnswer(outcome));
    } catch (error) {
      this.#deps.log.error({ error: messageOf(error) }, 'a sender could not be answered');
    }
  };

  #answer(answer: HttpAnswer): void {
    const { status, body } = answer;
    this.#deps.metrics.countRequest(this.#destination.name, status);
    const { sender } = this.#connection;
    sender.lastStatus = status;
    if (status !== 204) sender.lastRefusal = body;
    const exchange = this.#exchange;
    if (exchange.gone) return;
    if (this.#openRequests.draining) exchange.closeAfterAnswer();
    writeAnswer(exchange, answer);
  }
}

export function writeAnswer(exchange: Exchange, answer: HttpAnswer): void {
  exchange.answer(answer.status, answer.body, headersOf(answer));
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
