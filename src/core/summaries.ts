import { NotFoundError } from "../domain/errors.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { CreateSummaryOptions, Summaries, SummaryOptions } from "../domain/summaries.ts";
import { checkLanguageModel } from "./language-model.ts";
import type { MemoryCore } from "./memory-core.ts";
import { validateId } from "./messages/normalize-message.ts";
import { ownerOf } from "./scope.ts";
import type { SummaryModel } from "./summaries/ask-model.ts";
import { forgetSummaries } from "./summaries/forget-summaries.ts";
import { makeSummaries } from "./summaries/make-summaries.ts";
import { conversationSummary, coverOf, listSummaries, type SummaryPlace, summaryType, toSummary } from "./summaries/summary-record.ts";
import { parseCount, parseFlag } from "./validate.ts";

/** How long `create` waits for another process that summarises the same conversation. */
const patienceMs = 150_000;

/** `summaries` of a handle. */
export function summaries(core: MemoryCore, scope: StoreScope): Summaries {
  /** Where the summaries of a conversation are; no records: there never were any. */
  async function placeOf(conversationId: string, { userId, signal }: SummaryOptions): Promise<Omit<SummaryPlace, "records">> {
    validateId("conversationId", conversationId);
    const owner = ownerOf(scope, userId);
    await core.open();
    const found = await core.store.getConversation({ ...scope, userId: owner }, conversationId, signal);
    if (found === undefined) throw new NotFoundError("conversation", conversationId);
    return { tenant: scope.tenant, userId: found.userId, resourceId: found.resourceId, conversationId };
  }

  async function create(conversationId: string, options: CreateSummaryOptions) {
    const keepTokens = parseCount("keepTokens", options.keepTokens, 0, 0, 10_000_000);
    const force = parseFlag("force", options.force) ?? false;
    const asked = modelOf(core, options.model);
    await core.queue.drain();
    const place = { ...(await placeOf(conversationId, options)), records: await core.records.open() };
    const made = await makeSummaries(core, { place, keepTokens, force, asked, patienceMs, signal: options.signal });
    await expectConversation(place);
    return conversationSummary(conversationId, coverOf(made.summaries));
  }

  /** What was made of a conversation that was deleted meanwhile goes, too: its deletion cannot have seen it. */
  async function expectConversation(place: SummaryPlace): Promise<void> {
    const { records, tenant, userId, conversationId } = place;
    if ((await core.store.getConversation({ tenant, userId, resourceId: undefined }, conversationId)) !== undefined) return;
    await forgetSummaries(records, { tenant, userId, conversationId }, undefined, undefined);
    throw new NotFoundError("conversation", conversationId);
  }

  async function remove(conversationId: string, summaryId: string | undefined, options: SummaryOptions): Promise<number> {
    if (summaryId !== undefined) validateId("summaryId", summaryId);
    const place = await placeOf(conversationId, options);
    const records = await core.records.openToDelete();
    if (records === undefined) return 0;
    const of = { tenant: place.tenant, userId: place.userId, resourceId: undefined };
    const all = await listSummaries({ ...place, records }, options.signal);
    const ids = new Set(summaryId === undefined ? all.map(({ id }) => id) : all.filter(({ id }) => id === summaryId).map(({ id }) => id));
    // Lower levels come first: whatever is made of one that goes, goes.
    for (const one of all.toSorted((left, right) => left.level - right.level))
      if (one.summaryIds.some((id) => ids.has(id))) ids.add(one.id);
    return ids.size === 0 ? 0 : records.erase(of, { types: [summaryType], conversationId, ids: [...ids] }, options.signal);
  }

  return {
    create: (conversationId, options = {}) => core.finished(create(conversationId, options)),

    async current(conversationId, options = {}) {
      const place = await placeOf(conversationId, options);
      const records = await core.records.openToDelete();
      if (records === undefined) return undefined;
      return conversationSummary(conversationId, coverOf(await listSummaries({ ...place, records }, options.signal)));
    },

    async list(conversationId, options = {}) {
      const limit = parseCount("limit", options.limit, 50, 1, 1000);
      const filter = options.level === undefined ? {} : { filter: { level: parseCount("level", options.level, 1, 1, 100) } };
      const { tenant, userId } = await placeOf(conversationId, options);
      const records = await core.records.openToDelete();
      if (records === undefined) return { items: [], nextCursor: undefined };
      const query = { types: [summaryType], conversationId, orderBy: "position", direction: "desc", offset: 0 } as const;
      const within = { tenant, userId, resourceId: undefined };
      const page = await records.list(within, { ...query, ...filter, limit, cursor: options.cursor }, options.signal);
      return { ...page, items: page.items.map(toSummary) };
    },

    async get(conversationId, summaryId, options = {}) {
      validateId("summaryId", summaryId);
      const { tenant, userId } = await placeOf(conversationId, options);
      const records = await core.records.openToDelete();
      const [found] = (await records?.get(tenant, [{ userId, type: summaryType, id: summaryId }], options.signal)) ?? [];
      if (found?.conversationId !== conversationId) throw new NotFoundError("summary", summaryId);
      return toSummary(found);
    },

    delete: (conversationId, summaryId, options = {}) => core.finished(remove(conversationId, summaryId, options)),
  };
}

function modelOf(core: MemoryCore, given: CreateSummaryOptions["model"]): SummaryModel | undefined {
  if (given === false) return undefined;
  const { instructions } = core.summaries;
  const model = given === undefined ? core.summaries.model : checkLanguageModel("model", given);
  return model === undefined ? undefined : { model, instructions };
}
