/**
 * Says with which other parcels a parcel may share a batch.
 *
 *     shared       with all parcels whose key has the same id
 *     unmergeable  with none: to repeat it would do harm, or a field whose meaning is unknown may hold for the whole request
 *     unproven     with none, until its connection has delivered something: another one of its address is isolated
 *     isolated     with none: the requests of its connection keep failing
 *
 * A connection carries one request at a time, so a parcel that is joined with no other sender's is alone.
 */
export interface MergeKey {
  readonly kind: 'shared' | 'unmergeable' | 'unproven' | 'isolated';
  /** Equal for parcels that may share a batch. */
  readonly id: string;
}

const SHARED_BY_MOST: MergeKey = { kind: 'shared', id: '' };

/** @param dedupKey by which AMP deduplicates the request; '' when it does not */
export function sharedKey(dedupKey: string): MergeKey {
  return dedupKey === '' ? SHARED_BY_MOST : { kind: 'shared', id: dedupKey };
}

let made = 0;

/** A key that no other parcel has. */
export function uniqueKey(kind: 'unmergeable' | 'unproven' | 'isolated'): MergeKey {
  made += 1;
  return { kind, id: `${kind} ${made}` };
}
