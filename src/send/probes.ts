/**
 * The few parcels that are sent while the upstream is down, to find out when it is back: of different senders, each alone.
 *
 * Whether it is down for all or only for the data of those that failed is not known for sure. So a sender that has no
 * probe yet may take the place of a probe that was tried: at once when AMP has taken its data more recently than the
 * other's, else a few times a second. Time is of the monotonic clock, in ms.
 */
import type { Parcel } from '../parcel/parcel.ts';

/** Parcels that may wait for the upstream while it is down. */
export const PROBES = 4;
/** Between two probes that give their place away, unless their sender is a likelier culprit. */
const CHANGE_EVERY_MS = 100;
/** A probe without an answer for so long was tried. */
const UNANSWERED_MS = 1_000;

interface Probe {
  readonly sinceMs: number;
  tried: boolean;
}

export class Probes {
  readonly #probes = new Map<Parcel, Probe>();
  #changedAtMs = -Infinity;

  /** Begins with parcels that were tried already: of different addresses first, then of different connections. */
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

  /** Whether the parcel becomes a probe, and the one whose place it takes, which has to be refused. */
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

  /** An attempt with this parcel has failed. */
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

  /** Of those that were tried, the one whose connection AMP has taken nothing of for the longest. */
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
