/** How many of LoCoMo's evidence turns the vectors alone find. `node evaluate.ts --data locomo.json` */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { staticModel } from "../../src/embedders/builtin/static-model.ts";
import { phraseMessage } from "../../src/embedders/phrasing.ts";

interface Turn {
  readonly speaker: string;
  readonly dia_id: string;
  readonly text: string;
}
interface Sample {
  readonly conversation: Readonly<Record<string, unknown>>;
  readonly qa: readonly { readonly question: string; readonly evidence: readonly string[] }[];
}

const { values: flags } = parseArgs({
  options: {
    data: { type: "string" },
    weights: { type: "string", default: new URL("../../src/embedders/builtin/weights.bin", import.meta.url).pathname },
  },
});
if (flags.data === undefined) throw new Error("--data: give the path of a LoCoMo file");

const samples = JSON.parse(readFileSync(flags.data, "utf8")) as readonly Sample[];
const model = staticModel(readFileSync(flags.weights));
const depths = [1, 5, 10, 20, 50];
const totals = depths.map(() => 0);
let questions = 0;

for (const { conversation, qa } of samples) {
  const turns = Object.entries(conversation)
    .filter(([key]) => /^session_\d+$/.test(key))
    .flatMap(([, session]) => session as readonly Turn[]);
  const ids = new Set(turns.map((turn) => turn.dia_id));
  const vectors = turns.map((turn) => model.embed(phraseMessage({ role: "user", name: turn.speaker, text: turn.text })));
  for (const { question, evidence } of qa) {
    const wanted = new Set(evidence.flatMap((entry) => evidenceIds(entry)).filter((id) => ids.has(id)));
    if (wanted.size === 0) continue;
    questions++;
    const query = model.embed(question);
    const ranked = turns.map((turn, index) => ({ id: turn.dia_id, score: dot(query, vectors[index]!) })).sort((a, b) => b.score - a.score);
    for (const [place, depth] of depths.entries()) {
      totals[place]! += ranked.slice(0, depth).filter(({ id }) => wanted.has(id)).length / wanted.size;
    }
  }
}
const scores = depths.map((depth, place) => `R@${depth} ${((100 * totals[place]!) / questions).toFixed(1)}`);
console.log(`${questions} questions: ${scores.join("  ")}`);

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at]! * b[at]!;
  return sum;
}

/** Some ids in the data are malformed: "D8:6; D9:17", "D30:05", "D:11:26". */
function evidenceIds(entry: string): string[] {
  return [...entry.matchAll(/D:?(\d+):0*(\d+)/g)].map(([, session, turn]) => `D${session}:${turn}`);
}
