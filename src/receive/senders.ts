/** Senders: who has a connection, by address. */
import { remoteAddress } from '../platform/listening.ts';
import type { Socket } from 'node:net';
import type { SenderActivity } from '../parcel/connection-activity.ts';
import type { Holder } from './access/byte-budget.ts';
import { NO_KERNEL_COST } from '../codec/kernel-turns.ts';

/** All connections of one address. */
export interface SenderAddress extends Holder, SenderActivity {
  connections: number;
  /** Counted since the first of its connections, for the status page. */
  requests: number;
  /** Samples and histograms in requests that could be decoded. */
  samples: number;
  /** 0 until the first answer. */
  lastStatus: number;
  /** The text of the last answer that was not 2xx. */
  lastRefusal: string;
}

export class Senders {
  readonly #byAddress = new Map<string, SenderAddress>();

  all(): Iterable<Readonly<SenderAddress>> {
    return this.#byAddress.values();
  }

  /** Counts a connection of its address; an address is kept for as long as it has one. */
  connected(socket: Socket): SenderAddress {
    const address = remoteAddress(socket);
    const sender = this.#byAddress.get(address) ?? { ...NEW_SENDER, address };
    this.#byAddress.set(address, sender);
    sender.connections += 1;
    socket.once('close', () => {
      sender.connections -= 1;
      if (sender.connections === 0) this.#byAddress.delete(address);
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
  isolatedAtMs: -Infinity,
  ...NO_KERNEL_COST,
};
