import { readFile } from "node:fs/promises";
import { createMemory, type MemoryOptions } from "../src/index.ts";
import { readQuestions } from "./locomo-questions.ts";

const conversationId = "observed";

interface Sample {
  readonly sample_id?: string;
  /** Of each session and speaker: a sentence, and the turns it was read from. */
  readonly observation?: Record<string, Record<string, readonly (readonly [text: string, turns: string | readonly string[]])[]>>;
}

/** How many facts there are, how many questions could be answered by one, and how many found one among the first 5 and 10. */
export interface Found {
  readonly facts: number;
  readonly questions: number;
  readonly at5: number;
  readonly at10: number;
  readonly searchMs: number;
}

/** Asks facts.search the questions of a LoCoMo file, over its observations. */
export async function findFacts(file: string, embedding: MemoryOptions["embedding"] | undefined): Promise<Found> {
  const samples = JSON.parse(await readFile(file, "utf8")) as readonly Sample[];
  const { questions } = await readQuestions(file);
  await using memory = createMemory({ sessions: { store: "memory" }, worker: "manual", ...(embedding === undefined ? {} : { embedding }) });
  const known = new Map<string, Set<string>>();
  let facts = 0;
  for (const [index, sample] of samples.entries()) {
    const userId = sample.sample_id ?? `conv-${index + 1}`;
    const turnsOfUser = new Set<string>();
    known.set(userId, turnsOfUser);
    for (const [statement, turns] of Object.values(sample.observation ?? {}).flatMap((of) => Object.values(of).flat())) {
      const ids = [turns].flat().flatMap((turn) => turn.match(/D\d+:\d+/g) ?? []);
      for (const id of ids) turnsOfUser.add(id);
      await memory.facts.put({ statement, sources: ids.map((messageId) => ({ conversationId, messageId })), userId });
      facts++;
    }
  }
  await memory.flush();
  const asked = questions.filter(({ userId, evidence }) => evidence.some((id) => known.get(userId)?.has(id)));
  let at5 = 0;
  let at10 = 0;
  const started = performance.now();
  for (const { userId, text, evidence } of asked) {
    const hits = await memory.facts.search(text, { userId, limit: 10 });
    const place = hits.findIndex(({ fact }) => fact.sources.some(({ messageId }) => evidence.includes(messageId)));
    if (place >= 0 && place < 5) at5++;
    if (place >= 0) at10++;
  }
  return { facts, questions: asked.length, at5, at10, searchMs: (performance.now() - started) / asked.length };
}
