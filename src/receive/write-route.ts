/**
 * receive: one remote_write request from its head to its answer.
 *
 * admit (head only) -> read the body -> decode into a parcel -> hand it to its destination -> await its outcome.
 * Exactly one answer is written; nothing is written to a sender that has gone.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Visitor } from '../batch/company.ts';
import type { BufferPool, Lease } from '../codec/buffer-pool.ts';
import type { Kernel } from '../codec/kernel.ts';
import { decodeWriteRequest } from '../decode/write-request.ts';
import { RequestError } from '../errors.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { Parcel, type ParcelLedger } from '../queue/parcel.ts';
import { httpAnswer, type HttpAnswer } from '../send/outcome.ts';
import { assertRemoteWrite1, type ByteBudget, type Holder } from './admission.ts';
import type { Authenticator, AuthResult } from './auth.ts';
import { readBody, Reservation } from './body.ts';
import { answerText } from './linger.ts';

/** Where a parcel goes: the rooms behind one remote_write entry. */
export interface Destination {
  readonly name: string;
  readonly ledger: ParcelLedger;
  readonly deliveryTimeoutMs: number;
  /** What a sender's parcels with this merge key are queued under. */
  mergeKeyFor(sender: string, mergeKey: string, nowMs: number): string;
  /** Takes the parcel and its body; settles it at once when there is no room for it. */
  submit(parcel: Parcel, visitor: Visitor, nowMs: number): void;
}

export interface WriteRouteRooms {
  readonly kernel: Kernel;
  readonly budget: ByteBudget;
  /** Where bodies are read into. */
  readonly pool: BufferPool;
  readonly maxBodyBytes: number;
  /** Who may send; everybody without one. */
  readonly auth?: Authenticator | undefined;
  readonly metrics: Metrics;
  readonly log: { error(fields: object, message: string): void };
  /** Monotonic clock, ms. */
  readonly nowMs: () => number;
  /** Connections older than this are closed after their answer, ms; 0 never. */
  readonly maxConnectionAgeMs: number;
  readonly random: () => number;
}

/** All connections of one address. */
interface SenderAddress extends Holder {
  readonly address: string;
  connections: number;
  /** Since the first of its connections, for the status page. */
  requests: number;
  /** Samples and histograms in requests that could be decoded. */
  samples: number;
  /** 0 before the first answer. */
  lastStatus: number;
  /** What the last answer that was not 2xx said. */
  lastRefusal: string;
  /** When a request of it was last queued apart, ms of the monotonic clock. */
  apartAtMs: number;
}

/** What is remembered of a sender's connection. */
interface Connection extends Visitor {
  readonly sender: SenderAddress;
  readonly closeAfterMs: number;
}

export class WriteRoute {
  readonly #rooms: WriteRouteRooms;
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #senders = new Map<string, SenderAddress>();
  #draining = false;
  #open = 0;

  constructor(rooms: WriteRouteRooms) {
    this.#rooms = rooms;
  }

  /** Requests that have no answer yet, those included whose body is still coming. */
  get open(): number {
    return this.#open;
  }

  /** Every address that has a connection. */
  senders(): Iterable<Readonly<SenderAddress>> {
    return this.#senders.values();
  }

  /** From now on every answer asks the sender to come back on a new connection. */
  drain(): void {
    this.#draining = true;
  }

  /** A request that no route of ours takes. */
  countUnknown(status: number): void {
    this.#rooms.metrics.countRequest('unknown', status);
    this.#rooms.metrics.countTurnedAway('unknown', status, 'unknown_route');
  }

  handle(request: IncomingMessage, response: ServerResponse, destination: Destination): void {
    const { nowMs, auth } = this.#rooms;
    const arrivedAtMs = nowMs();
    const connection = this.#connection(request.socket, arrivedAtMs);
    connection.sender.requests += 1;
    if (arrivedAtMs > connection.closeAfterMs) response.shouldKeepAlive = false;
    const arrival: Arrival = { request, response, destination, connection, arrivedAtMs };
    const allowed = auth === undefined ? 'allowed' : auth.tryCheck(request.headers.authorization, arrivedAtMs);
    if (allowed === 'allowed') this.#admit(arrival);
    else if (allowed !== undefined || auth === undefined) this.#turnAway(arrival, 'refused');
    else void this.#authenticate(auth, arrival);
  }

