import type {
  Context,
  ContextKind,
  ContextMessage,
  ContextOmission,
  ContextOptions,
  ContextShares,
  ContextSource,
} from "../domain/context.ts";
import { InvalidArgumentError } from "../domain/errors.ts";
import { recalledMark } from "../domain/recalled.ts";
import type { StoreScope } from "../domain/scope.ts";
import { checkRecords } from "./context/asked-records.ts";
import { type Entry, type Filled, fill, omit, render } from "./context/entries.ts";
import { fenceEnd, fenceStart, instructions } from "./context/fence.ts";
import { type Asked, gather, type Material, newestQuestion, type UserScope } from "./context/gather.ts";
import { modelMessages } from "./context/model-messages.ts";
import { makeSaid } from "./context/near-equal.ts";
import { messageTokens, recentWindow, type TakenMessages, tokensOf } from "./context/recent-window.ts";
import { factEntry, noteEntry, recalledEntries, recordEntries } from "./context/remembered.ts";
import { summaryEntries } from "./context/summary-entries.ts";
import { type Count, counter } from "./context/tokens.ts";
import type { MemoryCore } from "./memory-core.ts";
import { validateId } from "./messages/normalize-message.ts";
import { narrowed } from "./scope.ts";
import { parseCount } from "./validate.ts";

const standardShares: ContextShares = { recent: 0.4, working: 0.15, facts: 0.1, records: 0.2, summaries: 0.1, recall: 0.25 };
const kinds = Object.keys(standardShares) as ContextKind[];
const tokensPerMessage = 20;
const mostAskedFor = 200;
/** One memory alone takes at most this share of its part. */
const mostOfOne = { recall: 1 / 3, records: 1 / 2 };

/** Everything a model call needs of memory, within a number of tokens. */
export async function context(core: MemoryCore, scope: StoreScope, options: ContextOptions): Promise<Context> {
  const within = narrowed(scope, { userId: options.userId });
  if (within.userId === undefined)
    throw new InvalidArgumentError("userId", "is required: whose memory is it? Pass userId, or use memory.scope({ userId })");
  const { maxTokens, shares, asked } = checkOptions(options);
  options.signal?.throwIfAborted();
  const [count, material] = await Promise.all([counter(options.tokenizer, asked.deadlineMs), gather(core, within as UserScope, asked)]);
  return pack(material, asked, maxTokens, shares, count);
}

function pack(material: Material, asked: Asked, maxTokens: number, shares: ContextShares, count: Count): Context {
  const { conversationId } = asked;
  const window = recentWindow(asked.recentMessages === 0 ? [] : (material.recent?.items ?? []), asked.recentMessages, count);
  const room = maxTokens - count(instructions) - 2 * messageTokens - count(fenceStart) - count(fenceEnd);
  const sum = kinds.reduce((total, kind) => total + shares[kind], 0);
  const shareOf = (kind: ContextKind) => (room * shares[kind]) / sum;

  const first = window.take(shareOf("recent"), room);
  const inFirst = new Set(first.messages.map(({ id }) => id));
  const said = makeSaid();
  for (const { content } of first.messages) said.add(content);
  let left = shareOf("recent") - first.tokens;
  // What notes and facts have left over serves a question better as recalled messages.
  const spare = () => (asked.wanted.has("recall") ? Math.min(left, 0) : left);
  const part = (kind: Entry["kind"], candidates: readonly Entry[], ofOne = 1): Filled => {
    const tokens = Math.max(0, shareOf(kind) + (kind === "records" ? spare() : left));
    const filled = fill(candidates, { tokens, mostOfOne: tokens * ofOne, said }, count);
    left += shareOf(kind) - filled.tokens;
    return filled;
  };
  const notes = material.notes.map(({ of, entry }) => noteEntry(of, entry, conversationId));
  const before = material.summaries.filter(({ fromSeq }) => fromSeq < startOf(first));
  const hits = material.hits.filter((hit) => hit.conversationId !== conversationId || !inFirst.has(hit.id));
  const parts = [part("working", notes), part("facts", material.facts.map(factEntry))];
  parts.push(part("records", recordEntries(material.records), mostOfOne.records));
  const question = asked.query ?? newestQuestion(material.recent)?.text;
  const summarized = summaryEntries(before, { tokens: Math.max(0, shareOf("summaries") + spare()), question }, count);
  parts.push(part("summaries", summarized.entries), part("recall", recalledEntries(hits, conversationId), mostOfOne.recall));

  const recent = left > 0 ? window.take(first.tokens + left, room) : first;
  const inWindow = new Set(recent.messages.map(({ id }) => id));
  const isTwice = (one: Entry) =>
    one.conversationId === conversationId &&
    ((one.kind === "recall" && inWindow.has(one.id)) || (one.kind === "summaries" && Number(one.order[0]) >= startOf(recent)));
  const newInWindow = makeSaid();
  for (const { id, content } of recent.messages) if (!inFirst.has(id)) newInWindow.add(content);
  const all = parts.flatMap(({ entries }) => entries).filter((one) => !isTwice(one));
  const repeated = all.filter((one) => one.kind === "records" && newInWindow.has(one.text));
  const late = [...material.late].map(
    (kind): ContextOmission => ({
      ...{ kind, id: undefined, conversationId: undefined, reason: "deadline", tokens: undefined },
    }),
  );
  return assemble(
    recent,
    all.filter((one) => !repeated.includes(one)),
    window.unusable,
    {
      omitted: [
        ...late,
        ...summarized.omitted,
        ...parts.flatMap(({ omitted }) => omitted),
        ...repeated.map((one) => omit(one, "duplicate")),
      ],
      maxTokens,
      count,
      material,
      conversationId,
      left: window.left,
    },
  );
}

