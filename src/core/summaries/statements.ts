import type { SummaryStatement } from "../../domain/summaries.ts";
import { day, speaker } from "../context/fence.ts";
import { makeSaid } from "../context/near-equal.ts";
import type { Count } from "../context/tokens.ts";
import type { ReadableMessage } from "../facts/message-text.ts";
import { rankSentences, sentencesOf } from "./text-rank.ts";

// Summaries without a model: the sentences that say most, as they are.

const longestSentence = 400;
/** A summary takes so much of what it stands for, within bounds, in tokens. */
const share = 0.12;
const leastTokens = 60;
const mostTokens = 300;
/** So many of the statements made of messages must not be lost. */
const mostKeys = 3;

interface Sentence {
  readonly text: string;
  readonly spoken: string;
  readonly isOfUser: boolean;
}

/** The statements that stand for messages, in their order. Tools speak too much to be quoted. */
export function extractStatements(messages: readonly ReadableMessage[], count: Count): SummaryStatement[] {
  const sentences = messages.filter(({ isToolOutput }) => !isToolOutput).flatMap(sentencesSpoken);
  const tokens = messages.reduce((sum, { text }) => sum + count(text), 0);
  const budget = Math.max(leastTokens, Math.min(mostTokens, Math.ceil(tokens * share)));
  const ranked = rankSentences(sentences.map(({ text }) => text));
  const rarities = raritiesOf(sentences.map(({ text }) => text));
  const keys = new Set(
    ranked
      .map(({ place }) => ({ place, weight: keyWeight(sentences[place] as Sentence) * (rarities[place] as number) }))
      .filter(({ weight }) => weight > 0)
      .sort((left, right) => right.weight - left.weight || left.place - right.place)
      .slice(0, mostKeys)
      .map(({ place }) => place),
  );
  const order = [...keys, ...ranked.map(({ place }) => place).filter((place) => !keys.has(place))];
  const candidates = order.map((place) => ({ place, text: (sentences[place] as Sentence).spoken, isKey: keys.has(place) }));
  return fitting(candidates, budget, count);
}

/** The statements that stand for those of several summaries: all that are key, and of the others those that say most. */
export function foldStatements(statements: readonly SummaryStatement[], count: Count): SummaryStatement[] {
  const ranked = rankSentences(statements.map(({ text }) => text));
  const keys = statements.flatMap(({ isKey }, place) => (isKey ? [place] : []));
  const order = [...keys, ...ranked.map(({ place }) => place).filter((place) => !statements[place]?.isKey)];
  const candidates = order.map((place) => ({ place, ...(statements[place] as SummaryStatement) }));
  return fitting(candidates, mostTokens, count);
}

interface Candidate extends SummaryStatement {
  readonly place: number;
}

/** What is key, and the first of the others while there is room, in the order of their places; nothing twice. */
function fitting(candidates: readonly Candidate[], budget: number, count: Count): SummaryStatement[] {
  const said = makeSaid();
  const exact = new Set<string>();
  let left = budget;
  const taken = candidates.filter(({ text, isKey }) => {
    const tokens = count(text);
    // In what is key, one word may be the difference.
    if (isKey ? exact.has(text) : said.has(text) || tokens > left) return false;
    said.add(text);
    exact.add(text);
    left -= tokens;
    return true;
  });
  return taken.sort((left, right) => left.place - right.place).map(({ text, isKey }) => ({ text, isKey }));
}

function sentencesSpoken({ message, text }: ReadableMessage): Sentence[] {
  const lead = `${day(message.createdAt)} ${speaker(message.role, message.name)}: `;
  return sentencesOf(text).map((sentence) => {
    const cut = sentence.length > longestSentence ? `${sentence.slice(0, longestSentence).toWellFormed()} […]` : sentence;
    return { text: cut, spoken: lead + cut, isOfUser: message.role === "user" };
  });
}

/** How rare the words of each text are among these: 1 when no other has any of them. */
function raritiesOf(texts: readonly string[]): number[] {
  const bags = texts.map((text) => new Set(text.toLowerCase().match(/\p{L}{4,}|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}/gu)));
  const counts = new Map<string, number>();
  for (const bag of bags) for (const word of bag) counts.set(word, (counts.get(word) ?? 0) + 1);
  return bags.map((bag) => [...bag].reduce((sum, word) => sum + 1 / (counts.get(word) as number), 0) / Math.max(1, bag.size));
}

const namesWithin = /(?<=[\p{L}\p{N},;:]\s+)\p{Lu}[\p{L}\p{N}]+/gu;
const numbers = /\p{N}+/gu;

/** Numbers, names and the user's own word make a statement; a question is none. */
function keyWeight({ text, isOfUser }: Sentence): number {
  if (/[?？]\s*$/u.test(text) || text.length < 12) return 0;
  const marks = (text.match(namesWithin)?.length ?? 0) + (text.match(numbers)?.length ?? 0);
  return (1 + Math.min(3, marks)) * (isOfUser ? 1.5 : 1);
}

/** Words that begin with a capital: the first one of a sentence is a name as likely as not. */
const names = /(?<![\p{L}\p{N}])\p{Lu}[\p{L}\p{N}]+/gu;
const wordsOrNumbers = /\p{L}[\p{L}\p{N}]*|\p{N}+/gu;

/**
 * Whether what a statement says is in another text: all its numbers and names to the letter, and half of its other words,
 * but for their endings.
 */
export function isCoveredBy(statement: string, text: string): boolean {
  const there = text.toLowerCase();
  const whole = new Set([...(there.match(wordsOrNumbers) ?? []), ...(there.match(numbers) ?? [])]);
  const marks = [...(statement.match(names) ?? []), ...(statement.match(numbers) ?? [])];
  if (!marks.every((mark) => whole.has(mark.toLowerCase()))) return false;
  const words = statement.toLowerCase().match(/\p{L}{4,}|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}/gu) ?? [];
  const common = words.filter((word) => there.includes(word.length > 5 ? word.slice(0, 5) : word));
  return common.length * 2 >= words.length;
}
