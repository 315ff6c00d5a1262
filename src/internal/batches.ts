/** Splits a list into parts of at most `count` items and, by the size given for each, at most `size` together. */
export function* batchesOf<Item>(
  items: Iterable<Item>,
  most: { readonly count: number; readonly size?: number },
  sizeOf: (item: Item) => number = () => 0,
): Generator<Item[]> {
  let batch: Item[] = [];
  let size = 0;
  for (const item of items) {
    const itemSize = sizeOf(item);
    if (batch.length > 0 && (batch.length >= most.count || size + itemSize > (most.size ?? Number.POSITIVE_INFINITY))) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(item);
    size += itemSize;
  }
  if (batch.length > 0) yield batch;
}