/** The first place of what was taken. */
const startOf = ({ messages: [first] }: TakenMessages) => first?.seq ?? Number.POSITIVE_INFINITY;

interface Assembly {
  readonly omitted: ContextOmission[];
  readonly maxTokens: number;
  readonly count: Count;
  readonly material: Material;
  readonly conversationId: string | undefined;
  readonly left: (taken: TakenMessages) => ContextOmission[];
}

/** Counted as a whole at last: texts side by side may take other tokens than each alone. */
function assemble(taken: TakenMessages, all: readonly Entry[], unusable: readonly ContextOmission[], assembly: Assembly): Context {
  const { omitted, maxTokens, count, material, conversationId, left } = assembly;
  const entries = [...all];
  const recent = modelMessages(taken.pieces);
  const fixed = count(instructions) + messageTokens + tokensOf(recent, count);
  for (;;) {
    const { text, sources } = render(entries);
    const memory: ContextMessage[] =
      entries.length === 0 ? [] : [{ role: "user", content: [{ type: "text", text, providerOptions: mark() }] }];
    const tokens = fixed + tokensOf(memory, count);
    const last = entries.at(-1);
    if (tokens > maxTokens && last !== undefined) {
      entries.pop();
      omitted.push(omit(last, "budget"));
      continue;
    }
    const windowSources = taken.messages.map(({ id, createdAt, conversationId }) => ({
      kind: "recent" as const,
      id,
      conversationId,
      label: undefined,
      createdAt,
    }));
    const older: ContextOmission[] =
      material.recent?.nextCursor === undefined
        ? []
        : [{ kind: "recent", id: undefined, conversationId, reason: "older", tokens: undefined }];
    return {
      instructions,
      messages: [...memory, ...recent],
      memories: material.hits.filter(({ id, conversationId }) =>
        entries.some((one) => one.kind === "recall" && one.id === id && one.conversationId === conversationId),
      ),
      sources: [...sources, ...windowSources],
      omitted: onlyAbsent([...omitted, ...unusable, ...left(taken), ...older], [...sources, ...windowSources]),
      tokens,
    };
  }
}

/** A message can come in by two ways: it is left out only when it comes by neither, and told once. */
function onlyAbsent(omitted: readonly ContextOmission[], sources: readonly ContextSource[]): ContextOmission[] {
  const nameOf = ({ kind, conversationId, type, id }: ContextOmission | ContextSource) =>
    JSON.stringify([kind === "recent" || kind === "recall" ? "message" : kind, conversationId, type, id]);
  const present = new Set(sources.map(nameOf));
  const told = new Set<string>();
  return omitted.filter((one) => {
    if (one.id === undefined || one.reason === "cut") return true;
    const name = nameOf(one);
    const isNew = !present.has(name) && !told.has(name);
    told.add(name);
    return isNew;
  });
}

const mark = () => ({ unforget: { ...recalledMark.unforget } });

function checkOptions(options: ContextOptions): { readonly maxTokens: number; readonly shares: ContextShares; readonly asked: Asked } {
  const { conversationId, query, tokenizer, deadlineMs, signal } = options;
  if (conversationId !== undefined) validateId("conversationId", conversationId);
  if (query !== undefined && typeof query !== "string") throw new InvalidArgumentError("query", "must be a string");
  if (tokenizer !== undefined && typeof tokenizer !== "function")
    throw new InvalidArgumentError("tokenizer", "must be a function of a text");
  if (deadlineMs !== undefined && !(deadlineMs > 0 && deadlineMs < 2 ** 31))
    throw new InvalidArgumentError("deadlineMs", "must be a number of milliseconds above 0");
  const maxTokens = parseCount("maxTokens", options.maxTokens, 4_000, 200, 10_000_000);
  const standard = Math.min(mostAskedFor, Math.ceil(maxTokens / tokensPerMessage));
  const records = options.records && checkRecords(options.records);
  const shares = checkShares(options.shares, records !== undefined);
  const recentMessages = parseCount("recentMessages", options.recentMessages, standard, 0, 1_000);
  const wanted = new Set(kinds.filter((kind) => shares[kind] > 0));
  if (options.recall === false) wanted.delete("recall");
  if (recentMessages === 0) wanted.delete("recent");
  const recall = { limit: standard, ...(options.recall === false ? {} : options.recall) };
  return { maxTokens, shares, asked: { conversationId, query, wanted, recentMessages, recall, records, deadlineMs, signal } };
}

/** Records that nobody asks for take nothing from the others. */
function checkShares(given: Partial<ContextShares> = {}, hasRecords: boolean): ContextShares {
  const shares: { -readonly [Kind in ContextKind]: number } = { ...standardShares };
  for (const [kind, share] of Object.entries(given)) {
    if (!Object.hasOwn(standardShares, kind)) throw new InvalidArgumentError("shares", `has no "${kind}": known are ${kinds.join(", ")}`);
    if (share === undefined) continue;
    if (!(share >= 0 && Number.isFinite(share))) throw new InvalidArgumentError(`shares.${kind}`, "must be a number of at least 0");
    shares[kind as ContextKind] = share;
  }
  if (!hasRecords) shares.records = 0;
  if (kinds.every((kind) => shares[kind] === 0)) throw new InvalidArgumentError("shares", "must leave something in");
  return shares;
}
