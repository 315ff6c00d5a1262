/**
 * The file that holds the word vectors. Little-endian, in this order:
 *
 * | part | size |
 * |---|---|
 * | `"ufe1"`, the format | 4 bytes |
 * | number of rows, dimensions, bytes of vocabulary | 3 × uint32 |
 * | the 16 levels a stored number can have, -127 to 127 | 16 × int8 |
 * | one scale per row | rows × float32 |
 * | the vectors, two numbers to a byte, the lower half first | rows × dimensions / 2 bytes |
 * | the vocabulary in the order of the rows, UTF-8, parted by newlines | as said above |
 *
 * A number of a vector is `scale[row] × level`.
 */
export interface WordVectors {
  readonly dimensions: number;
  /** The tokens, in the order of the rows. */
  readonly vocabulary: readonly string[];
  /** Writes a row's levels into `target`, beginning at `offset`, and returns the scale to multiply them by. */
  readRow(row: number, target: Int8Array, offset: number): number;
}

const magic = "ufe1";
const levelTableAt = 4 + 3 * 4;
const headerBytes = levelTableAt + 16;

/** Reads the file's bytes. @throws TypeError when they are something else */
export function readWordVectors(bytes: Uint8Array): WordVectors {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headerBytes || new TextDecoder().decode(bytes.subarray(0, 4)) !== magic) {
    throw new TypeError("the weights file is damaged: reinstall the package");
  }
  const rows = view.getUint32(4, true);
  const dimensions = view.getUint32(8, true);
  const vocabularyBytes = view.getUint32(12, true);
  const scalesAt = headerBytes;
  const levelsAt = scalesAt + rows * 4;
  const vocabularyAt = levelsAt + (rows * dimensions) / 2;
  if (bytes.length !== vocabularyAt + vocabularyBytes) {
    throw new TypeError("the weights file is cut short: reinstall the package");
  }

  const levels = new Int8Array(bytes.buffer, bytes.byteOffset + levelTableAt, 16);
  const rowBytes = dimensions / 2;
  return {
    dimensions,
    vocabulary: new TextDecoder().decode(bytes.subarray(vocabularyAt)).split("\n"),
    readRow(row, target, offset) {
      const from = levelsAt + row * rowBytes;
      for (let at = 0; at < rowBytes; at++) {
        const byte = bytes[from + at] ?? 0;
        target[offset + 2 * at] = levels[byte & 15] ?? 0;
        target[offset + 2 * at + 1] = levels[byte >> 4] ?? 0;
      }
      return view.getFloat32(scalesAt + row * 4, true);
    },
  };
}

/** The reverse of {@link readWordVectors}; `table` holds the 16 levels, and `codes` which of them each number has. */
export function writeWordVectors(vectors: {
  readonly dimensions: number;
  readonly vocabulary: readonly string[];
  readonly scales: Float32Array;
  readonly table: Int8Array;
  readonly codes: Uint8Array;
}): Uint8Array {
  const { dimensions, vocabulary, scales, table, codes } = vectors;
  const words = new TextEncoder().encode(vocabulary.join("\n"));
  const levelsAt = headerBytes + scales.length * 4;
  const bytes = new Uint8Array(levelsAt + codes.length / 2 + words.length);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(magic));
  view.setUint32(4, vocabulary.length, true);
  view.setUint32(8, dimensions, true);
  view.setUint32(12, words.length, true);
  bytes.set(new Uint8Array(table.buffer, table.byteOffset, 16), levelTableAt);
  for (const [row, scale] of scales.entries()) view.setFloat32(headerBytes + row * 4, scale, true);
  for (let index = 0; index < codes.length; index += 2) {
    bytes[levelsAt + index / 2] = (codes[index] ?? 0) | ((codes[index + 1] ?? 0) << 4);
  }
  bytes.set(words, bytes.length - words.length);
  return bytes;
}
