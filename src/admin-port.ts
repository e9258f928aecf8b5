/**
 * The admin port of a process: /metrics, the probes and the status page, over whatever carries the data: this process
 * (pipeline.ts) or its workers (workers/primary.ts).
 */
import type { FastifyInstance } from 'fastify';
import type { ListenAddress } from './config/listen-address.ts';
import { makeAdminServer, type Exposition } from './receive/admin.ts';
import { addStatusRoutes } from './status/routes.ts';
import { Status, type StatusRooms } from './status/status.ts';

export interface AdminRooms extends StatusRooms {
  readonly exposition: Exposition;
  /** Always, where the process itself carries the data. */
  readonly isHealthy?: () => boolean;
}

export class AdminPort {
  readonly #server: FastifyInstance;
  readonly #status: Status;

  constructor(rooms: AdminRooms) {
    this.#status = new Status(rooms);
    this.#server = makeAdminServer(
      rooms.exposition,
      rooms.readiness,
      (server) => addStatusRoutes(server, this.#status),
      rooms.isHealthy,
    );
  }

  /** @returns where it listens; rejects when it cannot */
  async start(address: ListenAddress): Promise<string> {
    this.#status.start();
    // A copy: Fastify writes into it.
    return this.#server.listen({ ...address });
  }

  async close(): Promise<void> {
    this.#status.stop();
    await this.#server.close();
  }
}
