import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as ort from "onnxruntime-node";
import { wordPieceTokenizer } from "../../src/embedders/builtin/tokenizer.ts";
import { fullVocabulary, modelFolder } from "./model-folder.ts";

/** Length of the teacher's vectors. */
export const teacherDimensions = 384;

/** all-MiniLM-L6-v2, 4-bit weights, on one thread so that every run adds up in the same order. */
export interface Teacher {
  /** The mean of the model's outputs for `[CLS] token [SEP]`, not normalised; one vector of 384 per token. */
  tokenVectors(): Promise<Float32Array>;
  /** Normalised sentence vectors, one after another, of at most 96 tokens each. `cache` is a path without an ending. */
  sentenceVectors(sentences: readonly string[], cache: string): Promise<Float32Array>;
}

/** Tokens per sentence that the teacher reads, [CLS] and [SEP] included. */
const teacherTokens = 96;
const batchSize = 32;

export async function loadTeacher(): Promise<Teacher> {
  const session = await ort.InferenceSession.create(join(modelFolder, "onnx/model_q4.onnx"), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: "sequential",
  });
  const tokenizer = wordPieceTokenizer(fullVocabulary);
  const cls = fullVocabulary.indexOf("[CLS]");
  const sep = fullVocabulary.indexOf("[SEP]");
  const buffer = new Int32Array(teacherTokens - 2);

  /** Mean over a batch of token lists, padded to the longest. */
  const run = async (batch: readonly (readonly number[])[]): Promise<Float32Array> => {
    const width = Math.max(...batch.map((ids) => ids.length));
    const ids = new BigInt64Array(batch.length * width);
    const mask = new BigInt64Array(batch.length * width);
    for (const [row, tokens] of batch.entries()) {
      for (const [column, token] of tokens.entries()) {
        ids[row * width + column] = BigInt(token);
        mask[row * width + column] = 1n;
      }
    }
    const shape = [batch.length, width];
    const output = await session.run({
      input_ids: new ort.Tensor("int64", ids, shape),
      attention_mask: new ort.Tensor("int64", mask, shape),
      token_type_ids: new ort.Tensor("int64", new BigInt64Array(ids.length), shape),
    });
    const states = output.last_hidden_state?.data as Float32Array;
    const means = new Float32Array(batch.length * teacherDimensions);
    for (const [row, tokens] of batch.entries()) {
      for (let column = 0; column < tokens.length; column++) {
        for (let at = 0; at < teacherDimensions; at++) {
          means[row * teacherDimensions + at] =
            (means[row * teacherDimensions + at] ?? 0) + (states[(row * width + column) * teacherDimensions + at] ?? 0) / tokens.length;
        }
      }
    }
    return means;
  };

  return {
    async tokenVectors() {
      const vectors = new Float32Array(fullVocabulary.length * teacherDimensions);
      for (let start = 0; start < fullVocabulary.length; start += batchSize) {
        const end = Math.min(start + batchSize, fullVocabulary.length);
        const batch = Array.from({ length: end - start }, (_, index) => [cls, start + index, sep]);
        vectors.set(await run(batch), start * teacherDimensions);
      }
      return vectors;
    },

    async sentenceVectors(sentences, cache) {
      mkdirSync(dirname(cache), { recursive: true });
      const known = readCache(cache);
      // Sentences of like length share a batch, so that little is spent on padding.
      const owed = sentences
        .filter((sentence) => !known.has(sentence))
        .map((sentence) => ({ sentence, ids: [cls, ...buffer.subarray(0, tokenizer.encode(sentence, buffer)), sep] }))
        .sort((a, b) => a.ids.length - b.ids.length || (a.sentence < b.sentence ? -1 : 1));
      for (let start = 0; start < owed.length; start += batchSize) {
        const batch = owed.slice(start, start + batchSize);
        const vectors = await run(batch.map(({ ids }) => ids));
        for (const [row, { sentence }] of batch.entries()) {
          const vector = vectors.subarray(row * teacherDimensions, (row + 1) * teacherDimensions);
          const length = Math.hypot(...vector);
          known.set(
            sentence,
            vector.map((value) => value / length),
          );
        }
        appendFileSync(`${cache}.jsonl`, batch.map(({ sentence }) => `${JSON.stringify(sentence)}\n`).join(""));
        for (const { sentence } of batch) {
          const vector = known.get(sentence) as Float32Array;
          appendFileSync(`${cache}.f32`, new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));
        }
        if ((start / batchSize) % 200 === 0) console.error(`teacher: ${start} of ${owed.length} sentences`);
      }
      const all = new Float32Array(sentences.length * teacherDimensions);
      for (const [row, sentence] of sentences.entries()) all.set(known.get(sentence) as Float32Array, row * teacherDimensions);
      return all;
    },
  };
}

/** What an earlier run has paid for. */
function readCache(cache: string): Map<string, Float32Array> {
  const known = new Map<string, Float32Array>();
  if (!existsSync(`${cache}.jsonl`)) return known;
  const bytes = readFileSync(`${cache}.f32`);
  const vectors = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  for (const [row, line] of readFileSync(`${cache}.jsonl`, "utf8").trimEnd().split("\n").entries()) {
    known.set(JSON.parse(line) as string, vectors.subarray(row * teacherDimensions, (row + 1) * teacherDimensions));
  }
  return known;
}
