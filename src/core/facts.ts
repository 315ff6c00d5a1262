import type { Conversation } from "../domain/conversation.ts";
import { InvalidArgumentError, NotFoundError } from "../domain/errors.ts";
import type {
  ExtractFactsOptions,
  FactExtraction,
  FactExtractionModel,
  FactInput,
  FactOptions,
  FactSelection,
  Facts,
} from "../domain/facts.ts";
import type { RecordStore } from "../domain/record-store.ts";
import type { StoreScope } from "../domain/scope.ts";
import { everyConversation } from "./every-conversation.ts";
import { extractFacts } from "./facts/extract-facts.ts";
import { type FactPlace, findEither, getFacts } from "./facts/fact-changes.ts";
import { type StoredFact, storedFact, toFact } from "./facts/fact-record.ts";
import { comparable, newFact, normalPredicate, parseFactTime } from "./facts/new-fact.ts";
import { conditionsOf, type FactFilter, type FactReader, factHistory, factsKnownAt, factsTrueAt, searchFacts } from "./facts/read-facts.ts";
import { assertFact, deleteFact, retractFact } from "./facts/write-facts.ts";
import { checkLanguageModel } from "./language-model.ts";
import type { MemoryCore } from "./memory-core.ts";
import { validateId } from "./messages/normalize-message.ts";
import { parseQueryText, vectorOf } from "./records/query-records.ts";
import { narrowed, ownerOf } from "./scope.ts";
import { parseCount, parseFlag, parseSimilarity, parseText, parseTime } from "./validate.ts";

