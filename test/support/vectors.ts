/** Ids of the rows nearest to a query by cosine, by brute force. */
export function nearest(rows: readonly { id: string; vector: Float32Array }[], query: Float32Array, limit: number): string[] {
  const length = (vector: Float32Array) => Math.hypot(...vector);
  return rows
    .map(({ id, vector }) => ({
      id,
      similarity: vector.reduce((sum, value, index) => sum + value * (query[index] ?? 0), 0) / length(vector) / length(query),
    }))
    .sort((left, right) => right.similarity - left.similarity)
    .slice(0, limit)
    .map((row) => row.id);
}

/** A small seeded generator: the same vectors in every run. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}
