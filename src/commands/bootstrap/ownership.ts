/**
 * The tag that marks a resource as ours. Its value is the alias of the workspace that it was made for, so that two
 * installations in one account never mistake each other's roles for their own.
 */

export const OWNER_TAG = 'amp-write-proxy:bootstrap';

export type Tags = Readonly<Record<string, string>>;

export type Ownership =
  | { readonly kind: 'ours' }
  /** Made by hand or by another tool. */
  | { readonly kind: 'foreign' }
  /** Made by this command for another workspace. */
  | { readonly kind: 'sibling'; readonly alias: string };

export function ownershipOf(tags: Tags | undefined, alias: string): Ownership {
  const owner = tags?.[OWNER_TAG];
  if (owner === undefined) return { kind: 'foreign' };
  return owner === alias ? { kind: 'ours' } : { kind: 'sibling', alias: owner };
}

export function ownerTags(alias: string, extra: Tags): Tags {
  return { ...extra, [OWNER_TAG]: alias };
}

/** IAM writes tags as a list. */
export function toTagList(tags: Tags): { Key: string; Value: string }[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

export function fromTagList(
  list: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined,
): Tags {
  return Object.fromEntries((list ?? []).map(({ Key, Value }) => [Key ?? '', Value ?? '']));
}

/** Returns the wanted tags that a resource lacks or has with another value. Tags of others are left alone. */
export function missingTags(wanted: Tags, actual: Tags | undefined): Tags {
  return Object.fromEntries(Object.entries(wanted).filter(([key, value]) => actual?.[key] !== value));
}

export function tagDiff(missing: Tags, actual: Tags | undefined): string[] {
  return Object.entries(missing).flatMap(([key, value]) => {
    const before = actual?.[key];
    return [...(before === undefined ? [] : [`- tag ${key} = ${before}`]), `+ tag ${key} = ${value}`];
  });
}
