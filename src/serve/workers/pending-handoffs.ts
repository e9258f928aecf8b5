/**
 * Connections that are being handed to a worker. node:cluster keeps each open in the primary until the worker
 * acknowledges it, and forgets it if the worker dies before: its sender would wait for an answer until it gives up.
 * This class remembers them, so that they can be closed and the sender retries immediately.
 *
 * (lib/internal/cluster/round_robin_handle.js of Node 26: the handle is closed by the acknowledgement alone.)
 */
import type { ChildProcess } from 'node:child_process';

/** The part of a handle of Node's that is used here. */
interface Handle {
  /** Negative once it is closed. */
  readonly fd: number;
  close: () => void;
}

export class PendingHandoffs {
  readonly #handles = new Set<Handle>();

  constructor(process: Pick<ChildProcess, 'send'>) {
    const send = process.send.bind(process);
    process.send = (...args: unknown[]): boolean => {
      const [, handle] = args;
      if (isHandle(handle)) this.#remember(handle);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one of the overloads, passed on as it came
      return send(...(args as Parameters<typeof send>));
    };
  }

  /**
   * Closes the connections that the worker has not acknowledged. A worker that has one after all keeps it: it has its
   * own handle.
   */
  closeAll(): void {
    for (const handle of this.#handles) if (handle.fd >= 0) handle.close();
    this.#handles.clear();
  }

  /** Only one is handed over at a time; those before it have arrived. */
  #remember(handle: Handle): void {
    for (const known of this.#handles) if (known.fd < 0) this.#handles.delete(known);
    this.#handles.add(handle);
  }
}

function isHandle(value: unknown): value is Handle {
  return (
    typeof value === 'object' &&
    value !== null &&
    'fd' in value &&
    typeof value.fd === 'number' &&
    'close' in value &&
    typeof value.close === 'function'
  );
}
