/** The directions in which vectors differ most, and the mean they differ from. */
export interface PrincipalAxes {
  readonly mean: Float64Array;
  /** `kept` orthonormal rows of `dimensions` numbers, most variance first. */
  readonly axes: Float64Array;
  /** The share of the variance that the kept axes hold, 0 to 1. */
  readonly variance: number;
}

/** Principal axes of rows of `dimensions` numbers, by Jacobi's method on their covariance. */
export function principalAxes(rows: Float32Array, dimensions: number, kept: number): PrincipalAxes {
  const count = rows.length / dimensions;
  const mean = new Float64Array(dimensions);
  for (let at = 0; at < rows.length; at++) mean[at % dimensions]! += rows[at]! / count;

  const covariance = new Float64Array(dimensions * dimensions);
  const centred = new Float64Array(dimensions);
  for (let row = 0; row < count; row++) {
    for (let at = 0; at < dimensions; at++) centred[at] = rows[row * dimensions + at]! - mean[at]!;
    for (let left = 0; left < dimensions; left++) {
      const value = centred[left]!;
      const offset = left * dimensions;
      for (let right = left; right < dimensions; right++) covariance[offset + right]! += value * centred[right]!;
    }
  }
  for (let left = 0; left < dimensions; left++) {
    for (let right = 0; right < left; right++) covariance[left * dimensions + right] = covariance[right * dimensions + left]!;
  }

  const vectors = diagonalize(covariance, dimensions);
  const values = Array.from({ length: dimensions }, (_, at) => covariance[at * dimensions + at]!);
  const order = values.map((_, at) => at).sort((a, b) => values[b]! - values[a]!);
  const axes = new Float64Array(kept * dimensions);
  for (let axis = 0; axis < kept; axis++) {
    for (let at = 0; at < dimensions; at++) axes[axis * dimensions + at] = vectors[at * dimensions + order[axis]!]!;
  }
  const total = values.reduce((sum, value) => sum + value, 0);
  return { mean, axes, variance: order.slice(0, kept).reduce((sum, at) => sum + values[at]!, 0) / total };
}

/** Makes a symmetric matrix diagonal in place by plane rotations; returns the eigenvectors as columns. */
function diagonalize(matrix: Float64Array, size: number): Float64Array {
  const vectors = new Float64Array(size * size);
  for (let at = 0; at < size; at++) vectors[at * size + at] = 1;
  const trace = Array.from({ length: size }, (_, at) => matrix[at * size + at]!).reduce((a, b) => a + b, 0);
  const negligible = (trace / size) * 1e-9;
  for (let sweep = 0; sweep < 30; sweep++) {
    let rotations = 0;
    for (let p = 0; p < size - 1; p++) {
      for (let q = p + 1; q < size; q++) {
        const off = matrix[p * size + q]!;
        if (Math.abs(off) < negligible) continue;
        rotations++;
        const theta = (matrix[q * size + q]! - matrix[p * size + p]!) / (2 * off);
        const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const cosine = 1 / Math.sqrt(tangent * tangent + 1);
        const sine = tangent * cosine;
        for (let at = 0; at < size; at++) {
          const ap = matrix[at * size + p]!;
          const aq = matrix[at * size + q]!;
          matrix[at * size + p] = cosine * ap - sine * aq;
          matrix[at * size + q] = sine * ap + cosine * aq;
        }
        for (let at = 0; at < size; at++) {
          const pa = matrix[p * size + at]!;
          const qa = matrix[q * size + at]!;
          matrix[p * size + at] = cosine * pa - sine * qa;
          matrix[q * size + at] = sine * pa + cosine * qa;
          const vp = vectors[at * size + p]!;
          const vq = vectors[at * size + q]!;
          vectors[at * size + p] = cosine * vp - sine * vq;
          vectors[at * size + q] = sine * vp + cosine * vq;
        }
      }
    }
    if (rotations === 0) break;
  }
  return vectors;
}

/** Each row less the mean, along the axes. */
export function project(rows: Float32Array, dimensions: number, { mean, axes }: PrincipalAxes): Float32Array {
  const kept = axes.length / dimensions;
  const count = rows.length / dimensions;
  const projected = new Float32Array(count * kept);
  const centred = new Float64Array(dimensions);
  for (let row = 0; row < count; row++) {
    for (let at = 0; at < dimensions; at++) centred[at] = rows[row * dimensions + at]! - mean[at]!;
    for (let axis = 0; axis < kept; axis++) {
      let sum = 0;
      for (let at = 0; at < dimensions; at++) sum += centred[at]! * axes[axis * dimensions + at]!;
      projected[row * kept + axis] = sum;
    }
  }
  return projected;
}
