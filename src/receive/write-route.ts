/** receive: lets a request in, or turns its sender away, and remembers what is to be known of its connection. */
import type { Socket } from 'node:net';
import { NEW_CONNECTION } from '../queue/connection-activity.ts';
import type { Authenticator, AuthResult } from './auth.ts';
import type { Exchange } from './exchange.ts';
import { Senders, type SenderAddress } from './senders.ts';
import { messageOf, Visit, type Connection, type Destination, type House, type VisitRooms } from './visit.ts';

export interface WriteRouteRooms extends VisitRooms {
  /** Who may send; everybody without one. */
  readonly auth?: Authenticator | undefined;
  /** Connections older than this are closed after their answer, ms; 0 never. */
  readonly maxConnectionAgeMs: number;
  readonly random: () => number;
}

export class WriteRoute {
  readonly #rooms: WriteRouteRooms;
  readonly #house: House = { open: 0, draining: false };
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #senders = new Senders();

  constructor(rooms: WriteRouteRooms) {
    this.#rooms = rooms;
  }

  /** Requests that have no answer yet, those included whose body is still coming. */
  get open(): number {
    return this.#house.open;
  }

  /** Every address that has a connection. */
  senders(): Iterable<Readonly<SenderAddress>> {
    return this.#senders.all();
  }

  /** From now on every answer asks the sender to come back on a new connection. */
  drain(): void {
    this.#house.draining = true;
  }

  /** A request that no route of ours takes. */
  countUnknown(status: number): void {
    this.#rooms.metrics.countRequest('unknown', status);
    this.#rooms.metrics.countTurnedAway('unknown', status, 'unknown_route');
  }

  handle(exchange: Exchange, destination: Destination): void {
    const { nowMs, auth } = this.#rooms;
    const arrivedAtMs = nowMs();
    const connection = this.#connection(exchange.socket, arrivedAtMs);
    connection.sender.requests += 1;
    if (arrivedAtMs > connection.closeAfterMs) exchange.closeAfterAnswer();
    const visit = new Visit(this.#rooms, this.#house, exchange, destination, connection, arrivedAtMs);
    const allowed = auth === undefined ? 'allowed' : auth.tryCheck(exchange.authorization, arrivedAtMs);
    if (auth === undefined || allowed === 'allowed') visit.begin();
    else if (allowed !== undefined) visit.turnAway('refused', auth.scheme);
    else void this.#authenticate(auth, exchange, connection.sender.address, arrivedAtMs, visit);
  }

  async #authenticate(
    auth: Authenticator,
    exchange: Exchange,
    address: string,
    arrivedAtMs: number,
    visit: Visit,
  ): Promise<void> {
    let result: AuthResult = 'busy';
    try {
      result = await auth.check(exchange.authorization, arrivedAtMs, address);
    } catch (error) {
      this.#rooms.log.error({ error: messageOf(error) }, 'a password could not be checked');
    }
    if (result !== 'allowed') visit.turnAway(result, auth.scheme);
    // Gone while its password was checked: its end has been told already, and nothing would give back what it holds.
    else if (!exchange.gone) visit.begin();
  }

  #connection(socket: Socket, nowMs: number): Connection {
    let connection = this.#connections.get(socket);
    if (connection === undefined) {
      const { maxConnectionAgeMs, random } = this.#rooms;
      // Up to a tenth earlier, so that connections made together do not end together.
      const ageMs = maxConnectionAgeMs === 0 ? Infinity : maxConnectionAgeMs * (1 - 0.1 * random());
      const sender = this.#senders.connected(socket);
      connection = { ...NEW_CONNECTION, sender, closeAfterMs: nowMs + ageMs };
      this.#connections.set(socket, connection);
    }
    return connection;
  }
}
