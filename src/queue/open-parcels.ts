/**
 * The parcels that have no outcome yet, in the order in which they came: a list through the parcels themselves.
 *
 * A Set would do the same but took 8% of all CPU at 100 samples a request: it hashes its members, and rebuilds its
 * table as it fills and empties with every batch (bench/throughput/main.ts).
 */
import type { Parcel } from '../parcel/parcel.ts';

export class OpenParcels {
  #oldest: Parcel | undefined;
  #newest: Parcel | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds a parcel as the newest. A parcel is in at most one such list, and once. */
  add(parcel: Parcel): void {
    parcel.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = parcel;
    else this.#newest.newer = parcel;
    this.#newest = parcel;
    this.#size += 1;
  }

  /** Removes a parcel from the list. */
  remove(parcel: Parcel): void {
    const { older, newer } = parcel;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    // Cleared so that a parcel that lives on keeps no other alive.
    parcel.older = undefined;
    parcel.newer = undefined;
    this.#size -= 1;
  }

  /**
   * Returns the parcels for which `isMeant` is true, the oldest first, in an array that later changes do not affect.
   */
  filter(isMeant: (parcel: Parcel) => boolean): Parcel[] {
    const meant: Parcel[] = [];
    for (let parcel = this.#oldest; parcel !== undefined; parcel = parcel.newer) {
      if (isMeant(parcel)) meant.push(parcel);
    }
    return meant;
  }
}
