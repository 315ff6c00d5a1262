import { quantile } from "./statistics.ts";

export const median = (values: readonly number[]) => quantile(values, 0.5);

/** How long `work` takes, in milliseconds. */
export async function time(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

export interface Comparison {
  readonly reference: number;
  readonly ours: number;
  /** Ours to the reference in the same round; the median of the rounds. */
  readonly ratio: number;
}

/** Medians over rounds of one number a side, both sides in turn. */
export async function compareRounds(rounds: number, reference: () => Promise<number>, ours: () => Promise<number>): Promise<Comparison> {
  const pairs: { readonly reference: number; readonly ours: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) pairs.push({ reference: await reference(), ours: await ours() });
    else {
      const first = await ours();
      pairs.push({ reference: await reference(), ours: first });
    }
  }
  return {
    reference: median(pairs.map((pair) => pair.reference)),
    ours: median(pairs.map((pair) => pair.ours)),
    ratio: median(pairs.map((pair) => pair.ours / pair.reference)),
  };
}

/** Single calls of both sides in turn; medians of the rounds' medians. The first round warms up and does not count. */
export async function compareCalls(
  rounds: number,
  calls: number,
  reference: (call: number) => Promise<unknown>,
  ours: (call: number) => Promise<unknown>,
): Promise<Comparison & { readonly p95: number }> {
  const medians: { readonly reference: number; readonly ours: number }[] = [];
  const all: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const times = { reference: [] as number[], ours: [] as number[] };
    for (let index = 0; index < calls; index++) {
      const call = round * calls + index;
      const first = index % 2 === 0;
      if (first) times.reference.push(await time(() => reference(call)));
      times.ours.push(await time(() => ours(call)));
      if (!first) times.reference.push(await time(() => reference(call)));
    }
    if (round === 0) continue;
    medians.push({ reference: median(times.reference), ours: median(times.ours) });
    all.push(...times.ours);
  }
  return {
    reference: median(medians.map((pair) => pair.reference)),
    ours: median(medians.map((pair) => pair.ours)),
    ratio: median(medians.map((pair) => pair.ours / pair.reference)),
    p95: quantile(all, 0.95),
  };
}