/** `facts` of a handle. */
export function facts(core: MemoryCore, scope: StoreScope): Facts {
  const ownerNamed = (userId: string | undefined): string => {
    const owner = ownerOf(scope, userId);
    if (owner === undefined)
      throw new InvalidArgumentError("userId", "is required: whose facts are they? Pass userId, or use memory.scope({ userId })");
    return owner;
  };
  const placeOf = (records: RecordStore, userId: string, signal: AbortSignal | undefined): FactPlace => ({
    ...{ records, tenant: scope.tenant, userId, signal },
  });

  async function put(input: FactInput, signal: AbortSignal | undefined) {
    signal?.throwIfAborted();
    const userId = ownerNamed(input?.userId);
    const { resourceId = "default" } = narrowed(scope, { resourceId: input.resourceId });
    const fact = newFact({ tenant: scope.tenant, userId, resourceId }, input, core.facts.single);
    const records = await core.records.open();
    return toFact((await assertFact(core, placeOf(records, userId, signal), fact)).fact);
  }

  /** The fact, where this scope may see it. */
  async function find(records: RecordStore, id: string, { userId, signal }: FactOptions): Promise<StoredFact> {
    validateId("factId", id);
    const [fact] = await getFacts(placeOf(records, ownerNamed(userId), signal), [id]);
    if (fact === undefined || (scope.resourceId !== undefined && fact.resourceId !== scope.resourceId)) throw new NotFoundError("fact", id);
    return fact;
  }

  async function reader(options: FactSelection): Promise<{ readonly from: FactReader; readonly filter: FactFilter }> {
    const within = narrowed(scope, options);
    const filter = {
      subjectKey: options.subject === undefined ? undefined : comparable(parseText("subject", options.subject, 256) ?? ""),
      predicate: options.predicate === undefined ? undefined : normalPredicate(options.predicate),
    };
    return { from: { records: await core.records.open(), scope: within, signal: options.signal }, filter };
  }

  async function remove(ids: readonly string[], options: FactOptions): Promise<number> {
    const records = await core.records.openToDelete();
    if (records === undefined) return 0;
    let deleted = 0;
    for (const id of new Set(ids)) {
      validateId("factId", id);
      const place = placeOf(records, ownerNamed(options.userId), options.signal);
      const { fact, forgotten } = await findEither(place, id);
      const found = fact ?? forgotten;
      const isMine = scope.resourceId === undefined || found?.resourceId === scope.resourceId;
      if (found !== undefined && isMine && (await deleteFact(core, place, id))) deleted += 1;
    }
    return deleted;
  }

  async function retract(id: string, reason: string, options: FactOptions) {
    const given = parseText("reason", reason, 1_000) ?? "";
    const records = await core.records.open();
    const { userId } = await find(records, id, options);
    const retracted = await retractFact(core, placeOf(records, userId, options.signal), id, given);
    if (retracted === undefined) throw new NotFoundError("fact", id);
    return toFact(retracted);
  }

  async function extract(conversationId: string | undefined, options: ExtractFactsOptions): Promise<FactExtraction> {
    const { signal } = options;
    const within = narrowed(scope, options);
    const read = {
      model: modelOf(options.model, core.facts.model),
      toolOutput: parseFlag("toolOutput", options.toolOutput) ?? false,
      since: parseTime("since", options.since),
      ...{ tenant: scope.tenant, afterSeq: Number.MIN_SAFE_INTEGER, signal },
    };
    await core.open();
    await core.queue.drain();
    const total = { messages: 0, added: 0, superseded: 0, confirmed: 0 };
    for await (const { id, userId, resourceId } of conversationsOf(core, within, conversationId, signal)) {
      const { messages, added, superseded, confirmed } = await extractFacts(core, { ...read, userId, resourceId, conversationId: id });
      total.messages += messages;
      total.added += added;
      total.superseded += superseded;
      total.confirmed += confirmed;
    }
    return total;
  }

  return {
    put: (input, options) => core.finished(put(input, options?.signal)),
    get: async (id, options = {}) => toFact(await find(await core.records.open(), id, options)),

    async current(subject, predicate, options = {}) {
      const { from, filter } = await reader({ ...options, ...named({ subject, predicate }) });
      return (await factsTrueAt(from, filter, Date.now())).map(toFact);
    },
    async asOf(date, options = {}) {
      const time = parseFactTime("date", date).getTime();
      const { from, filter } = await reader(options);
      if (options.knownAt === undefined) return (await factsTrueAt(from, filter, time)).map(toFact);
      return (await factsKnownAt(from, filter, time, parseFactTime("knownAt", options.knownAt).getTime())).map(toFact);
    },
    async knownAt(date, options = {}) {
      const known = parseFactTime("date", date).getTime();
      const time = options.asOf === undefined ? known : parseFactTime("asOf", options.asOf).getTime();
      const { from, filter } = await reader(options);
      return (await factsKnownAt(from, filter, time, known)).map(toFact);
    },
    async history(subject, predicate, options = {}) {
      const { from, filter } = await reader({ ...options, subject, ...named({ predicate }) });
      return (await factHistory(from, filter)).map(toFact);
    },

    async list(options = {}) {
      const { direction = "desc" } = options;
      if (direction !== "asc" && direction !== "desc") throw new InvalidArgumentError("direction", 'must be "asc" or "desc"');
      const current = parseFlag("current", options.current) ?? false;
      const retracted = parseFlag("retracted", options.retracted) ?? false;
      const { from, filter } = await reader(options);
      const conditions = conditionsOf(filter);
      const query = {
        ...conditions,
        ...(current ? { positionFrom: Date.now() + 1 } : retracted ? {} : { filter: { ...conditions.filter, isRetracted: false } }),
        ...{ orderBy: "createdAt" as const, direction, offset: 0, cursor: options.cursor },
        limit: parseCount("limit", options.limit, 50, 1, 1000),
      };
      const page = await from.records.list(from.scope, query, options.signal);
      const items = page.items.map(storedFact).filter(({ data }) => !current || (data.from ?? 0) <= Date.now());
      return { ...page, items: items.map(toFact) };
    },

    async search(query, options = {}) {
      if (typeof query !== "string") throw new InvalidArgumentError("query", "must be a string");
      const past = parseFlag("past", options.past) ?? false;
      const limit = parseCount("limit", options.limit, 10, 1, 100);
      const { minSimilarity } = options;
      parseSimilarity("minSimilarity", minSimilarity);
      const { from, filter } = await reader(options);
      const text = parseQueryText(query);
      if (text === "") return [];
      const vector = await vectorOf(core, text, options);
      const found = await searchFacts(from, filter, { text, vector, past, limit, minSimilarity });
      return found.map(({ record, score, similarity, rank }) => ({
        fact: toFact(storedFact(record)),
        score,
        scores: { vector: similarity, text: rank },
      }));
    },

    retract: (id, reason, options = {}) => core.finished(retract(id, reason, options)),
    delete: (ids, options = {}) => core.finished(remove(typeof ids === "string" ? [ids] : ids, options)),
    extract: (conversationId, options = {}) => core.finished(extract(conversationId, options)),
  };
}

/** A conversation, or all of a scope. */
async function* conversationsOf(
  core: MemoryCore,
  scope: StoreScope,
  id: string | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Conversation> {
  if (id !== undefined) {
    validateId("conversationId", id);
    const found = await core.store.getConversation(scope, id, signal);
    if (found === undefined) throw new NotFoundError("conversation", id);
    yield found;
    return;
  }
  yield* everyConversation(core.store, scope, { orderBy: "createdAt", direction: "asc", limit: 100 }, signal);
}

function modelOf(given: ExtractFactsOptions["model"], standing: FactExtractionModel | undefined): FactExtractionModel | undefined {
  if (given === false) return undefined;
  if (given === undefined) return standing;
  return { ...standing, model: checkLanguageModel("model", given) };
}

/** Without what is undefined. */
const named = <Fields extends object>(fields: Fields): Partial<Fields> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Fields>;
