/** Equality on top-level metadata fields; an array means "any of these". Values are JSON scalars. */
export type MetadataFilter = Readonly<Record<string, FilterValue | readonly FilterValue[]>>;
export type FilterValue = string | number | boolean | null;
