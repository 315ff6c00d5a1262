import type { Random } from "./random.ts";

export interface TrainingOptions {
  readonly dimensions: number;
  readonly epochs: number;
  /** Adagrad's step at the start; it falls linearly to 0. */
  readonly learningRate: number;
  /** Softness of the neighbours' distribution: cosines are divided by it. */
  readonly temperature: number;
  /** How far each row is drawn back to where it began after every epoch, 0 to 1. */
  readonly pull: number;
  readonly random: Random;
}

/** The most sentences in a batch. Batches are neighbours, so that telling them apart is what is learned. */
const batchSize = 128;

/** Adagrad's sum of squares before the first step. */
const firstSquares = 1e-3;

/**
 * Moves the token rows, in place, until the normalised sum of a sentence's rows lies where the teacher's vector of
 * the sentence lies. The loss of a sentence is (1 - cosine to the teacher) plus the Kullback-Leibler divergence
 * between the teacher's and our softmax over the cosines to the other sentences of the batch.
 *
 * @param targets normalised teacher vectors, one row per sentence
 */
export function train(
  rows: Float32Array,
  sentences: readonly Int32Array[],
  targets: Float32Array,
  { dimensions, epochs, learningRate, temperature, pull, random }: TrainingOptions,
): void {
  const start = rows.slice();
  const squares = new Float32Array(rows.length).fill(firstSquares);
  let done = 0;
  const total = epochs * sentences.length;

  for (let epoch = 0; epoch < epochs; epoch++) {
    const began = performance.now();
    let fit = 0;
    for (const batch of random.shuffle(neighbourhoods(targets, dimensions, random))) {
      const step = learningRate * (1 - done / total);
      fit += learnBatch(batch, step);
      done += batch.length;
    }
    for (let at = 0; at < rows.length; at++) rows[at] = rows[at]! + pull * (start[at]! - rows[at]!);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.error(`epoch ${epoch + 1}: mean cosine to the teacher ${(fit / sentences.length).toFixed(4)}, ${seconds} s`);
  }

  /** One step on one batch; returns the sum of its cosines to the teacher. */
  function learnBatch(batch: readonly number[], step: number): number {
    const size = batch.length;
    const ours = new Float64Array(size * dimensions);
    const theirs = new Float64Array(size * dimensions);
    const lengths = new Float64Array(size);
    for (const [place, sentence] of batch.entries()) {
      const at = place * dimensions;
      for (const token of sentences[sentence]!) {
        for (let d = 0, row = token * dimensions; d < dimensions; d++) ours[at + d]! += rows[row + d]!;
      }
      let square = 0;
      for (let d = 0; d < dimensions; d++) square += ours[at + d]! ** 2;
      lengths[place] = Math.max(Math.sqrt(square), 1e-6);
      for (let d = 0; d < dimensions; d++) {
        ours[at + d]! /= lengths[place]!;
        theirs[at + d] = targets[sentence * dimensions + d]!;
      }
    }

    const drive = neighbourGradient(ours, theirs, size, dimensions, temperature);
    const gradients = new Map<number, Float64Array>();
    let fit = 0;
    for (const [place, sentence] of batch.entries()) {
      const at = place * dimensions;
      let along = 0;
      for (let d = 0; d < dimensions; d++) {
        drive[at + d]! -= theirs[at + d]!;
        along += drive[at + d]! * ours[at + d]!;
        fit += ours[at + d]! * theirs[at + d]!;
      }
      const tokens = sentences[sentence]!;
      // Through the normalisation; long sentences would otherwise move each of their rows as far as short ones do.
      const scale = 1 / (lengths[place]! * Math.sqrt(tokens.length));
      for (let d = 0; d < dimensions; d++) drive[at + d] = (drive[at + d]! - along * ours[at + d]!) * scale;
      for (const token of tokens) {
        const gradient = gradients.get(token) ?? new Float64Array(dimensions);
        gradients.set(token, gradient);
        for (let d = 0; d < dimensions; d++) gradient[d]! += drive[at + d]!;
      }
    }
    for (const [token, gradient] of gradients) {
      for (let d = 0, at = token * dimensions; d < dimensions; d++, at++) {
        const slope = gradient[d]!;
        squares[at] = squares[at]! + slope * slope;
        rows[at] = rows[at]! - (step * slope) / Math.sqrt(squares[at]!);
      }
    }
    return fit;
  }
}

/** How the divergence between the two distributions over neighbours changes with each of our vectors. */
function neighbourGradient(ours: Float64Array, theirs: Float64Array, size: number, dimensions: number, temperature: number): Float64Array {
  const slopes = softmaxOfCosines(ours, size, dimensions, temperature);
  const wanted = softmaxOfCosines(theirs, size, dimensions, temperature);
  for (let at = 0; at < slopes.length; at++) slopes[at] = (slopes[at]! - wanted[at]!) / temperature;
  const gradient = new Float64Array(size * dimensions);
  for (let left = 0; left < size; left++) {
    for (let right = 0; right < size; right++) {
      const slope = slopes[left * size + right]! + slopes[right * size + left]!;
      for (let d = 0, to = left * dimensions, from = right * dimensions; d < dimensions; d++) {
        gradient[to + d]! += slope * ours[from + d]!;
      }
    }
  }
  return gradient;
}

/** Row by row over the other sentences; a sentence's cosine to itself says nothing and counts as 0 probability. */
function softmaxOfCosines(vectors: Float64Array, size: number, dimensions: number, temperature: number): Float64Array {
  const shares = new Float64Array(size * size);
  for (let left = 0; left < size; left++) {
    for (let right = 0; right < left; right++) {
      let dot = 0;
      for (let d = 0, a = left * dimensions, b = right * dimensions; d < dimensions; d++) dot += vectors[a + d]! * vectors[b + d]!;
      // Cosines are at most 1: subtracting 1 keeps the exponential from overflowing.
      const weight = Math.exp((dot - 1) / temperature);
      shares[left * size + right] = weight;
      shares[right * size + left] = weight;
    }
  }
  for (let row = 0; row < size; row++) {
    let sum = 0;
    for (let at = row * size; at < (row + 1) * size; at++) sum += shares[at]!;
    if (sum > 0) for (let at = row * size; at < (row + 1) * size; at++) shares[at]! /= sum;
  }
  return shares;
}

/** Splits the sentences by random planes, in half each time, until at most {@link batchSize} lie together. */
function neighbourhoods(targets: Float32Array, dimensions: number, random: Random): number[][] {
  const groups: number[][] = [];
  const split = (group: number[]): void => {
    if (group.length <= batchSize) {
      groups.push(group);
      return;
    }
    const normal = Float64Array.from({ length: dimensions }, () => random.next() + random.next() + random.next() - 1.5);
    const sides = group
      .map((sentence) => {
        let side = 0;
        for (let d = 0; d < dimensions; d++) side += targets[sentence * dimensions + d]! * normal[d]!;
        return { sentence, side };
      })
      .sort((a, b) => a.side - b.side);
    const half = Math.ceil(sides.length / 2);
    split(sides.slice(0, half).map(({ sentence }) => sentence));
    split(sides.slice(half).map(({ sentence }) => sentence));
  };
  split(Array.from({ length: targets.length / dimensions }, (_, index) => index));
  return groups;
}
