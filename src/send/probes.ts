/**
 * The few parcels that are sent while the upstream is down, to find out when it is back: of different senders, each alone.
 *
 * It is not certain whether the upstream is down for all or only for the data of those that failed. So a sender that
 * has no probe yet may take the place of a probe that was tried: immediately if AMP has taken its data more recently
 * than the other's, else a few times a second. Time is of the monotonic clock, in ms.
 */
import type { Parcel } from '../parcel/parcel.ts';

/** The most parcels that may wait for the upstream while it is down. */
export const PROBES = 4;
/** The interval between replacements of a probe, unless its sender is a likelier cause of the failure. */
const CHANGE_EVERY_MS = 100;
/** A probe that has had no answer for this long counts as tried. */
const UNANSWERED_MS = 1_000;

interface Probe {
  readonly sinceMs: number;
  tried: boolean;
}

export class Probes {
  readonly #probes = new Map<Parcel, Probe>();
  #changedAtMs = -Infinity;

  /** Begins with parcels that were tried already, of different addresses first, then of different connections. */
  begin(candidates: readonly Parcel[], nowMs: number): void {
    this.#probes.clear();
    for (const isOther of [this.#hasNoneOfAddress, this.#hasNoneOfConnection]) {
      for (const parcel of candidates) {
        if (this.#probes.size < PROBES && isOther(parcel)) this.#probes.set(parcel, { sinceMs: nowMs, tried: true });
      }
    }
  }

  has(parcel: Parcel): boolean {
    return this.#probes.has(parcel);
  }

  /** Decides whether the parcel becomes a probe, and which parcel it replaces; the replaced one must be refused. */
  tryAdmit(parcel: Parcel, nowMs: number): { readonly admitted: boolean; readonly displaced?: Parcel } {
    const probe = { sinceMs: nowMs, tried: false };
    const isOther = this.#hasNoneOfConnection(parcel);
    if (isOther && this.#probes.size < PROBES) {
      this.#probes.set(parcel, probe);
      return { admitted: true };
    }
    const displaced = isOther ? this.#leastPromising(nowMs) : undefined;
    if (displaced === undefined) return { admitted: false };
    const isLikelier = parcel.connection.deliveredAtMs > displaced.connection.deliveredAtMs;
    if (!isLikelier && nowMs - this.#changedAtMs < CHANGE_EVERY_MS) return { admitted: false };
    this.#changedAtMs = nowMs;
    this.#probes.delete(displaced);
    this.#probes.set(parcel, probe);
    return { admitted: true, displaced };
  }

  /** Called when an attempt with this parcel has failed. */
  failed(parcel: Parcel): void {
    const probe = this.#probes.get(parcel);
    if (probe !== undefined) probe.tried = true;
  }

  settled(parcel: Parcel): void {
    this.#probes.delete(parcel);
  }

  end(): void {
    this.#probes.clear();
  }

  /** Returns the tried probe whose connection has not delivered anything for the longest time. */
  #leastPromising(nowMs: number): Parcel | undefined {
    let least: Parcel | undefined;
    for (const [parcel, { tried, sinceMs }] of this.#probes) {
      if (!tried && nowMs - sinceMs < UNANSWERED_MS) continue;
      if (least === undefined || parcel.connection.deliveredAtMs < least.connection.deliveredAtMs) least = parcel;
    }
    return least;
  }

  readonly #hasNoneOfAddress = ({ sender }: Parcel): boolean =>
    ![...this.#probes.keys()].some((probe) => probe.sender === sender);

  readonly #hasNoneOfConnection = ({ connection }: Parcel): boolean =>
    ![...this.#probes.keys()].some((probe) => probe.connection === connection);
}
