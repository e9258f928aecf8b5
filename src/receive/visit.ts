/**
 * A visit: one request from its admission to its answer.
 *
 * admit (head only) -> read the body -> decode into a parcel -> hand it to its destination -> be told its outcome.
 * Exactly one answer is written; nothing is written to a sender that has gone.
 */
import type { Visitor } from '../batch/company.ts';
import type { BufferPool, Lease } from '../codec/buffer-pool.ts';
import type { Kernel } from '../codec/kernel.ts';
import { decodeWriteRequest } from '../decode/write-request.ts';
import { RequestError } from '../errors.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { Parcel, type ParcelLedger } from '../queue/parcel.ts';
import { httpAnswer, type HttpAnswer } from '../outcome/http-answer.ts';
import type { Outcome } from '../outcome/outcome.ts';
import { assertRemoteWrite1, type ByteBudget } from './admission.ts';
import { Reservation, type Exchange, type ExchangeListener } from './exchange.ts';
import type { LoginRefusal } from './login-refusal.ts';
import type { SenderAddress } from './senders.ts';

/** Where a parcel goes: the rooms behind one remote_write entry. */
export interface Destination {
  readonly name: string;
  readonly ledger: ParcelLedger;
  readonly deliveryTimeoutMs: number;
  /** What a sender's parcels with this merge key are queued under. */
  mergeKeyFor(sender: string, mergeKey: string, nowMs: number): string;
  /** Takes the parcel and its body; settles it at once when there is no room for it. */
  submit(parcel: Parcel, nowMs: number): void;
}

export interface VisitRooms {
  readonly kernel: Kernel;
  readonly budget: ByteBudget;
  /** Where bodies are read into. */
  readonly pool: BufferPool;
  readonly maxBodyBytes: number;
  readonly metrics: Metrics;
  readonly log: { error(fields: object, message: string): void };
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
}

/** What all visits have in common. */
export interface House {
  /** Requests that have no answer yet, those included whose body is still coming. */
  open: number;
  /** Every answer asks the sender to come back on a new connection. */
  draining: boolean;
}

/** What is remembered of a sender's connection. */
export interface Connection extends Visitor {
  readonly sender: SenderAddress;
  readonly closeAfterMs: number;
}

export class Visit implements ExchangeListener {
  readonly #rooms: VisitRooms;
  readonly #house: House;
  readonly #exchange: Exchange;
  readonly #destination: Destination;
  readonly #connection: Connection;
  readonly #arrivedAtMs: number;
  readonly #reservation: Reservation;
  #parcel: Parcel | undefined;

  /** @param arrivedAtMs of the monotonic clock */
  constructor(
    rooms: VisitRooms,
    house: House,
    exchange: Exchange,
    destination: Destination,
    connection: Connection,
    arrivedAtMs: number,
  ) {
    this.#rooms = rooms;
    this.#house = house;
    this.#exchange = exchange;
    this.#destination = destination;
    this.#connection = connection;
    this.#arrivedAtMs = arrivedAtMs;
    this.#reservation = new Reservation(rooms.budget, connection.sender);
  }

  /** Not let in by server.auth: nothing of it is read. */
  turnAway({ status, reason, told, text, headers }: LoginRefusal): void {
    const { metrics } = this.#rooms;
    const { sender } = this.#connection;
    sender.lastStatus = status;
    sender.lastRefusal = told;
    metrics.countRequest(this.#destination.name, status);
    metrics.countTurnedAway(this.#destination.name, status, reason);
    if (!this.#exchange.gone) this.#exchange.answer(status, text, headers);
  }

  begin(): void {
    const exchange = this.#exchange;
    this.#house.open += 1;
    exchange.listener = this;
    try {
      assertRemoteWrite1(exchange.contentType, exchange.contentEncoding);
      const { maxBodyBytes, pool } = this.#rooms;
      exchange.readBody({ maxBodyBytes, reservation: this.#reservation, pool });
    } catch (error) {
      this.bodyFailed(error);
    }
  }

  bodyRead(body: Lease): void {
    let parcel;
    try {
      parcel = this.#makeParcel(body);
    } catch (error) {
      body.release();
      this.bodyFailed(error);
      return;
    }
    this.#parcel = parcel;
    parcel.onSettled = (outcome) => this.#settled(outcome);
    try {
      this.#destination.submit(parcel, parcel.queuedAtMs);
    } catch (error) {
      this.#rooms.log.error({ error: messageOf(error) }, 'a request failed for a fault of the proxy');
      parcel.trySettle(INTERNAL);
    }
  }

  bodyFailed(error: unknown): void {
    const { metrics, log } = this.#rooms;
    if (error instanceof RequestError) {
      const retryAfter = error.httpStatus === 503 ? 1 : undefined;
      metrics.countTurnedAway(this.#destination.name, error.httpStatus, error.code.toLowerCase());
      this.#answer({ status: error.httpStatus, body: error.message, retryAfter });
      return;
    }
    log.error({ error: messageOf(error) }, 'a request failed for a fault of the proxy');
    this.#answer(httpAnswer(INTERNAL));
  }

  ended(): void {
    this.#reservation.release();
    this.#house.open -= 1;
    // Without effect when it was answered.
    this.#parcel?.trySettle(SENDER_GONE);
  }

  #makeParcel(body: Lease): Parcel {
    const connection = this.#connection;
    const { sender } = connection;
    const contents = decodeWriteRequest(this.#rooms.kernel, body);
    const queuedAtMs = this.#rooms.nowMs();
    const mergeKey = this.#destination.mergeKeyFor(sender.address, contents.mergeKey, queuedAtMs);
    if (mergeKey !== contents.mergeKey) sender.apartAtMs = queuedAtMs;
    contents.mergeKey = mergeKey;
    sender.samples += contents.samples + contents.histograms;
    const arrivedAtMs = this.#arrivedAtMs;
    const { ledger, deliveryTimeoutMs } = this.#destination;
    const times = { arrivedAtMs, deadlineAtMs: arrivedAtMs + deliveryTimeoutMs, queuedAtMs };
    return new Parcel(contents, times, ledger, sender.address, connection);
  }

  /** In the middle of a batch's end: what goes wrong here must not reach the others. */
  #settled(outcome: Outcome): void {
    try {
      this.#answer(httpAnswer(outcome));
    } catch (error) {
      this.#rooms.log.error({ error: messageOf(error) }, 'a sender could not be answered');
    }
  }

  #answer({ status, body, retryAfter }: HttpAnswer): void {
    this.#rooms.metrics.countRequest(this.#destination.name, status);
    const { sender } = this.#connection;
    sender.lastStatus = status;
    if (status !== 204) sender.lastRefusal = body;
    const exchange = this.#exchange;
    if (exchange.gone) return;
    if (this.#house.draining) exchange.closeAfterAnswer();
    if (status === 204) exchange.answer(204, '');
    else exchange.answer(status, body, retryAfter === undefined ? undefined : { 'retry-after': retryAfter });
  }
}

const SENDER_GONE = { kind: 'refused', reason: 'sender_gone', message: 'the sender closed its connection' } as const;
const INTERNAL = { kind: 'refused', reason: 'internal', message: 'internal error of the proxy; see its log' } as const;

export function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
