/**
 * The senders of all workers, by address, as the status page reads them. A worker counts an address from the first of
 * its connections and forgets it with the last; here its counts rise for as long as any worker has a connection of it.
 */
import type { SenderSource } from '../../admin/status-page/sender-source.ts';
import type { SenderReport, WorkerReport } from './messages.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Known {
  readonly source: Mutable<SenderSource>;
  /** The last report of each worker on it, by slot. */
  readonly told: Map<number, SenderReport>;
}

export class SendersView {
  readonly #known = new Map<string, Known>();

  /** Takes the last report of each worker that lives, by slot. @returns every address that has a connection */
  read(reports: ReadonlyMap<number, WorkerReport>, monotonicMs: number): Iterable<SenderSource> {
    const present = new Map<string, Map<number, SenderReport>>();
    for (const [slot, { senders }] of reports) {
      for (const sender of senders) {
        const of = present.get(sender.address) ?? new Map<number, SenderReport>();
        present.set(sender.address, of.set(slot, sender));
      }
    }
    for (const address of this.#known.keys()) if (!present.has(address)) this.#known.delete(address);
    for (const [address, told] of present) this.#update(address, told, monotonicMs);
    return [...this.#known.values()].map(({ source }) => source);
  }

  #update(address: string, told: ReadonlyMap<number, SenderReport>, monotonicMs: number): void {
    const known = this.#known.get(address) ?? { source: { ...NEW, address }, told: new Map<number, SenderReport>() };
    this.#known.set(address, known);
    const { source } = known;
    source.connections = 0;
    for (const [slot, report] of told) {
      const before = known.told.get(slot);
      const hasMoved = report.requests !== before?.requests;
      source.connections += report.connections;
      source.requests += added(report.requests, before?.requests);
      source.samples += added(report.samples, before?.samples);
      source.isolatedAtMs = Math.max(source.isolatedAtMs, monotonicMs - (report.isolatedAgoMs ?? Infinity));
      if (hasMoved || told.size === 1) {
        source.lastStatus = report.lastStatus;
        source.lastRefusal = report.lastRefusal;
      }
    }
    known.told.clear();
    for (const [slot, report] of told) known.told.set(slot, report);
  }
}

/** A smaller value means that the worker's count began again. */
function added(now: number, before = 0): number {
  return now >= before ? now - before : now;
}

const NEW: Omit<SenderSource, 'address'> = {
  connections: 0,
  requests: 0,
  samples: 0,
  lastStatus: 0,
  lastRefusal: '',
  isolatedAtMs: -Infinity,
};