  async #authenticate(auth: Authenticator, arrival: Arrival): Promise<void> {
    let result: AuthResult = 'busy';
    try {
      const { request, connection, arrivedAtMs } = arrival;
      result = await auth.check(request.headers.authorization, arrivedAtMs, connection.sender.address);
    } catch (error) {
      this.#rooms.log.error({ error: messageOf(error) }, 'a password could not be checked');
    }
    if (result === 'allowed') this.#admit(arrival);
    else this.#turnAway(arrival, result);
  }

  #turnAway({ request, response, destination, connection }: Arrival, result: 'refused' | 'busy'): void {
    const status = result === 'busy' ? 503 : 401;
    connection.sender.lastStatus = status;
    connection.sender.lastRefusal = result === 'busy' ? 'too many logins at once' : 'server.auth does not know it';
    this.#rooms.metrics.countRequest(destination.name, status);
    this.#rooms.metrics.countTurnedAway(
      destination.name,
      status,
      result === 'busy' ? 'too_many_logins' : 'unauthorized',
    );
    if (response.destroyed) return;
    if (result === 'busy') answerText(request, response, 503, 'too many logins at once', { 'retry-after': 1 });
    else {
      const scheme = this.#rooms.auth?.scheme ?? 'Basic';
      const message = 'server.auth of the proxy does not know this sender; check the authorization of its remote_write';
      answerText(request, response, 401, message, { 'www-authenticate': `${scheme} realm="amp-write-proxy"` });
    }
  }

  #admit({ request, response, destination, connection, arrivedAtMs }: Arrival): void {
    const { budget, maxBodyBytes, pool } = this.#rooms;
    // Gone while its password was checked: its close has been told already, and nothing would give back what it holds.
    if (response.destroyed) return;
    const reservation = new Reservation(budget, connection.sender);
    this.#open += 1;
    response.once('close', () => {
      reservation.release();
      this.#open -= 1;
    });
    try {
      assertRemoteWrite1(request.headers);
    } catch (error) {
      this.#fail(request, response, destination, error);
      return;
    }
    readBody(request, maxBodyBytes, reservation, pool, (error, body) => {
      if (body === undefined) {
        this.#fail(request, response, destination, error);
        return;
      }
      let parcel;
      try {
        parcel = this.#makeParcel(body, destination, connection, arrivedAtMs);
      } catch (fault) {
        body.release();
        this.#fail(request, response, destination, fault);
        return;
      }
      this.#awaitOutcome(parcel, request, response, destination);
      try {
        destination.submit(parcel, connection, parcel.queuedAtMs);
      } catch (fault) {
        this.#rooms.log.error({ error: messageOf(fault) }, 'a request failed for a fault of the proxy');
        parcel.trySettle(INTERNAL);
      }
    });
  }

  #makeParcel(body: Lease, destination: Destination, { sender }: Connection, arrivedAtMs: number): Parcel {
    const { address } = sender;
    const contents = decodeWriteRequest(this.#rooms.kernel, body);
    const queuedAtMs = this.#rooms.nowMs();
    const mergeKey = destination.mergeKeyFor(address, contents.mergeKey, queuedAtMs);
    if (mergeKey !== contents.mergeKey) sender.apartAtMs = queuedAtMs;
    contents.mergeKey = mergeKey;
    sender.samples += contents.samples + contents.histograms;
    const deadlineAtMs = arrivedAtMs + destination.deliveryTimeoutMs;
    return new Parcel(contents, { arrivedAtMs, deadlineAtMs, queuedAtMs }, destination.ledger, address);
  }

  #awaitOutcome(parcel: Parcel, request: IncomingMessage, response: ServerResponse, destination: Destination): void {
    response.once('close', () => {
      if (!response.writableEnded) parcel.trySettle(SENDER_GONE);
    });
    void parcel.outcome.then((outcome) => this.#answer(request, response, destination, httpAnswer(outcome)));
  }

  #answer(request: IncomingMessage, response: ServerResponse, destination: Destination, answer: HttpAnswer): void {
    this.#rooms.metrics.countRequest(destination.name, answer.status);
    const sender = this.#connections.get(request.socket)?.sender;
    if (sender !== undefined) {
      sender.lastStatus = answer.status;
      if (answer.status !== 204) sender.lastRefusal = answer.body;
    }
    if (response.destroyed) return;
    if (this.#draining) response.shouldKeepAlive = false;
    if (answer.status === 204) response.writeHead(204).end();
    else {
      const headers = answer.retryAfter === undefined ? {} : { 'retry-after': answer.retryAfter };
      answerText(request, response, answer.status, answer.body, headers);
    }
  }

  #fail(request: IncomingMessage, response: ServerResponse, destination: Destination, error: unknown): void {
    if (error instanceof RequestError) {
      const retryAfter = error.httpStatus === 503 ? 1 : undefined;
      this.#rooms.metrics.countTurnedAway(destination.name, error.httpStatus, error.code.toLowerCase());
      this.#answer(request, response, destination, { status: error.httpStatus, body: error.message, retryAfter });
      return;
    }
    if (request.destroyed && !request.complete) return; // The sender broke off; there is nobody to tell.
    this.#rooms.log.error({ error: messageOf(error) }, 'a request failed for a fault of the proxy');
    this.#answer(request, response, destination, httpAnswer(INTERNAL));
  }

  #connection(socket: Socket, nowMs: number): Connection {
    let connection = this.#connections.get(socket);
    if (connection === undefined) {
      const { maxConnectionAgeMs, random } = this.#rooms;
      // Up to a tenth earlier, so that connections made together do not end together.
      const ageMs = maxConnectionAgeMs === 0 ? Infinity : maxConnectionAgeMs * (1 - 0.1 * random());
      connection = { window: 0, sender: this.#sender(socket), closeAfterMs: nowMs + ageMs };
      this.#connections.set(socket, connection);
    }
    return connection;
  }

  /** Kept for as long as the address has a connection. */
  #sender(socket: Socket): SenderAddress {
    const address = socket.remoteAddress ?? '';
    const sender = this.#senders.get(address) ?? { ...NEW_SENDER, address };
    this.#senders.set(address, sender);
    sender.connections += 1;
    socket.once('close', () => {
      sender.connections -= 1;
      if (sender.connections === 0) this.#senders.delete(address);
    });
    return sender;
  }
}

const NEW_SENDER: Omit<SenderAddress, 'address'> = {
  connections: 0,
  heldBytes: 0,
  requests: 0,
  samples: 0,
  lastStatus: 0,
  lastRefusal: '',
  apartAtMs: -Infinity,
};

/** A request that has come in. */
interface Arrival {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly destination: Destination;
  readonly connection: Connection;
  /** Monotonic clock, ms. */
  readonly arrivedAtMs: number;
}

const SENDER_GONE = { kind: 'refused', reason: 'sender_gone', message: 'the sender closed its connection' } as const;
const INTERNAL = { kind: 'refused', reason: 'internal', message: 'internal error of the proxy; see its log' } as const;

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
