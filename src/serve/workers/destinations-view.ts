/** The destinations of all workers, those that are gone included: their snapshots as one for each. */
import type { Config } from '../../config/schema.ts';
import { emptySnapshot, lastingOf, merge, type DestinationSnapshot } from '../../metrics/destination-snapshot.ts';
import type { WorkerReport } from './messages.ts';

export class DestinationsView {
  readonly #reports: () => Iterable<WorkerReport>;
  /** The lasting counts of workers that are gone, by index. */
  readonly #gone: DestinationSnapshot[];

  /** @param reports the reports of living workers */
  constructor(entries: Config['remote_write'], reports: () => Iterable<WorkerReport>) {
    this.#reports = reports;
    this.#gone = entries.map(({ name, url }) => emptySnapshot(name, url));
  }

  /** Called when a worker is gone. */
  retire({ destinations }: WorkerReport): void {
    for (const [index, gone] of this.#gone.entries()) {
      const { [index]: last } = destinations;
      if (last !== undefined) this.#gone[index] = merge(gone, lastingOf(last));
    }
  }

  /** In the order of the configuration. */
  snapshots(): readonly DestinationSnapshot[] {
    return this.#merged([...this.#reports()]);
  }

  /** The same, but a worker that waits for credentials leaves the work to those that have them and is no reason to worry. */
  snapshotsOfWorking(): readonly DestinationSnapshot[] {
    const reports = [...this.#reports()];
    if (!reports.some(({ listening }) => listening)) return this.#merged(reports);
    return this.#merged(reports.map((report) => (report.listening ? report : excused(report))));
  }

  #merged(reports: readonly WorkerReport[]): readonly DestinationSnapshot[] {
    return this.#gone.map((gone, index) =>
      [...reports.flatMap(({ destinations: { [index]: one } }) => one ?? []), gone].reduce(merge),
    );
  }
}

function excused(report: WorkerReport): WorkerReport {
  const destinations = report.destinations.map((one) => ({
    ...one,
    credentials: { ...one.credentials, valid: true },
  }));
  return { ...report, destinations };
}
