import type { ContextKind, ContextOmission, ContextSource } from "../../domain/context.ts";
import { entry, fenceEnd, fenceStart } from "./fence.ts";
import type { Said } from "./near-equal.ts";
import { type Count, cutToTokens } from "./tokens.ts";

/** Something remembered, for a place of its own in the fence. */
export interface Entry {
  readonly kind: Exclude<ContextKind, "recent">;
  readonly id: string;
  /** Of a record. */
  readonly type?: string | undefined;
  readonly conversationId: string | undefined;
  readonly createdAt: Date;
  /** What stands before the text, in our words. */
  readonly lead: string;
  readonly text: string;
  /** Entries of one group stand under one line. Empty: under none. */
  readonly group: string;
  /** Where it stands among the entries of its kind. */
  readonly order: readonly (string | number)[];
}

const headings: Record<Entry["kind"], string> = {
  working: "# Notes\n",
  facts: "# Facts\n",
  records: "# Records\n",
  summaries: "# Earlier in this conversation, summarised\n",
  recall: "# Earlier messages that may matter\n",
};
const kinds = Object.keys(headings) as Entry["kind"][];
/** Shorter than this, a piece of a text says nothing. */
const leastOfOne = 40;
/** After so many that do not fit, the rest is not counted any more. */
const mostMisses = 8;

export interface Filled {
  readonly entries: readonly Entry[];
  readonly tokens: number;
  readonly omitted: readonly ContextOmission[];
}

export const omit = ({ kind, id, type, conversationId }: Entry, reason: ContextOmission["reason"], tokens?: number): ContextOmission => ({
  ...{ kind, id, conversationId, reason, tokens },
  ...(type !== undefined && { type }),
});

export interface Room {
  readonly tokens: number;
  /** A text that alone takes more is cut to that. */
  readonly mostOfOne: number;
  /** What was said already: nothing is taken that says the same. */
  readonly said: Said;
}

/** Takes the entries that fit, best first. */
export function fill(candidates: readonly Entry[], { tokens: room, mostOfOne, said }: Room, count: Count): Filled {
  const entries: Entry[] = [];
  const omitted: ContextOmission[] = [];
  const groups = new Set<string>();
  let tokens = 0;
  let misses = 0;
  for (const candidate of candidates) {
    if (misses >= mostMisses) {
      omitted.push(omit(candidate, "budget"));
      continue;
    }
    if (said.has(candidate.text)) {
      omitted.push(omit(candidate, "duplicate"));
      continue;
    }
    const framing =
      (entries.length === 0 ? count(headings[candidate.kind]) : 0) + (groups.has(candidate.group) ? 0 : count(candidate.group));
    const whole = count(lineOf(candidate, 99));
    const most = Math.min(room - tokens - framing, mostOfOne);
    const cut = whole > most && whole > mostOfOne && most >= leastOfOne ? shortened(candidate, most, count) : undefined;
    const taken = cut ?? candidate;
    const cost = framing + (cut === undefined ? whole : count(lineOf(cut, 99)));
    if (tokens + cost > room) {
      omitted.push(omit(candidate, "budget", whole));
      misses++;
      continue;
    }
    if (cut !== undefined) omitted.push(omit(candidate, "cut", whole));
    entries.push(taken);
    said.add(candidate.text);
    groups.add(candidate.group);
    tokens += cost;
  }
  return { entries, tokens, omitted };
}

function shortened(candidate: Entry, most: number, count: Count): Entry {
  const ending = " […]";
  const measure = (text: string) => count(lineOf({ ...candidate, text: text + ending }, 99));
  return { ...candidate, text: cutToTokens(candidate.text, most, measure) + ending };
}

const lineOf = ({ lead, text }: Pick<Entry, "lead" | "text">, label: number) => entry(`[${label}] ${lead}:`, text);

/** All of it in its fence, and what each number in it stands for. */
export function render(entries: readonly Entry[]): { readonly text: string; readonly sources: readonly ContextSource[] } {
  const sources: ContextSource[] = [];
  let text = fenceStart;
  for (const kind of kinds) {
    const own = entries.filter((one) => one.kind === kind).sort(byOrder);
    if (own.length > 0) text += headings[kind];
    let group = "";
    for (const one of own) {
      if (one.group !== group) text += one.group;
      group = one.group;
      text += lineOf(one, sources.length + 1);
      const { id, type, conversationId, createdAt } = one;
      sources.push({ kind, id, ...(type !== undefined && { type }), conversationId, label: String(sources.length + 1), createdAt });
    }
  }
  return { text: text + fenceEnd, sources };
}

function byOrder(left: Entry, right: Entry): number {
  for (const [place, value] of left.order.entries()) {
    const other = right.order[place];
    if (other !== undefined && value !== other) return value < other ? -1 : 1;
  }
  return 0;
}
