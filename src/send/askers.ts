/**
 * Tells whether AMP asks different senders to slow down or to rest: if it asks only one, that sender's data may be the
 * reason.
 *
 * Senders are told apart by their address if several addresses are active, else by their connection; a single active
 * sender counts as all of them. Time is of the monotonic clock, in ms.
 */
import type { ConnectionActivity } from '../parcel/connection-activity.ts';
import { addressesOf } from './active-senders.ts';

/** Older requests to slow down are ignored. */
const LATELY_MS = 5_000;
/** More connections would prove no more. */
const MOST_KEPT = 8;

interface Ask {
  readonly connections: readonly ConnectionActivity[];
  readonly atMs: number;
}

export class Askers {
  #asks: Ask[] = [];

  /**
   * Remembers that AMP asked it when requests of these connections were sent.
   *
   * @param active connections that sent lately, a few of them
   * @returns whether it has asked different senders lately, or the only one
   */
  add(connections: readonly ConnectionActivity[], active: readonly ConnectionActivity[], nowMs: number): boolean {
    const isAnother = addressesOf(active) > 1 ? haveNoAddressInCommon : haveNoneInCommon;
    const lately = this.#asks.filter(({ atMs }) => nowMs - atMs <= LATELY_MS);
    this.#asks = [...lately, { connections, atMs: nowMs }].slice(-MOST_KEPT);
    return active.length <= 1 || lately.some((ask) => isAnother(ask.connections, connections));
  }

  forget(): void {
    if (this.#asks.length > 0) this.#asks = [];
  }
}

function haveNoneInCommon(some: readonly ConnectionActivity[], others: readonly ConnectionActivity[]): boolean {
  return !some.some((connection) => others.includes(connection));
}

function haveNoAddressInCommon(some: readonly ConnectionActivity[], others: readonly ConnectionActivity[]): boolean {
  const addresses = new Set(some.map(({ sender }) => sender.address));
  return !others.some(({ sender }) => addresses.has(sender.address));
}
