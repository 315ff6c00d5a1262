/**
 * The vector at length 1, as numbers to be written as JSON. Nine decimals are below what a float32 tells apart at this
 * length, and half the text.
 */
export function unitVector(vector: Float32Array): number[] {
  // Scaled by the largest value first: squares of tiny or huge floats would vanish or overflow in a backend's float32.
  let largest = 0;
  for (const value of vector) largest = Math.max(largest, Math.abs(value));
  let sum = 0;
  for (const value of vector) sum += (value / largest) ** 2;
  const length = largest * Math.sqrt(sum);
  return Array.from(vector, (value) => Math.round((value / length) * 1e9) / 1e9);
}
