/** Equality on top-level metadata fields; an array means "any of these". Values are JSON scalars. */
export type MetadataFilter = Readonly<Record<string, FilterValue | readonly FilterValue[]>>;
/** What a field is compared with. */
export type FilterValue = string | number | boolean | null;

/**
 * What a filter means, for every backend: each field must be there and equal one of the values, type and all. `null`
 * matches a field that is there and null. An empty array of values matches nothing.
 */
export function matchesFilter(metadata: Readonly<Record<string, unknown>>, filter: MetadataFilter | undefined): boolean {
  return Object.entries(filter ?? {}).every(([field, wanted]) => {
    if (!Object.hasOwn(metadata, field)) return false;
    const values: readonly unknown[] = Array.isArray(wanted) ? wanted : [wanted];
    return values.includes(metadata[field]);
  });
}
