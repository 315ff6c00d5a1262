import { readFile } from "node:fs/promises";

export interface Question {
  readonly userId: string;
  readonly text: string;
  readonly category: number;
  /** Ids of the turns that hold the answer; at least one. */
  readonly evidence: readonly string[];
  /** Undefined: there is none. */
  readonly answer: string | undefined;
}

/**
 * The questions of a LoCoMo file. Evidence ids are malformed here and there ("D8:6; D9:17", "D30:05", "D:11:26"): what
 * can be read is repaired, the rest dropped, both counted. Questions left without evidence are not asked.
 */
export async function readQuestions(file: string): Promise<{ questions: Question[]; repaired: number; dropped: number }> {
  const samples = JSON.parse(await readFile(file, "utf8")) as {
    sample_id?: string;
    conversation: Record<string, unknown>;
    qa: { question: string; category: number; evidence?: string[]; answer?: unknown }[];
  }[];
  let repaired = 0;
  let dropped = 0;
  const questions = samples.flatMap((sample, index) => {
    const turns = new Set(
      Object.values(sample.conversation)
        .filter(Array.isArray)
        .flatMap((turns: { dia_id: string }[]) => turns.map((turn) => turn.dia_id)),
    );
    return sample.qa.map(({ question, category, evidence = [], answer }) => {
      const ids = evidence.flatMap((raw) => {
        if (turns.has(raw)) return [raw];
        const found = [...raw.matchAll(/D:?(\d+):(\d+)/g)]
          .map(([, session, turn]) => `D${Number(session)}:${Number(turn)}`)
          .filter((id) => turns.has(id));
        repaired += found.length;
        if (found.length === 0) dropped++;
        return found;
      });
      return {
        userId: sample.sample_id ?? `conv-${index + 1}`,
        text: question,
        category,
        evidence: [...new Set(ids)],
        answer: answerOf(answer),
      };
    });
  });
  return { questions: questions.filter((question) => question.evidence.length > 0), repaired, dropped };
}

const answerOf = (answer: unknown) => (typeof answer === "string" || typeof answer === "number" ? String(answer) : undefined);
