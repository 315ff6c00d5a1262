import { writeWordVectors } from "../../src/embedders/builtin/weights-file.ts";

/**
 * The 16 best levels for normally distributed numbers (Lloyd and Max), as shares of the row's standard deviation.
 * The rows are close enough to normal, and these levels err less than 16 evenly spaced ones.
 * Source: J. Max, "Quantizing for minimum distortion", 1960, table I, N = 16.
 */
const normalLevels = [0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733];
const levels = [...normalLevels.map((level) => -level).reverse(), ...normalLevels];

/** One whole-number unit of a stored level, in standard deviations: the largest level becomes 127. */
const unit = 2.733 / 127;

/** Puts rows of numbers into the file that the embedder reads, four bits a number and one scale per row. */
export function pack(rows: Float32Array, vocabulary: readonly string[], dimensions: number): Uint8Array {
  const table = Int8Array.from(levels, (level) => Math.round(level / unit));
  const scales = new Float32Array(vocabulary.length);
  const codes = new Uint8Array(rows.length);
  for (let row = 0; row < vocabulary.length; row++) {
    const values = rows.subarray(row * dimensions, (row + 1) * dimensions);
    let scale = (Math.hypot(...values) / Math.sqrt(dimensions)) * unit;
    // Two rounds of "nearest levels for this scale, best scale for these levels".
    for (let round = 0; round < 3; round++) {
      let product = 0;
      let square = 0;
      for (const [column, value] of values.entries()) {
        const code = nearest(table, scale > 0 ? value / scale : 0);
        codes[row * dimensions + column] = code;
        product += value * table[code]!;
        square += table[code]! ** 2;
      }
      scale = product / square;
    }
    scales[row] = scale;
  }
  return writeWordVectors({ dimensions, vocabulary, scales, table, codes });
}

function nearest(table: Int8Array, value: number): number {
  let code = 0;
  while (code < 15 && Math.abs(table[code + 1]! - value) <= Math.abs(table[code]! - value)) code++;
  return code;
}
