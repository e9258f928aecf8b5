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
  /** The sender has closed its connection; nobody can be answered. */
  readonly gone: boolean;
  /** Who is told when the exchange is over. Set before the body is asked for. */
  listener: ExchangeListener | undefined;
  /** Closes the connection after the answer. */
  closeAfterAnswer(): void;
  /** Nothing of the body is wanted, and the answer comes later; closeAfterAnswer was called. */
  discardBody(): void;
  /** Tells the listener once what became of the body; throws RequestError when the head says that it is too large. */
  readBody(intake: Intake): void;
  /** Writes the one answer; what is left of the body is thrown away. @param headers beside those that every answer has */
  answer(status: number, text: string, headers?: Readonly<Record<string, string | number>>): void;
}

export interface ExchangeListener {
  /** The body is there, in memory that is the listener's to give back. */
  bodyRead(body: Lease): void;
  /** The body is too large or too much (RequestError), or could not be read. Not told when the sender broke off. */
  bodyFailed(error: unknown): void;
  /** The exchange is over: answered, or the sender has gone. Told once. */
  ended(): void;
}

/** Where a body is read to, and under which limits. */
export interface Intake {
  readonly maxBodyBytes: number;
  readonly reservation: Reservation;
  readonly pool: BufferPool;
}

/** What one request holds of the budget, given back once whatever happens. */
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

/** What any request costs this process, however small its body. */
export const LEAST_BYTES = 4096;

/** Memory for a body of a declared length, reserved before a byte of it is read. Throws RequestError (413 or 503). */
export function takeDeclared(bytes: number, { maxBodyBytes, reservation, pool }: Intake): Lease {
  assertBodySize(bytes, maxBodyBytes);
  reservation.grow(Math.max(bytes, LEAST_BYTES));
  return pool.take(bytes);
}
