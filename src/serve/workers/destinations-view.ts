/** The destinations of all workers, as the status page reads them. */
import type { Config, RemoteWriteConfig } from '../../config/schema.ts';
import type { DestinationSource } from '../../admin/status-page/source.ts';
import { lastingOf, NOTHING, sumOf } from './destination-sum.ts';
import type { DestinationReport, WorkerReport } from './messages.ts';

export class DestinationsView {
  readonly sources: readonly DestinationSource[];
  readonly #reports: () => Iterable<WorkerReport>;
  /** Of workers that are gone, by index. */
  readonly #gone: DestinationReport[];

  /** @param reports of the workers that live */
  constructor(entries: Config['remote_write'], reports: () => Iterable<WorkerReport>) {
    this.#reports = reports;
    this.#gone = entries.map(() => NOTHING);
    this.sources = entries.map((entry, index) => sourceOf(entry, () => this.#sum(index)));
  }

  /** A worker is gone. */
  retire({ destinations }: WorkerReport): void {
    for (const [index, report] of destinations.entries()) {
      this.#gone[index] = sumOf([this.#gone[index] ?? NOTHING, lastingOf(report)]);
    }
  }

  #sum(index: number): DestinationReport {
    const reports = [...this.#reports()];
    // One that waits for credentials leaves the work to those that have them.
    const excused = reports.some(({ listening }) => listening);
    const living = reports.flatMap(({ listening, destinations }) => {
      const { [index]: report } = destinations;
      if (report === undefined) return [];
      return listening || !excused ? report : { ...report, hasCredentials: true };
    });
    return sumOf([...living, this.#gone[index] ?? NOTHING]);
  }
}

/** Everything is added up as it is read: once a second, a few dozen numbers of each worker. */
function sourceOf({ name, url }: RemoteWriteConfig, read: () => DestinationReport): DestinationSource {
  return {
    get metrics() {
      const { counts } = read();
      return {
        ...counts,
        name,
        url,
        rejected: new Map(counts.rejected),
        rejectedByReason: new Map(counts.rejectedByReason),
        refused: new Map(counts.refused),
        responses: new Map(counts.responses),
      };
    },
    credentials: {
      tryCurrent: () => read().hasCredentials || undefined,
      get lastError() {
        return read().credentialsError;
      },
    },
    problems: {
      get failing() {
        return read().failing;
      },
      list: () => [...read().problems],
    },
    get maxShards() {
      return read().maxShards;
    },
    get queueCapacity() {
      return read().queueCapacity;
    },
    shards: () => read().shards,
    shardsBusy: () => read().shardsBusy,
    queuedSamples: () => read().queuedSamples,
    isDown: () => read().isDown,
    sendersIsolated: () => read().sendersIsolated,
    clockSkewMs: () => read().clockSkewMs,
  };
}
