// The second process of the demo: `node ask.ts DIRECTORY`. Exit code 1 when an answer is not among the first three.
import { createMemory, type RecallHit } from "../../src/index.ts";
import { say, seconds } from "./terminal.ts";

/**
 * Each question is worded otherwise than the message that answers it. Five questions show what recall does; how well it
 * does is for `npm run bench:recall` to say: other questions about these conversations are harder and are missed.
 */
const questions: readonly { readonly question: string; readonly answeredBy: string }[] = [
  { question: "What is my child allergic to?", answeredBy: "allergy-test-1" },
  { question: "Which medicine helps when my head hurts?", answeredBy: "neurologist-abel-5" },
  { question: "When did my mother have surgery?", answeredBy: "easter-hip-1" },
  { question: "What did the buyer pay for our Skoda?", answeredBy: "skoda-sold-1" },
  { question: "Who minds the dog while we are at work?", answeredBy: "settling-in-7" },
];

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error("ask.ts: name the directory of the memory");
const memory = createMemory({ dataDir });
const mine = memory.scope({ userId: "ilse" });
try {
  const opening = performance.now();
  await memory.ready();
  say.line(`Process ${process.pid} has opened the memory in ${seconds(opening)}.`);
  let wrong = 0;
  for (const { question, answeredBy } of questions) {
    const asked = performance.now();
    const hits = await mine.recall(question, { limit: 3 });
    const milliseconds = performance.now() - asked;
    say.question(question);
    const place = hits.findIndex(({ id }) => id === answeredBy);
    const hit = hits[place];
    if (hit === undefined) {
      wrong++;
      const found = hits.length === 0 ? "nothing" : hits.map(({ id }) => id).join(", ");
      say.wrong(`Not remembered: the answer is in ${answeredBy}, found was ${found} · ${milliseconds.toFixed(0)} ms`);
    } else printAnswer(hit, place, milliseconds);
  }
  say.title(
    wrong === 0
      ? `All ${questions.length} questions were answered from memory.`
      : `${wrong} of ${questions.length} questions were not answered.`,
  );
  if (wrong > 0) process.exitCode = 1;
} finally {
  await memory.close();
}

function printAnswer(hit: RecallHit, place: number, milliseconds: number): void {
  say.quote(hit.text);
  const date = hit.createdAt.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  const rank = place === 0 ? "first hit" : `hit ${place + 1}`;
  say.note(
    `${hit.name ?? hit.role}, ${date}, in ${hit.conversationId} · ${rank}, score ${hit.score.toFixed(2)} · ${milliseconds.toFixed(0)} ms`,
  );
}
