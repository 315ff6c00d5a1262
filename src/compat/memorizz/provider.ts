import { isConflict } from "../../core/until-unchanged.ts";
import type { CallOptions } from "../../domain/call-options.ts";
import { DimensionMismatchError, InvalidArgumentError } from "../../domain/errors.ts";
import type { ImportFromOptions, ImportFromReport, ImportFromSource } from "../../domain/import-source.ts";
import type { Logger } from "../../domain/logger.ts";
import type { Memory } from "../../domain/memory.ts";
import type { MemoryRecord } from "../../domain/records.ts";
import { inOrderOfTime } from "./history-order.ts";
import { checkedType, MemoryType, type MemoryTypeLike, placesOf } from "./memory-type.ts";
import { type MemorizzData, type MemorizzRow, nobody, toConditions, toRow } from "./rows.ts";
import { changeRow, type RowVector, type RowWriter, writeRows } from "./write-rows.ts";

/** Whose rows: a user's, with `null` nobody's, without it everybody's. */
export interface WhoseOptions extends CallOptions {
  readonly userId?: string | null | undefined;
}

/** Whose rows, of which memory, how many, and how near to what is asked. */
export interface RetrieveOptions extends WhoseOptions {
  /** 1 to 1000. @default 1 */
  readonly limit?: number | undefined;
  /** Cosine similarity, -1 to 1. @default none */
  readonly minSimilarity?: number | undefined;
  readonly memoryId?: string | undefined;
}

/** Whose rows, and which page of them. */
export interface ListAllOptions extends WhoseOptions {
  /** At most so many, newest first. @default all */
  readonly limit?: number | undefined;
  /** Leaves out the first. @default 0 */
  readonly offset?: number | undefined;
}

/** Whose history, of which thread, and how far back. */
export interface HistoryOptions extends WhoseOptions {
  /** @default conversation memory */
  readonly memoryType?: MemoryTypeLike | undefined;
  /** The newest so many, oldest first. @default all */
  readonly limit?: number | undefined;
  readonly threadId?: string | undefined;
}

/** What is looked for, as a text or a vector, and among which rows. */
export interface ComponentsOptions extends Omit<RetrieveOptions, "limit"> {
  readonly query?: string | undefined;
  readonly queryEmbedding?: readonly number[] | Float32Array | undefined;
  /** @default conversation memory */
  readonly memoryType?: MemoryTypeLike | undefined;
  /** @default 5 */
  readonly limit?: number | undefined;
}

/** What a text or a vector is looked for with: `query` or `embedding`, and fields that rows must have. */
export interface RetrieveQuery {
  readonly query?: string | undefined;
  readonly embedding?: readonly number[] | Float32Array | undefined;
  readonly [field: string]: unknown;
}

export interface ProviderSettings {
  readonly memory: Memory;
  /** Vectors of the caller are of the memory's own model; else they have a space of their own. */
  readonly sharesModel: boolean;
  readonly upsertByName: boolean;
  readonly logger: Logger | undefined;
}

const ownModel = "memorizz/own";
/** Where the length of the caller's vectors is written down. */
const spaceType = "memorizz_space";
const pageSize = 1_000;

/** What both of Memorizz's providers do, in the same way: every row is a record of `memory.records`. */
export class MemorizzProvider {
  /** The memory on the same tables, with everything else it can do. */
  readonly memory: Memory;
  readonly #settings: ProviderSettings;
  #dimensions: number | undefined;

  constructor(settings: ProviderSettings) {
    this.memory = settings.memory;
    this.#settings = settings;
  }

  /** Stores a row, or changes the one of its id (with `upsertByName` of its name): fields that are not given stay. Answers its id. */
  async store(data: MemorizzData, memoryType: MemoryTypeLike): Promise<string> {
    return this.#logged("store", memoryType, async (type) => (await writeRows(this.#writer, [data], type))[0] as string);
  }

  /** Stores all rows of a user or none, in one write. Answers their ids in order. */
  async storeMany(rows: readonly MemorizzData[], memoryType: MemoryTypeLike): Promise<string[]> {
    return this.#logged("storeMany", memoryType, (type) => writeRows(this.#writer, rows, type));
  }

