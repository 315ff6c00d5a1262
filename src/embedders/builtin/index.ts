import { readFile } from "node:fs/promises";
import type { Embedder } from "../../domain/embedder.ts";
import { EmbeddingError } from "../../domain/errors.ts";
import { type StaticModel, staticModel } from "./static-model.ts";

/** The name of the embedding space. It changes whenever a new weights file gives other vectors. */
export const builtinModel = "unforget/static-en-1";

/** Length of the built-in vectors. */
export const builtinDimensions = 256;

/** Texts between two looks at the event loop: about 10 ms of work. */
const textsPerTurn = 256;

/**
 * English text as the sum of word vectors distilled from all-MiniLM-L6-v2: 256 numbers, in plain JavaScript, with no
 * download, no native code and no key. The weights (about 4 MB) are read on the first call.
 *
 * Built for recall, where the words themselves are searched beside it. It knows no order of words and no scripts but
 * Latin: Chinese, Russian or Arabic text gets a zero vector and is then found by its words alone. Of one text, the
 * first 512 tokens are read. Vectors are normalised and the same on every machine.
 *
 * @example
 * const embedder = builtinEmbedder();
 * const [vector] = await embedder.embed(["Anna has a dog"]);
 */
export function builtinEmbedder(): Embedder {
  return {
    model: builtinModel,
    dimensions: builtinDimensions,
    maxBatchSize: 1_024,
    async embed(texts, options) {
      const model = await loadModel();
      const vectors: Float32Array[] = [];
      for (const [index, text] of texts.entries()) {
        // Long imports must not hold up the server that runs them.
        if (index > 0 && index % textsPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
        options?.signal?.throwIfAborted();
        vectors.push(model.embed(text));
      }
      return vectors;
    },
  };
}

/** One copy for the whole process, however many memories are open. */
let loading: Promise<StaticModel> | undefined;

function loadModel(): Promise<StaticModel> {
  loading ??= readFile(new URL("./weights.bin", import.meta.url))
    .then(staticModel)
    .catch((cause: unknown) => {
      loading = undefined;
      throw new EmbeddingError(builtinModel, "the weights file could not be read: reinstall the package", { cause });
    });
  return loading;
}
