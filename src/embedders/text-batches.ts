/** What one request may hold at most. */
export interface RequestLimits {
  /** Texts in one request. */
  readonly texts: number;
  /** Characters (UTF-16 code units) of all its texts together. */
  readonly characters: number;
}

/**
 * Characters in one request, by default. OpenAI takes 300,000 tokens at once; the densest scripts make up to 1.5
 * tokens of a character, English a quarter.
 */
export const maxRequestCharacters = 200_000;

/** Requests of one embedder that may be on their way at once, by default. */
export const maxParallelRequests = 4;

/** Cuts texts into runs that keep within the limits; a text over the limit travels alone. */
export function splitTexts(texts: readonly string[], limits: RequestLimits): string[][] {
  const batches: string[][] = [];
  let batch: string[] = [];
  let characters = 0;
  for (const text of texts) {
    if (batch.length > 0 && (batch.length >= limits.texts || characters + text.length > limits.characters)) {
      batches.push(batch);
      batch = [];
      characters = 0;
    }
    batch.push(text);
    characters += text.length;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

/** Providers refuse an empty text; a space means as little and is accepted. */
export function withoutEmpty(texts: readonly string[]): string[] {
  return texts.map((text) => (text === "" ? " " : text));
}

/**
 * Runs `request` for every batch, at most `parallel` at once, and gives the vectors in the order of the texts. After
 * the first failure no further request is begun.
 */
export async function embedBatches(
  batches: readonly string[][],
  parallel: number,
  request: (batch: string[]) => Promise<Float32Array[]>,
): Promise<Float32Array[]> {
  const results: Float32Array[][] = batches.map(() => []);
  let next = 0;
  let failed = false;
  const work = async (): Promise<void> => {
    while (!failed && next < batches.length) {
      const place = next++;
      try {
        results[place] = await request(batches[place] ?? []);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, batches.length) }, work));
  return results.flat();
}
