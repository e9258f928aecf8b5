/**
 * The parcels that have no outcome yet, in the order in which they came: a list through the parcels themselves.
 *
 * A Set would do the same and took 8% of all the CPU at 100 samples a request: it hashes what it holds, and makes its
 * table anew as it fills and empties with every batch (bench/throughput/main.ts).
 */
import type { Parcel } from '../parcel/parcel.ts';

export class OpenParcels {
  #oldest: Parcel | undefined;
  #newest: Parcel | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** As the newest. A parcel is in one such list at most, and once. */
  add(parcel: Parcel): void {
    parcel.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = parcel;
    else this.#newest.newer = parcel;
    this.#newest = parcel;
    this.#size += 1;
  }

  /** Takes out a parcel that is in it. */
  remove(parcel: Parcel): void {
    const { older, newer } = parcel;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    // So that a parcel that lives on keeps no other alive.
    parcel.older = undefined;
    parcel.newer = undefined;
    this.#size -= 1;
  }

  /** Those that `isMeant` holds for, the oldest first, in an array that later changes leave as it is. */
  filter(isMeant: (parcel: Parcel) => boolean): Parcel[] {
    const meant: Parcel[] = [];
    for (let parcel = this.#oldest; parcel !== undefined; parcel = parcel.newer) {
      if (isMeant(parcel)) meant.push(parcel);
    }
    return meant;
  }
}