  /** With its vector. `null`: there is none of this id. */
  async retrieveById(id: string, memoryType: MemoryTypeLike, options: WhoseOptions = {}): Promise<MemorizzRow | null> {
    return this.#logged("retrieveById", memoryType, async (type) => {
      const found = await this.#find(type, { ids: [id] }, options);
      if (found === undefined) return null;
      const embedding = await this.memory.records.getEmbedding(found.type, found.id, { userId: found.userId, signal: options.signal });
      return toRow(found, { embedding });
    });
  }

  /** The newest of this name. `null`: there is none. */
  async retrieveByName(name: string, memoryType: MemoryTypeLike, options: WhoseOptions = {}): Promise<MemorizzRow | null> {
    return this.#logged("retrieveByName", memoryType, async (type) => {
      const found = await this.#find(type, { name }, options);
      return found === undefined ? null : toRow(found);
    });
  }

  /**
   * Rows by meaning and words (a text, or an object with `query`), by a vector (`embedding`), or by fields alone, newest
   * first. Other fields of the query must be equal. Always a list.
   *
   * @throws DimensionMismatchError for a vector of another length than those stored
   */
  async retrieveByQuery(
    query: string | RetrieveQuery,
    memoryType: MemoryTypeLike,
    options: RetrieveOptions | number = {},
  ): Promise<MemorizzRow[]> {
    const { limit = 1, ...more } = typeof options === "number" ? { limit: options } : options;
    return this.#logged("retrieveByQuery", memoryType, (type) => this.#retrieve(query, type, limit, more));
  }

  /** Embeds the text for you: the rows of a memory that say most about it. */
  async retrieveMemoryComponentsByQuery(options: ComponentsOptions): Promise<MemorizzRow[]> {
    const { query, queryEmbedding, memoryType = MemoryType.CONVERSATION_MEMORY, limit = 5, ...more } = options;
    return this.#logged("retrieveMemoryComponentsByQuery", memoryType, (type) =>
      this.#retrieve({ query, embedding: queryEmbedding }, type, limit, more),
    );
  }

  /** Newest first, without vectors. */
  async listAll(memoryType: MemoryTypeLike, options: ListAllOptions = {}): Promise<MemorizzRow[]> {
    return this.#logged("listAll", memoryType, async (type) => {
      const records = await this.#list(type, { direction: "desc", ...options });
      return records.map((record) => toRow(record));
    });
  }

  /** Whether it was there. Fields that are not given stay. */
  async updateById(id: string, data: MemorizzData, memoryType: MemoryTypeLike): Promise<boolean> {
    return this.#logged("updateById", memoryType, (type) => changeRow(this.#writer, () => this.#find(type, { ids: [id] }, {}), data));
  }

  /** Whether it was there. */
  async deleteById(id: string, memoryType: MemoryTypeLike): Promise<boolean> {
    return this.#logged(
      "deleteById",
      memoryType,
      async (type) => (await this.memory.records.clear({ type: placesOf(type), ids: [id] })) > 0,
    );
  }

  /** Deletes all of this name; whether there were any. */
  async deleteByName(name: string, memoryType: MemoryTypeLike): Promise<boolean> {
    return this.#logged("deleteByName", memoryType, async (type) => (await this.memory.records.clear({ type: placesOf(type), name })) > 0);
  }

  /** Deletes every row of a type, or of a user's. */
  async deleteAll(memoryType: MemoryTypeLike, options: WhoseOptions = {}): Promise<boolean> {
    return this.#logged("deleteAll", memoryType, async (type) => {
      await this.memory.records.clear({ type: placesOf(type), userId: ownerOf(options.userId), signal: options.signal });
      return true;
    });
  }

  /** What was said in a memory, oldest first: by `timestamp` where rows have one, else as they were stored. */
  async retrieveConversationHistoryOrderedByTimestamp(memoryId: string, options: HistoryOptions = {}): Promise<MemorizzRow[]> {
    const { memoryType = MemoryType.CONVERSATION_MEMORY, threadId, ...more } = options;
    return this.#logged("retrieveConversationHistoryOrderedByTimestamp", memoryType, async (type) => {
      const filter = { memory_id: memoryId, ...(threadId !== undefined && { thread_id: threadId }) };
      const records = await this.#list(type, { direction: "desc", filter, ...more });
      return inOrderOfTime(records.reverse()).map((record) => toRow(record));
    });
  }

  /** Stores the settings of an agent. Answers its id. */
  storeMemagent(agent: MemorizzData): Promise<string> {
    const id = agent.id ?? (agent.agent_id as string | undefined);
    return this.store({ ...agent, ...(id !== undefined && { id }) }, MemoryType.MEMAGENT);
  }

  /** The settings of an agent. `null`: there is none of this id. */
  retrieveMemagent(agentId: string): Promise<MemorizzRow | null> {
    return this.retrieveById(agentId, MemoryType.MEMAGENT);
  }

  /** Newest first. */
  listMemagents(options: ListAllOptions = {}): Promise<MemorizzRow[]> {
    return this.listAll(MemoryType.MEMAGENT, options);
  }

  /** Changes which memories an agent has. Whether it was there. */
  updateMemagentMemoryIds(agentId: string, memoryIds: readonly string[]): Promise<boolean> {
    return this.updateById(agentId, { memory_ids: memoryIds }, MemoryType.MEMAGENT);
  }

  /** Leaves an agent without memories; their rows stay. Whether it was there. */
  deleteMemagentMemoryIds(agentId: string): Promise<boolean> {
    return this.updateMemagentMemoryIds(agentId, []);
  }

  /** Deletes an agent; with `cascade` all rows of its memories, too. Whether it was there. */
  async deleteMemagent(agentId: string, cascade = false): Promise<boolean> {
    return this.#logged("deleteMemagent", MemoryType.MEMAGENT, async (type) => {
      const agent = await this.#find(type, { ids: [agentId] }, {});
      if (agent === undefined) return false;
      const { memory_ids: memoryIds } = agent.metadata;
      if (cascade && Array.isArray(memoryIds) && memoryIds.length > 0) {
        const types = [...new Set(Object.values(MemoryType).flatMap(placesOf))].filter((one) => one !== MemoryType.MEMAGENT);
        await this.memory.records.clear({ type: types, filter: { memory_id: memoryIds as string[] } });
      }
      return (await this.memory.records.clear({ type: [type], ids: [agentId] })) > 0;
    });
  }

  /**
   * Brings along what an installation of Memorizz has kept, as rows of this provider. The source is only read. Run twice,
   * nothing doubles and what changed is updated.
   *
   * @throws InvalidArgumentError when the source holds nothing of Memorizz
   * @example
   * await provider.migrateFrom({ from: "postgres://app@localhost/memorizz" });
   */
  migrateFrom(source: Omit<ImportFromSource, "system" | "conversations">, options?: ImportFromOptions): Promise<ImportFromReport> {
    return this.memory.importFrom({ ...source, system: "memorizz", conversations: "rows" }, options);
  }

  /** Finishes what is under way; a client of yours stays open. Safe to call twice. */
  close(): Promise<void> {
    return this.memory.close();
  }

  /** The same as {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // The names as Memorizz's documents write them.
  store_many: MemorizzProvider["storeMany"] = (...call) => this.storeMany(...call);
  retrieve_by_id: MemorizzProvider["retrieveById"] = (...call) => this.retrieveById(...call);
  retrieve_by_name: MemorizzProvider["retrieveByName"] = (...call) => this.retrieveByName(...call);
  retrieve_by_query: MemorizzProvider["retrieveByQuery"] = (...call) => this.retrieveByQuery(...call);
  retrieve_memory_components_by_query: MemorizzProvider["retrieveMemoryComponentsByQuery"] = (...call) =>
    this.retrieveMemoryComponentsByQuery(...call);
  retrieve_conversation_history_ordered_by_timestamp: MemorizzProvider["retrieveConversationHistoryOrderedByTimestamp"] = (...call) =>
    this.retrieveConversationHistoryOrderedByTimestamp(...call);
  list_all: MemorizzProvider["listAll"] = (...call) => this.listAll(...call);
  update_by_id: MemorizzProvider["updateById"] = (...call) => this.updateById(...call);
  delete_by_id: MemorizzProvider["deleteById"] = (...call) => this.deleteById(...call);
  delete_by_name: MemorizzProvider["deleteByName"] = (...call) => this.deleteByName(...call);
  delete_all: MemorizzProvider["deleteAll"] = (...call) => this.deleteAll(...call);
  store_memagent: MemorizzProvider["storeMemagent"] = (...call) => this.storeMemagent(...call);
  retrieve_memagent: MemorizzProvider["retrieveMemagent"] = (...call) => this.retrieveMemagent(...call);
  list_memagents: MemorizzProvider["listMemagents"] = (...call) => this.listMemagents(...call);
  update_memagent_memory_ids: MemorizzProvider["updateMemagentMemoryIds"] = (...call) => this.updateMemagentMemoryIds(...call);
  delete_memagent_memory_ids: MemorizzProvider["deleteMemagentMemoryIds"] = (...call) => this.deleteMemagentMemoryIds(...call);
  migrate_from: MemorizzProvider["migrateFrom"] = (...call) => this.migrateFrom(...call);
  delete_memagent: MemorizzProvider["deleteMemagent"] = (...call) => this.deleteMemagent(...call);

  /** Tells what is called and how long it takes, never what is in it. */
  async #logged<Value>(call: string, memoryType: MemoryTypeLike, work: (type: MemoryType) => Promise<Value>): Promise<Value> {
    const type = checkedType(memoryType);
    const started = performance.now();
    try {
      return await work(type);
    } finally {
      this.#settings.logger?.debug?.(`[memorizz] ${call}`, { type, milliseconds: Math.round(performance.now() - started) });
    }
  }

  async #find(
    type: MemoryType,
    which: { readonly ids?: readonly string[]; readonly name?: string },
    { userId, signal }: WhoseOptions,
  ): Promise<MemoryRecord | undefined> {
    const { items } = await this.memory.records.list({ type: placesOf(type), ...which, userId: ownerOf(userId), limit: 1, signal });
    return items[0];
  }

  get #writer(): RowWriter {
    return { records: this.memory.records, upsertByName: this.#settings.upsertByName, vectorOf: (data) => this.#vectorOf(data) };
  }

  async #retrieve(
    asked: string | RetrieveQuery,
    type: MemoryType,
    limit: number,
    { userId, memoryId, minSimilarity, signal }: Omit<RetrieveOptions, "limit">,
  ): Promise<MemorizzRow[]> {
    const { query, embedding, user_id: owner, ...fields } = typeof asked === "string" ? ({ query: asked } as RetrieveQuery) : asked;
    const whose = userId === undefined ? (owner as string | null | undefined) : userId;
    const conditions = toConditions({ ...fields, ...(memoryId !== undefined && { memory_id: memoryId }) });
    const selection = { type: placesOf(type), ...conditions, userId: ownerOf(whose), signal };
    if (query === undefined && embedding === undefined) {
      const { items } = await this.memory.records.list({ ...selection, limit });
      return items.map((record) => toRow(record));
    }
    const vector = await this.#vectorOf({ embedding });
    const hits = await this.memory.records.query({ ...selection, limit, minSimilarity, text: query, ...vector });
    return hits.map(({ record, scores }) => toRow(record, scores.vector === undefined ? {} : { distance: 1 - scores.vector }));
  }

  async #list(
    type: MemoryType,
    options: ListAllOptions & { readonly direction: "asc" | "desc"; readonly filter?: Readonly<Record<string, string>> },
  ): Promise<MemoryRecord[]> {
    const { limit = Number.POSITIVE_INFINITY, offset = 0, userId, direction, filter, signal } = options;
    if (!(limit >= 1)) throw new InvalidArgumentError("limit", "must be at least 1");
    const found: MemoryRecord[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await this.memory.records.list({
        ...{ type: placesOf(type), userId: ownerOf(userId), direction, filter, cursor, signal },
        limit: Math.min(pageSize, limit - found.length),
        offset: cursor === undefined ? offset : 0,
      });
      found.push(...page.items);
      if (page.nextCursor === undefined || found.length >= limit) return found;
      cursor = page.nextCursor;
    }
  }

  async #vectorOf({ embedding }: Pick<MemorizzData, "embedding">): Promise<RowVector> {
    if (embedding === undefined || embedding === null) return {};
    if (this.#settings.sharesModel) return { embedding };
    if (!Array.isArray(embedding) && !(embedding instanceof Float32Array))
      throw new InvalidArgumentError("embedding", "must be a list of numbers");
    const dimensions = await this.#dimensionsOf(embedding.length);
    if (dimensions !== embedding.length)
      throw new DimensionMismatchError(
        dimensions,
        embedding.length,
        ownModel,
        `[memorizz] vector dimension mismatch: those stored have ${dimensions}, this one ${embedding.length}: use one embedding model, or another schema`,
      );
    return { embedding, embeddingModel: ownModel };
  }

  /** The first vector decides of which length all are, in every process. */
  async #dimensionsOf(wanted: number): Promise<number> {
    if (this.#dimensions !== undefined) return this.#dimensions;
    const { records } = this.memory;
    let space = await records.get(spaceType, ownModel, { userId: nobody });
    if (space === undefined) {
      if (wanted === 0) throw new InvalidArgumentError("embedding", "must not be empty");
      try {
        space = await records.put({ id: ownModel, type: spaceType, metadata: { dimensions: wanted } }, { userId: nobody, ifVersion: 0 });
      } catch (error) {
        if (!isConflict(error)) throw error;
        space = await records.get(spaceType, ownModel, { userId: nobody });
      }
    }
    this.#dimensions = space?.metadata.dimensions as number;
    return this.#dimensions;
  }
}

/** `null` is nobody, undefined everybody. */
const ownerOf = (userId: string | null | undefined): string | undefined => (userId === null ? nobody : userId);
