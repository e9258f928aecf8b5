/** receive: admits a request or denies it early, and keeps the state of its connection. */
import { remoteAddress } from '../platform/listening.ts';
import type { Socket } from 'node:net';
import { UNKNOWN_ROUTE } from '../metrics/known-labels.ts';
import { NEW_CONNECTION } from '../parcel/connection-activity.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Authenticator, AuthResult } from './access/auth.ts';
import { RecurringLog } from '../platform/recurring-log.ts';
import type { Exchange } from './http/exchange.ts';
import { httpAnswer } from '../outcome/http-answer.ts';
import type { Unrouted } from './routes.ts';
import { refusalOf, type LoginRefusal } from './access/login-refusal.ts';
import { Senders, type SenderAddress } from './senders.ts';
import {
  messageOf,
  writeAnswer,
  WriteRequestHandler,
  type Connection,
  type Destination,
  type OpenRequests,
  type WriteRequestDeps,
} from './write-request-handler.ts';

export interface WriteHandlerDeps extends WriteRequestDeps {
  readonly log: WriteRequestDeps['log'] & { warn(fields: object, message: string): void };
  /** Checks who may send; without it everybody may. */
  readonly auth?: Authenticator | undefined;
  /** Connections older than this are closed after their answer, ms; 0 means never. */
  readonly maxConnectionAgeMs: number;
  readonly random: () => number;
}

/** The steps that follow a login. */
interface Login {
  readonly admitted: () => void;
  readonly turnedAway: (refusal: LoginRefusal) => void;
}

const MAX_LOGGED_PATH = 200;

export class WriteHandler {
  readonly #deps: WriteHandlerDeps;
  readonly #openRequests: OpenRequests;
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #senders = new Senders();
  readonly #warnings: RecurringLog;

  constructor(deps: WriteHandlerDeps) {
    this.#deps = deps;
    this.#openRequests = { open: 0, draining: false };
    this.#warnings = new RecurringLog((fields, message) => deps.log.warn(fields, message), deps.nowMs);
  }

  /** Requests without an answer yet, including those whose body is still arriving. */
  get open(): number {
    return this.#openRequests.open;
  }

  /** Every address that has a connection. */
  senders(): Iterable<Readonly<SenderAddress>> {
    return this.#senders.all();
  }

  /** From now on every answer asks the sender to reconnect. */
  drain(): void {
    this.#openRequests.draining = true;
  }

  /**
   * Answers a request that leads to no destination; an unauthorised sender learns nothing more. @param target of its
   * request line
   */
  handleUnrouted(exchange: Exchange, target: string, unrouted: Unrouted): void {
    const { status, reason, message } = unrouted;
    const address = remoteAddress(exchange.socket);
    const admitted = (): void => {
      this.#countDenied(status, reason);
      if (status === 503) {
        const fields = { sender: address, path: target.slice(0, MAX_LOGGED_PATH), remedy: message };
        this.#warnings.warn(reason, fields, 'a sender writes to a path that leads to no remote_write entry');
      }
      if (exchange.gone) return;
      if (this.#openRequests.draining) exchange.closeAfterAnswer();
      writeAnswer(exchange, httpAnswer(unrouted));
    };
    const { auth, nowMs } = this.#deps;
    if (auth === undefined) admitted();
    else {
      const known = auth.tryCheck(exchange.authorization, nowMs());
      void this.#denyUnless(auth, known, exchange, address, nowMs(), {
        admitted,
        turnedAway: (refusal) => {
          this.#countDenied(refusal.status, refusal.reason);
          if (!exchange.gone) writeAnswer(exchange, httpAnswer(refusal));
        },
      });
    }
  }

  handle(exchange: Exchange, destination: Destination): void {
    const arrivedAtMs = this.#deps.nowMs();
    const connection = this.#connection(exchange.socket, arrivedAtMs);
    connection.sender.requests += 1;
    if (arrivedAtMs > connection.closeAfterMs) exchange.closeAfterAnswer();
    const handler = new WriteRequestHandler(
      this.#deps,
      this.#openRequests,
      exchange,
      destination,
      connection,
      arrivedAtMs,
    );
    const { auth } = this.#deps;
    const result = auth === undefined ? 'allowed' : auth.tryCheck(exchange.authorization, arrivedAtMs);
    if (auth === undefined || result === 'allowed') handler.begin();
    else {
      void this.#denyUnless(auth, result, exchange, connection.sender.address, arrivedAtMs, {
        admitted: () => handler.begin(),
        turnedAway: (refusal) => handler.deny(refusal),
      });
    }
  }

  /** Calls one of the two callbacks once. @param known the result if it is known without checking a password */
  async #denyUnless(
    auth: Authenticator,
    known: AuthResult | undefined,
    exchange: Exchange,
    address: string,
    nowMs: number,
    { admitted, turnedAway }: Login,
  ): Promise<void> {
    let result: AuthResult = 'busy';
    try {
      result = known ?? (await auth.check(exchange.authorization, nowMs, address));
    } catch (error) {
      this.#deps.log.error({ error: messageOf(error) }, 'a password could not be checked');
    }
    if (result !== 'allowed') {
      // A connection that has not authenticated is not kept.
      exchange.closeAfterAnswer();
      if (result === 'refused') {
        this.#warnings.warn(
          'unauthorized',
          {
            sender: address,
            remedy: 'check the authorization in its remote_write; if it is nobody of yours, keep it away',
          },
          'server.auth does not know a sender',
        );
      }
      const waitMs = auth.refuse(result, address, this.#deps.nowMs());
      if (waitMs > 0) {
        exchange.discardBody();
        await sleep(waitMs, undefined, { ref: false });
      }
      turnedAway(refusalOf(result, auth.scheme));
    }
    // The sender may have gone while its password was checked. Its end was reported already, and nothing would release
    // what it holds.
    else if (!exchange.gone) admitted();
  }

  #countDenied(status: number, reason: string): void {
    this.#deps.metrics.countRequest(UNKNOWN_ROUTE, status);
    this.#deps.metrics.countDenied(UNKNOWN_ROUTE, status, reason);
  }

  #connection(socket: Socket, nowMs: number): Connection {
    let connection = this.#connections.get(socket);
    if (connection === undefined) {
      const { maxConnectionAgeMs, random } = this.#deps;
      // The age is up to a tenth shorter, so that connections made together do not end together.
      const ageMs = maxConnectionAgeMs === 0 ? Infinity : maxConnectionAgeMs * (1 - 0.1 * random());
      const sender = this.#senders.connected(socket);
      connection = { ...NEW_CONNECTION, sender, closeAfterMs: nowMs + ageMs };
      this.#connections.set(socket, connection);
    }
    return connection;
  }
}
