/** Makes the weights of the built-in embedder. See README.md. */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { wordPieceTokenizer } from "../../src/embedders/builtin/tokenizer.ts";
import { trainingSentences } from "./corpus.ts";
import { fullVocabulary } from "./model-folder.ts";
import { pack } from "./pack.ts";
import { principalAxes, project } from "./principal-axes.ts";
import { seededRandom } from "./random.ts";
import { loadTeacher, teacherDimensions } from "./teacher.ts";
import { train } from "./train.ts";
import { isKept, sameAs, startWeight } from "./vocabulary.ts";

const { values: flags } = parseArgs({
  options: {
    wordnet: { type: "string", default: "/usr/share/wordnet" },
    cache: { type: "string", default: new URL(".cache/sentences", import.meta.url).pathname },
    out: { type: "string", default: new URL("../../src/embedders/builtin/weights.bin", import.meta.url).pathname },
  },
});

const dimensions = 256;
const seed = 1;

const sentences = trainingSentences({ wordnet: flags.wordnet, glosses: 45_000, examples: 48_000, everyday: 30_000, seed });
console.error(`${sentences.length} sentences`);
const teacher = await loadTeacher();
const teacherTokens = await teacher.tokenVectors();
const teacherSentences = await teacher.sentenceVectors(sentences, flags.cache);

const axes = principalAxes(teacherSentences, teacherDimensions, dimensions);
console.error(`${dimensions} axes keep ${(axes.variance * 100).toFixed(1)} % of the variance`);
const targets = normalized(project(teacherSentences, teacherDimensions, axes));
const rows = startRows();

const tokenizer = wordPieceTokenizer(fullVocabulary);
const buffer = new Int32Array(128);
train(
  rows,
  sentences.map((sentence) => buffer.slice(0, tokenizer.encode(sentence, buffer))),
  targets,
  { dimensions, epochs: 4, learningRate: 0.035, temperature: 0.05, pull: 0.2, random: seededRandom(seed + 1) },
);

const kept = fullVocabulary.flatMap((token, id) => (isKept(token) ? [id] : []));
const keptRows = new Float32Array(kept.length * dimensions);
for (const [place, id] of kept.entries()) {
  const source = sameAs(fullVocabulary[id] as string);
  const from = source === undefined ? id : fullVocabulary.indexOf(source);
  keptRows.set(rows.subarray(from * dimensions, (from + 1) * dimensions), place * dimensions);
}
const file = pack(
  keptRows,
  kept.map((id) => fullVocabulary[id] as string),
  dimensions,
);
writeFileSync(flags.out, file);
console.error(`${kept.length} rows, ${file.length} bytes`);

/** Token vectors along the axes, common words short and rare ones long, of length 1 on average. */
function startRows(): Float32Array {
  const tokenMean = new Float64Array(teacherDimensions);
  for (let at = 0; at < teacherTokens.length; at++) tokenMean[at % teacherDimensions]! += teacherTokens[at]! / fullVocabulary.length;
  const start = project(teacherTokens, teacherDimensions, { ...axes, mean: tokenMean });
  let lengths = 0;
  for (let id = 0; id < fullVocabulary.length; id++) {
    const row = start.subarray(id * dimensions, (id + 1) * dimensions);
    const weight = startWeight(id);
    for (let at = 0; at < dimensions; at++) row[at]! *= weight;
    lengths += Math.hypot(...row);
  }
  const scale = fullVocabulary.length / lengths;
  return start.map((value) => value * scale);
}

function normalized(vectors: Float32Array): Float32Array {
  for (let at = 0; at < vectors.length; at += dimensions) {
    const vector = vectors.subarray(at, at + dimensions);
    const length = Math.hypot(...vector);
    for (let d = 0; d < dimensions; d++) vector[d]! /= length;
  }
  return vectors;
}
