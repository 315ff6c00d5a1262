import type { ContextOmission } from "../../domain/context.ts";
import type { Summary, SummaryStatement } from "../../domain/summaries.ts";
import { type Entry, omit } from "./entries.ts";
import { day } from "./fence.ts";
import type { Count } from "./tokens.ts";

/** What a line of its own takes, about. */
const framing = 12;

export interface SummaryRoom {
  readonly tokens: number;
  /** What is asked; undefined: nothing is. */
  readonly question: string | undefined;
}

interface Line extends SummaryStatement {
  readonly summary: Summary;
  readonly place: number;
  readonly score: number;
}

/**
 * Summaries as entries, newest first. Where there is no room for all statements, those that have words of the question come
 * before what is key, and that before the rest; each stays in its place.
 */
export function summaryEntries(
  summaries: readonly Summary[],
  { tokens, question }: SummaryRoom,
  count: Count,
): { readonly entries: readonly Entry[]; readonly omitted: readonly ContextOmission[] } {
  const lines = scored(summaries, question);
  const taken = new Map<Summary, Line[]>();
  let left = tokens - framing;
  for (const line of lines.toSorted((one, other) => other.score - one.score)) {
    const own = taken.get(line.summary);
    const cost = count(line.text) + 2 + (own === undefined ? framing : 0);
    if (cost > left) continue;
    left -= cost;
    if (own === undefined) taken.set(line.summary, [line]);
    else own.push(line);
  }
  const entries = summaries.toReversed().flatMap((summary) => {
    const own = taken.get(summary)?.toSorted((one, other) => one.place - other.place);
    return own === undefined ? [] : [entryOf(summary, own.map(({ text }) => text).join("\n"))];
  });
  const omitted = summaries.flatMap((summary) => {
    const kept = taken.get(summary)?.length ?? 0;
    if (kept === summary.statements.length) return [];
    return [omit(entryOf(summary, ""), kept === 0 ? "budget" : "cut", count(summary.text))];
  });
  return { entries, omitted };
}

function entryOf({ id, conversationId, until, fromSeq }: Summary, text: string): Entry {
  return { kind: "summaries", id, conversationId, createdAt: until, lead: `until ${day(until)}`, text, group: "", order: [fromSeq] };
}

/** Rare words of the question count most; of the rest, the newest comes first. */
function scored(summaries: readonly Summary[], question: string | undefined): Line[] {
  const all = summaries.flatMap((summary) => summary.statements.map((statement, place) => ({ ...statement, summary, place })));
  const asked = wordsOf(question ?? "");
  const bags = all.map(({ text }) => wordsOf(text));
  const weights = new Map([...asked].map((word) => [word, 1 / (1 + bags.filter((bag) => bag.has(word)).length)]));
  return all.map((line, index) => {
    let words = 0;
    for (const [word, weight] of weights) if (bags[index]?.has(word)) words += weight;
    return { ...line, score: 10 * words + (line.isKey ? 1 : 0) + index / (all.length + 1) / 2 };
  });
}

/** The beginnings of longer words, so that endings make no difference. */
function wordsOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return new Set(words.filter((word) => word.length > 2).map((word) => word.slice(0, 6)));
}
