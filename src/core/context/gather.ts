import type { ContextKind } from "../../domain/context.ts";
import type { Page } from "../../domain/conversation.ts";
import type { Fact } from "../../domain/facts.ts";
import type { Message } from "../../domain/message.ts";
import type { RecallHit, RecallOptions } from "../../domain/recall.ts";
import type { MemoryRecord } from "../../domain/records.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { Summary } from "../../domain/summaries.ts";
import type { WorkingMemoryEntry } from "../../domain/working-memory.ts";
import { abortable } from "../../internal/abort.ts";
import { facts } from "../facts.ts";
import type { MemoryCore } from "../memory-core.ts";
import { recall } from "../recall.ts";
import { coverOf, listSummaries } from "../summaries/summary-record.ts";
import { notesPlace, toEntry } from "../working-memory/notes.ts";
import { type AskedRecords, findRecords } from "./asked-records.ts";
import { askingOnce } from "./asking-once.ts";

/** What a context is asked for, checked. */
export interface Asked {
  readonly conversationId: string | undefined;
  readonly query: string | undefined;
  readonly wanted: ReadonlySet<ContextKind>;
  readonly recentMessages: number;
  readonly recall: RecallOptions;
  /** Undefined: none are wanted. */
  readonly records: AskedRecords | undefined;
  readonly deadlineMs: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A scope that names its user. */
export type UserScope = StoreScope & { readonly userId: string };

/** What there is to make a context of. Undefined: nothing, or not in time. */
export interface Material {
  readonly recent: Page<Message> | undefined;
  readonly notes: readonly { readonly of: "user" | "conversation"; readonly entry: WorkingMemoryEntry }[];
  readonly facts: readonly Fact[];
  /** Best first. */
  readonly records: readonly MemoryRecord[];
  /** Of the conversation, oldest first. */
  readonly summaries: readonly Summary[];
  readonly hits: readonly RecallHit[];
  /** What was not there in time. */
  readonly late: ReadonlySet<ContextKind>;
}

const mostFacts = 40;
/** The share of the time there is for all of it that the embedding model may take. */
const patience = 2 / 3;
/** Among so many messages one of the user is likely. */
const leastRead = 10;

/** Looks everywhere at once; only without a query the newest message has to be there first. */
export async function gather(core: MemoryCore, scope: UserScope, asked: Asked): Promise<Material> {
  const { conversationId, wanted } = asked;
  // Everything is searched by the same vector; where words can answer alone, they do when it is not there in time.
  const model = askingOnce(core.embedder, asked.deadlineMs === undefined ? undefined : asked.deadlineMs * patience);
  const searching = ({ legs, minSimilarity }: Pick<RecallOptions, "legs" | "minSimilarity">): MemoryCore => {
    const needsVector = minSimilarity !== undefined || legs?.includes("text") === false;
    return { ...core, embedder: needsVector ? model.embedder : model.impatient };
  };
  const time = deadline(asked.deadlineMs, asked.signal);
  const late = new Set<ContextKind>();
  async function inTime<Value>(kind: ContextKind, nothing: Value, look: () => Promise<Value>): Promise<Value> {
    if (!wanted.has(kind)) return nothing;
    const answer = await time.race(look());
    if (answer === time.late) late.add(kind);
    return answer === time.late ? nothing : (answer as Value);
  }
  try {
    const newest = readRecent(core, scope, asked, time.signal);
    // Two wait for it, and each says so itself.
    newest.catch(() => {});
    const query =
      asked.query === undefined
        ? newest.then(newestQuestion)
        : Promise.resolve({ text: asked.query, id: undefined, conversationId: undefined, until: undefined });
    query.catch(() => {});
    const [recent, notes, known, records, summaries, hits] = await Promise.all([
      inTime("recent", undefined, () => newest),
      inTime("working", [], () => readNotes(core, scope, conversationId, time.signal)),
      inTime("facts", [], async () => readFacts(searching({}), scope, (await query)?.text, asked, time.signal)),
      inTime("records", [], async () => readRecords(searching(asked.records ?? {}), scope, (await query)?.text, asked, time.signal)),
      inTime("summaries", [], () => readSummaries(core, scope, conversationId, time.signal)),
      inTime("recall", [], async () => readHits(searching(asked.recall), scope, await query, asked.recall, time.signal)),
    ]);
    return { recent, notes, facts: known, records, summaries, hits, late };
  } finally {
    time.clear();
  }
}

async function readRecent(core: MemoryCore, scope: UserScope, { conversationId, recentMessages }: Asked, signal: AbortSignal) {
  await core.open();
  if (conversationId === undefined) return undefined;
  const query = {
    limit: Math.max(leastRead, recentMessages),
    beforeSeq: undefined,
    afterSeq: undefined,
    before: undefined,
    after: undefined,
  };
  return core.store.listMessages(scope, conversationId, { ...query, roles: undefined }, signal);
}

/**
 * What memory is searched for when nothing is said, and before when: a question would find itself best of all. Messages that
 * were written in one batch with it have its time and are searched, too.
 */
export function newestQuestion(recent: Page<Message> | undefined): Question | undefined {
  const items = recent?.items ?? [];
  const place = items.findLastIndex(({ role, content }) => role === "user" && content.trim() !== "");
  const question = items[place];
  if (question === undefined) return undefined;
  const isAlone = items[place - 1]?.createdAt.getTime() !== question.createdAt.getTime();
  return {
    text: question.content,
    id: question.id,
    conversationId: question.conversationId,
    until: isAlone ? question.createdAt : undefined,
  };
}

interface Question {
  readonly text: string;
  /** Of the message that asks. */
  readonly id: string | undefined;
  readonly conversationId: string | undefined;
  readonly until: Date | undefined;
}

async function readNotes(
  core: MemoryCore,
  scope: UserScope,
  conversationId: string | undefined,
  signal: AbortSignal,
): Promise<Material["notes"]> {
  // Where nothing was ever written, nothing is made to read it.
  const records = await core.records.openToDelete();
  if (records === undefined) return [];
  const owner = { ...scope, resourceId: scope.resourceId ?? "default" };
  const places = [notesPlace(owner, undefined), ...(conversationId === undefined ? [] : [notesPlace(owner, conversationId)])];
  const found = await records.get(
    scope.tenant,
    places.map(({ name }) => name),
    signal,
  );
  return found.flatMap((record, place) => {
    // Notes of a conversation are for the resource it belongs to.
    const isVisible = scope.resourceId === undefined || record?.resourceId === scope.resourceId;
    const entry = record && isVisible ? toEntry(record) : undefined;
    return entry === undefined || entry.content.trim() === ""
      ? []
      : [{ of: place === 0 ? ("user" as const) : ("conversation" as const), entry }];
  });
}

/** Those that are like the question, then the newest of what is known of the user. */
async function readFacts(
  core: MemoryCore,
  scope: UserScope,
  query: string | undefined,
  asked: Asked,
  signal: AbortSignal,
): Promise<Fact[]> {
  if ((await core.records.openToDelete()) === undefined) return [];
  const known = facts(core, scope);
  const [found, ofUser] = await Promise.all([
    query === undefined || query.trim() === "" ? [] : known.search(query, { limit: mostFacts, embedding: broughtVector(asked), signal }),
    known.current("user", undefined, { signal }),
  ]);
  const all = [...found.map(({ fact }) => fact), ...ofUser.slice(0, mostFacts)];
  return [...new Map(all.map((fact) => [fact.id, fact])).values()];
}

async function readRecords(
  core: MemoryCore,
  scope: UserScope,
  query: string | undefined,
  asked: Asked,
  signal: AbortSignal,
): Promise<readonly MemoryRecord[]> {
  const { records } = asked;
  if (query === undefined || records === undefined) return [];
  return findRecords(core, scope, { ...records, text: query, embedding: broughtVector(asked), signal });
}

/** The query's vector, where the caller brought one that has a direction. */
function broughtVector({ recall: { embedding } }: Asked): RecallOptions["embedding"] {
  return embedding?.some((value) => value !== 0) ? embedding : undefined;
}

/** Those that say something. Of a conversation of another resource there are none. */
async function readSummaries(
  core: MemoryCore,
  { tenant, userId, resourceId }: UserScope,
  conversationId: string | undefined,
  signal: AbortSignal,
): Promise<Summary[]> {
  const records = conversationId === undefined ? undefined : await core.records.openToDelete();
  if (records === undefined || conversationId === undefined) return [];
  const place = { records, tenant, userId, resourceId: resourceId ?? "default", conversationId };
  const own = (await listSummaries(place, signal)).filter((one) => resourceId === undefined || one.resourceId === resourceId);
  return coverOf(own).filter(({ text }) => text !== "");
}

async function readHits(core: MemoryCore, scope: UserScope, question: Question | undefined, options: RecallOptions, signal: AbortSignal) {
  if (question === undefined) return [];
  const hits = await recall(core, scope, question.text, { until: question.until, ...options, signal });
  return hits.filter(({ id, conversationId }) => id !== question.id || conversationId !== question.conversationId);
}

interface Deadline {
  readonly late: symbol;
  /** Aborts what is under way when it is late or the caller gives up. */
  readonly signal: AbortSignal;
  race<Value>(work: Promise<Value>): Promise<Value | symbol>;
  clear(): void;
}

function deadline(milliseconds: number | undefined, given: AbortSignal | undefined): Deadline {
  const late = Symbol("late");
  const ending = new AbortController();
  const signal = given === undefined ? ending.signal : AbortSignal.any([given, ending.signal]);
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<symbol>((resolve) => {
    if (milliseconds === undefined) return;
    timer = setTimeout(() => {
      resolve(late);
      ending.abort();
    }, milliseconds);
  });
  return {
    late,
    signal,
    async race(work) {
      // What fails after the deadline is nobody's any more.
      work.catch(() => {});
      return Promise.race([abortable(work, given), passed]);
    },
    clear() {
      clearTimeout(timer);
      ending.abort();
    },
  };
}
