/**
 * Says which other parcels a parcel may share a batch with.
 *
 *     shared       with all parcels whose key has the same id
 *     unmergeable  with none: repeating it would do harm, or a field of unknown meaning may apply to the whole request
 *     unproven     with none until its connection has delivered something: another connection of its address is isolated
 *     isolated     with none: the requests of its connection keep failing
 *
 * A connection carries one request at a time, so a parcel that shares no batch with another sender's is alone.
 */
export interface MergeKey {
  readonly kind: 'shared' | 'unmergeable' | 'unproven' | 'isolated';
  /** Equal for parcels that may share a batch. */
  readonly id: string;
}

const SHARED_BY_MOST: MergeKey = { kind: 'shared', id: '' };

/** @param dedupKey the labels by which AMP deduplicates the request; '' when it does not */
export function sharedKey(dedupKey: string): MergeKey {
  return dedupKey === '' ? SHARED_BY_MOST : { kind: 'shared', id: dedupKey };
}

let made = 0;

/** Returns a key that no other parcel has. */
export function uniqueKey(kind: 'unmergeable' | 'unproven' | 'isolated'): MergeKey {
  made += 1;
  return { kind, id: `${kind} ${made}` };
}
