/** One vector in pgvector's binary wire format: int16 length, int16 unused, big-endian float32 each (pgvector `vector_send`). */
export function encodeVector(vector: Float32Array): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * vector.length);
  writeVector(new DataView(bytes.buffer), 0, vector);
  return bytes;
}

/**
 * An array of vectors in PostgreSQL's binary array format (`array_send`), 15 times as fast to load as text.
 * `undefined` becomes NULL.
 */
export function encodeVectorArray(vectors: readonly (Float32Array | undefined)[], vectorTypeId: number): Uint8Array {
  let size = 20;
  for (const vector of vectors) size += 4 + (vector === undefined ? 0 : 4 + 4 * vector.length);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, 1);
  view.setInt32(4, 1);
  view.setUint32(8, vectorTypeId);
  view.setInt32(12, vectors.length);
  view.setInt32(16, 1);
  let offset = 20;
  for (const vector of vectors) {
    if (vector === undefined) {
      view.setInt32(offset, -1);
      offset += 4;
      continue;
    }
    view.setInt32(offset, 4 + 4 * vector.length);
    writeVector(view, offset + 4, vector);
    offset += 8 + 4 * vector.length;
  }
  return bytes;
}

function writeVector(view: DataView, offset: number, vector: Float32Array): void {
  view.setInt16(offset, vector.length);
  view.setInt16(offset + 2, 0);
  for (let index = 0; index < vector.length; index++) view.setFloat32(offset + 4 + 4 * index, vector[index] as number);
}
