// Facts read out of messages: what is found, and whether it is dated right.
//
//   npm run bench:facts -- [--model gpt-4o-mini [--base-url URL]] [--show] [--json]
//   npm run bench:facts -- --data locomo.json      finds facts instead
//
// Each dialogue of facts-corpus.ts is stored for a user of its own and read. Precision and recall are of the facts, past ones
// too; accuracy is of questions about what was true on a day, and what was known on a day. Every second dialogue is held out:
// --show tells of the others what was wrong. Without --model it is the rules that read; the model's key is OPENAI_API_KEY.
//
// With --data, facts.search is asked the questions of a LoCoMo file, over the file's own observations kept as facts. A question
// counts when one of the facts it finds comes from a turn that holds the answer; those no observation comes from are not asked.
import { parseArgs } from "node:util";
import { createMemory, type Fact, type LanguageModelLike, type ScopedMemory } from "../src/index.ts";
import { type FactDialogue, type FactQuestion, factDialogues, isHeldOut } from "./facts-corpus.ts";
import { findFacts } from "./facts-found.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    "base-url": { type: "string" },
    show: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    data: { type: "string" },
  },
});

function share(part: number, whole: number): string {
  return whole === 0 ? "-" : `${((100 * part) / whole).toFixed(1)} %`;
}

if (values.data !== undefined) {
  const [words, both] = [await findFacts(values.data, false), await findFacts(values.data, undefined)];
  if (values.json) console.log(JSON.stringify({ words, both }));
  else {
    console.log(`${both.questions} questions about ${both.facts} facts: a fact of the right turn is among the first`);
    const row = (by: string, { at5, at10, questions, searchMs }: typeof both) => ({
      by,
      "5": share(at5, questions),
      "10": share(at10, questions),
      "ms a search": searchMs.toFixed(2),
    });
    console.table([row("words", words), row("words and meaning", both)]);
  }
  process.exit();
}

interface Score {
  right: number;
  wrong: number;
  missed: number;
  answered: number;
  questions: number;
}

async function languageModel(): Promise<LanguageModelLike | false> {
  if (values.model === undefined) return false;
  const { createOpenAI } = await import("@ai-sdk/openai");
  return createOpenAI(values["base-url"] === undefined ? {} : { baseURL: values["base-url"] }).chat(values.model);
}

const said = ({ subject, predicate, object, statement }: Fact) =>
  predicate === undefined ? statement : `${subject} | ${predicate} | ${object}`;
const folded = (text: string) => text.toLowerCase();

async function answerOf({ facts }: ScopedMemory, question: FactQuestion): Promise<readonly string[]> {
  const { asOf, knownAt, subject = "user", predicate } = question;
  const selection = { subject, predicate };
  const found =
    knownAt === undefined
      ? await facts.asOf(asOf ?? new Date(), selection)
      : await facts.knownAt(knownAt, { ...selection, ...(asOf === undefined ? {} : { asOf }) });
  return found.map(({ object }) => object ?? "");
}

async function measure(id: string, dialogue: FactDialogue, mine: ScopedMemory, score: Score): Promise<string[]> {
  const messages = dialogue.messages.map(([day, content, role = "user" as const]) => ({ role, content, createdAt: day }));
  await mine.addMessages(id, messages);
  await mine.facts.extract(id, { model });
  const known = (await mine.facts.list({ limit: 1000 })).items.filter(({ isEnd }) => !isEnd);
  const found = new Set(known.map((fact) => folded(said(fact))));
  const wanted = new Set(dialogue.facts.map(folded));
  const wrong = [...found].filter((fact) => !wanted.has(fact));
  const missed = [...wanted].filter((fact) => !found.has(fact));
  score.right += wanted.size - missed.length;
  score.wrong += wrong.length;
  score.missed += missed.length;
  const notes = [...wrong.map((fact) => `wrong: ${fact}`), ...missed.map((fact) => `missed: ${fact}`)];
  for (const question of dialogue.questions ?? []) {
    const answer = (await answerOf(mine, question)).map(folded).sort();
    const isRight = JSON.stringify(answer) === JSON.stringify(question.answer.map(folded).sort());
    score.questions += 1;
    score.answered += isRight ? 1 : 0;
    if (!isRight) notes.push(`answered ${JSON.stringify(answer)} to ${JSON.stringify(question)}`);
  }
  return notes;
}

const model = await languageModel();
const memory = createMemory({ sessions: { store: "memory" }, embedding: false });
const scores = [false, true].map((): Score => ({ right: 0, wrong: 0, missed: 0, answered: 0, questions: 0 }));
const started = performance.now();
for (const [index, dialogue] of factDialogues.entries()) {
  const score = scores[isHeldOut(index) ? 1 : 0] as Score;
  const notes = await measure(`dialogue-${index}`, dialogue, memory.scope({ userId: `user-${index}` }), score);
  if (values.show && !isHeldOut(index)) for (const note of notes) console.log(`${index}: ${note}`);
}
const tookMs = performance.now() - started;
await memory.close();

const rows = ["worked on", "held out"].map((set, place) => {
  const { right, wrong, missed, answered, questions } = scores[place] as Score;
  return {
    set,
    precision: share(right, right + wrong),
    recall: share(right, right + missed),
    facts: right + missed,
    "as of, known at": share(answered, questions),
    questions,
  };
});
if (values.json) console.log(JSON.stringify({ by: values.model ?? "rules", dialogues: factDialogues.length, tookMs, scores }));
else {
  console.log(`${factDialogues.length} dialogues read by ${values.model ?? "rules"} in ${Math.round(tookMs)} ms`);
  console.table(rows);
}
