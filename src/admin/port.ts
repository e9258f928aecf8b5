/**
 * The admin port of a process: /metrics, the probes and the status page, for the processes that carry the data: this
 * one (pipeline.ts) or its workers (workers/primary.ts).
 */
import { listenOn } from '../platform/listening.ts';
import type { FastifyInstance } from 'fastify';
import type { ListenAddress } from '../config/listen-address.ts';
import type { ServerConfig } from '../config/schema.ts';
import { AdminHosts } from './hosts.ts';
import { lastFailures } from './last-failures.ts';
import { makeAdminServer, type Exposition } from './server.ts';
import { addStatusRoutes } from './status-page/routes.ts';
import { Status, type StatusDeps } from './status-page/status.ts';

export interface AdminDeps extends StatusDeps {
  readonly exposition: Exposition;
  /** Always true if the process itself carries the data. */
  readonly isHealthy?: () => boolean;
  readonly config: Pick<ServerConfig, 'admin_hosts' | 'admin_listen'>;
  readonly log: StatusDeps['log'] & { warn(fields: object, message: string): void };
}

export class AdminPort {
  readonly #server: FastifyInstance;
  readonly #status: Status;
  readonly #listen: ListenAddress;
  readonly #log: AdminDeps['log'];

  constructor(deps: AdminDeps) {
    this.#status = new Status(deps);
    this.#listen = deps.config.admin_listen;
    this.#log = deps.log;
    this.#server = makeAdminServer(
      deps.exposition,
      deps.readiness,
      {
        hosts: new AdminHosts(deps.config.admin_hosts, deps.config.admin_listen.host),
        log: deps.log,
        failures: () => lastFailures(deps.destinations()),
      },
      (server) => addStatusRoutes(server, this.#status),
      deps.isHealthy,
    );
  }

  /** @returns the address where it listens; rejects if it cannot */
  async start(): Promise<string> {
    this.#status.start();
    return listenOn(this.#listen, async (address) => this.#server.listen(address), this.#log);
  }

  async close(): Promise<void> {
    this.#status.stop();
    await this.#server.close();
  }
}
