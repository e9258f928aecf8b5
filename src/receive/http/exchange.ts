/**
 * An exchange: one request and its answer, however its bytes come in. The fast path (connection.ts) reads them itself;
 * everything that it does not take comes through Node's HTTP server (node-exchange.ts).
 */
import type { Socket } from 'node:net';
import type { BufferPool, Lease } from '../../memory/buffer-pool.ts';
import { assertBodySize, type ByteBudget, type Holder } from '../access/byte-budget.ts';

export interface Exchange {
  readonly socket: Socket;
  readonly authorization: string | undefined;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  /** True once the sender has closed its connection; nobody can be answered. */
  readonly gone: boolean;
  /** The listener of the end of the exchange. Set before the body is requested. */
  listener: ExchangeListener | undefined;
  /** Closes the connection after the answer. */
  closeAfterAnswer(): void;
  /** Announces that the body is not wanted and that the answer comes later; closeAfterAnswer was called. */
  discardBody(): void;
  /**
   * Reads the body and tells the listener the result once; throws RequestError if the head says that it is too large.
   */
  readBody(intake: Intake): void;
  /**
   * Writes the one answer; the rest of the body is discarded. @param headers in addition to those that every answer has
   */
  answer(status: number, text: string, headers?: Readonly<Record<string, string | number>>): void;
}

export interface ExchangeListener {
  /** The body has arrived, in memory that the listener must release. */
  bodyRead(body: Lease): void;
  /**
   * The body is too large or exceeds the budget (RequestError), or could not be read. Not called when the sender broke
   * off.
   */
  bodyFailed(error: unknown): void;
  /** The exchange is over: answered, or the sender has gone. Called once. */
  ended(): void;
}

/** The memory and the limits for reading a body. */
export interface Intake {
  readonly maxBodyBytes: number;
  readonly reservation: Reservation;
  readonly pool: BufferPool;
}

/** The bytes of the budget that one request holds; they are released exactly once. */
export class Reservation {
  readonly #budget: ByteBudget;
  readonly #holder: Holder;
  #bytes = 0;

  constructor(budget: ByteBudget, holder: Holder) {
    this.#budget = budget;
    this.#holder = holder;
  }

  /** Throws OVER_INFLIGHT_BYTES. */
  grow(bytes: number): void {
    this.#budget.reserve(bytes, this.#holder);
    this.#bytes += bytes;
  }

  release(): void {
    this.#budget.release(this.#bytes, this.#holder);
    this.#bytes = 0;
  }
}

/** The cost of any request to this process, however small its body. */
export const LEAST_BYTES = 4096;

/**
 * Returns memory for a body of a declared length, reserved before a byte of it is read. Throws RequestError (413 or
 * 503).
 */
export function takeDeclared(bytes: number, { maxBodyBytes, reservation, pool }: Intake): Lease {
  assertBodySize(bytes, maxBodyBytes);
  reservation.grow(Math.max(bytes, LEAST_BYTES));
  return pool.take(bytes);
}
