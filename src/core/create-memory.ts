import { InvalidArgumentError } from "../domain/errors.ts";
import type { FactsOption } from "../domain/facts.ts";
import type { Logger } from "../domain/logger.ts";
import type { Memory, ScopedMemory, ScopeOptions } from "../domain/memory.ts";
import type { MemoryStore } from "../domain/memory-store.ts";
import type { RecordRetention } from "../domain/records.ts";
import type { StoreScope } from "../domain/scope.ts";
import type { SessionStore } from "../domain/session-store.ts";
import type { SummariesOption } from "../domain/summaries.ts";
import type { TitlesOption } from "../domain/titles.ts";
import type { VectorStore } from "../domain/vector-store.ts";
import type { WorkingMemoryOption } from "../domain/working-memory.ts";
import { type EmbeddingChoice, resolveEmbedder } from "../embedders/resolve.ts";
import {
  type ArchiveOption,
  besideSessions,
  companionVectors,
  type RecordsOption,
  recordsOfTheirOwn,
  resolveArchiveStore,
  resolveRecordStore,
  resolveSessionStore,
  resolveVectorStore,
  type SessionsOption,
  type VectorsOption,
} from "../stores/registry.ts";
import type { PostgresSessionStoreOptions } from "../stores/session/postgres.ts";
import { takingRecords } from "../stores/taking-records.ts";
import { addMessages } from "./add-messages.ts";
import { type ArchivableStore, archivedStore } from "./archived-store.ts";
import { composedStore } from "./composed-store.ts";
import { context } from "./context.ts";
import { conversations } from "./conversations.ts";
import { type CoreRecords, coreRecords } from "./core-records.ts";
import { factSettings } from "./facts/settings.ts";
import { facts } from "./facts.ts";
import { forgetting } from "./forgetting.ts";
import { memoryHealth } from "./health.ts";
import { importFrom } from "./import-from.ts";
import { type MemoryCore, memoryCore } from "./memory-core.ts";
import { messages } from "./messages.ts";
import { rateImportance } from "./rate-importance.ts";
import { recall } from "./recall.ts";
import { parseType } from "./records/own-types.ts";
import { recordStats } from "./records/record-stats.ts";
import { records } from "./records.ts";
import { reinforce } from "./reinforcement.ts";
import { runs } from "./runs.ts";
import { makeScope, narrowed } from "./scope.ts";
import { summarySettings } from "./summaries/settings.ts";
import { summaries } from "./summaries.ts";
import { exportMessages, importMessages } from "./transfer.ts";
import { statsOf } from "./user-stats.ts";
import { parseFlag } from "./validate.ts";
import { workingMemoryFormats } from "./working-memory/check-format.ts";
import { workingMemory } from "./working-memory.ts";

/**
 * Where memory lives and how it is searched. Without `sessions`, the fields of a Postgres store may stand here
 * directly: `createMemory({ url })`, `createMemory({ dataDir })`, `createMemory({ client: pool })`.
 */
export interface MemoryOptions extends PostgresSessionStoreOptions {
  /** Where conversations and messages live. @default an embedded Postgres in ./.unforget */
  readonly sessions?: SessionsOption | undefined;
  /**
   * Where vectors live, beside any session store; `false`: nowhere, words alone. @default with the sessions, where they
   * are in postgres, sqlite, redis or memory; else nowhere
   */
  readonly vectors?: VectorsOption | false | undefined;
  /**
   * Where records live: typed memories, facts, summaries, working memory, runs. @default with the sessions, where they are
   * in postgres, sqlite, mongodb or memory; else an embedded Postgres in ./.unforget, made when the first record is written
   * or read
   */
  readonly records?: RecordsOption | undefined;
  /**
   * A copy of every message for analytics and for good, beside the sessions. The worker fills it as it embeds, so it
   * takes an embedding model. @default none
   */
  readonly archive?: ArchiveOption | undefined;
  /** Which model makes vectors; `false`: words alone. @default the built-in model (English, no key, no download) */
  readonly embedding?: EmbeddingChoice;
  /** The hard isolation boundary of handles that name none. @default "default" */
  readonly tenant?: string | undefined;
  readonly runs?: RunsOptions | undefined;
  /**
   * How long records of a type are kept that say nothing of it themselves, e.g. `{ short_term_memory: { keepDays: 7 } }`. Holds
   * for what is put from then on. @default kept for good
   */
  readonly retention?: Readonly<Record<string, RecordRetention>> | undefined;
  /** How facts are kept, and whether they are read out of messages. @default kept by hand */
  readonly facts?: FactsOption | undefined;
  /** How notes look: after a template, or as a schema wants them. @default free text */
  readonly working?: WorkingMemoryOption | undefined;
  /** Summarises conversations in the background, as they grow. @default made by `summaries.create` alone */
  readonly summaries?: SummariesOption | false | undefined;
  /**
   * `"background"` embeds, makes titles, reads facts and summarises in this process as messages arrive; `"manual"` leaves
   * all of it to `flush()`, and vectors also to a worker process (serverless). @default "background"
   */
  readonly worker?: "background" | "manual" | undefined;
  /**
   * Where conversations that are given no title have one from: `"first-message"`, or `{ model }` with an AI SDK language
   * model (the first message until the model has answered, in the background). @default false
   */
  readonly titles?: TitlesOption | undefined;
  readonly logger?: Logger | undefined;
}

/** How long what agents and workflows did is kept. */
export interface RunsOptions {
  /** So many days after its start a run is gone, with its steps and events. Above 0. @default kept for good */
  readonly keepDays?: number | undefined;
}

/**
 * Makes a memory. Does no I/O: it connects on first use, or in `ready()`. Reads no environment itself; what the URL of a
 * Postgres server leaves open (user, password, database, host, TLS), `pg` takes from PGUSER, PGPASSWORD, PGDATABASE, PGHOST
 * and PGSSLMODE.
 *
 * @throws InvalidArgumentError for options that contradict each other or cannot be right
 * @example
 * const memory = createMemory();
 * const mine = memory.scope({ userId: "user-123" });
 * await mine.addMessages("conversation-1", "My name is Priya and I am building a Rust compiler.");
 * const hits = await mine.recall("What am I building?");
 */
export function createMemory(options: MemoryOptions = {}): Memory {
  const {
    sessions,
    vectors,
    records: recordsOption,
    archive,
    embedding,
    tenant = "default",
    runs: runsOptions,
    retention,
    facts: factsOption,
    summaries: summariesOption,
    working,
    worker = "background",
    logger,
    titles,
    ...short
  } = options;
  if (worker !== "background" && worker !== "manual") throw new InvalidArgumentError("worker", 'must be "background" or "manual"');
  const store = resolveStore(sessions, vectors, short, logger);
  const embedder = resolveEmbedder(embedding);
  const whole = archive === undefined ? store : withArchive(store, archive, embedder !== undefined);
  const kept = resolveRecords(recordsOption, store);
  const core = memoryCore({
    store: whole,
    records: kept,
    deletions: kept.isShared ? whole : takingRecords(whole, kept.openToDelete),
    runsKeptMs: keptMs("runs.keepDays", runsOptions),
    recordsKeptMs: recordsKeptMs(retention),
    facts: factSettings(factsOption),
    notes: workingMemoryFormats(working),
    summaries: summarySettings(summariesOption),
    embedder,
    tenant: makeScope(tenant, {}).tenant,
    logger,
    worker,
    titles: titles ?? false,
  });
  const close = () => core.close();
  return {
    ...handle(core, makeScope(tenant, {})),
    scope: (scope: ScopeOptions) => handle(core, makeScope(tenant, scope)),
    ready: async (call) => {
      call?.signal?.throwIfAborted();
      await Promise.all([core.open(), core.records.isLazy ? undefined : core.records.open()]);
    },
    async flush(call) {
      const all = parseFlag("all", call?.all) ?? false;
      await core.open();
      await core.queue.drain();
      await core.titles.flush();
      await core.reading.flush({ all });
      await core.summarizing.flush({ all });
      await core.worker.flush(call?.signal);
      await core.recordEmbedding.flush(call?.signal);
    },
    async stats(call = {}) {
      const scope = narrowed(makeScope(tenant, {}), { userId: call.userId });
      await core.open();
      const { embedder, store } = core;
      return {
        ...(await statsOf(store, scope, call.signal)),
        records: await recordStats(core, scope, call.signal),
        embedding: embedder === undefined ? undefined : { model: embedder.model, dimensions: embedder.dimensions },
        store: store.name,
      };
    },
    async importFrom(source, call = {}) {
      const { openSource } = await import("../importers/systems/open-source.ts");
      return core.finished(importFrom(core, makeScope(tenant, {}), await openSource(source), call));
    },
    health: (call) => memoryHealth(core, call?.signal),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function resolveStore(
  given: SessionsOption | undefined,
  vectors: VectorsOption | false | undefined,
  short: PostgresSessionStoreOptions,
  logger: Logger | undefined,
): MemoryStore {
  const [extra] = Object.entries(short).filter(([, value]) => value !== undefined);
  if (given !== undefined && extra !== undefined) throw new InvalidArgumentError(extra[0], "belongs inside `sessions` when that is given");
  const sessions = given ?? { store: "postgres", ...short };
  const store = resolveSessionStore(sessions);
  const beside = vectors === false ? undefined : resolveVectors(vectors, sessions);
  // Postgres ranks both legs in one statement when it keeps both.
  if (beside === undefined && "recall" in store && vectors !== false) return store;
  return composedStore(store as SessionStore, beside, logger);
}

function resolveVectors(vectors: VectorsOption | undefined, sessions: SessionsOption): VectorStore | undefined {
  const chosen = vectors === undefined ? undefined : besideSessions(vectors, sessions);
  return chosen === undefined ? companionVectors(sessions) : resolveVectorStore(chosen);
}

function resolveRecords(given: RecordsOption | undefined, { records }: MemoryStore): CoreRecords {
  if (given !== undefined) return coreRecords({ store: resolveRecordStore(given), isShared: false });
  if (records !== undefined) return coreRecords({ store: records, isShared: true });
  return coreRecords({ ...recordsOfTheirOwn(), isShared: false });
}

function keptMs(field: string, { keepDays }: RunsOptions = {}): number | undefined {
  if (keepDays !== undefined && !(keepDays > 0 && Number.isFinite(keepDays)))
    throw new InvalidArgumentError(field, "must be a number above 0");
  return keepDays === undefined ? undefined : keepDays * 86_400_000;
}

function recordsKeptMs(retention: MemoryOptions["retention"] = {}): ReadonlyMap<string, number> {
  const kept = Object.entries(retention).map(([type, { keepDays }]) => {
    const field = `retention.${parseType(type)}.keepDays`;
    if (typeof keepDays !== "number") throw new InvalidArgumentError(field, "is required: a number of days above 0");
    return [type, keptMs(field, { keepDays }) as number] as const;
  });
  return new Map(kept);
}

function withArchive(store: MemoryStore, archive: ArchiveOption, embeds: boolean): MemoryStore {
  if (!embeds) throw new InvalidArgumentError("archive", "is filled by the worker that embeds: choose an embedding model too");
  if (!("getMessages" in store)) throw new InvalidArgumentError("archive", "needs a session store that can give messages by name");
  return archivedStore(store as ArchivableStore, resolveArchiveStore(archive));
}

/** The calls of one scope. An administrator's scope names no user. */
function handle(core: MemoryCore, scope: StoreScope): ScopedMemory {
  return {
    addMessages: (conversationId, input, options = {}) => core.finished(addMessages(core, scope, conversationId, input, options)),
    async recall(query, options = {}) {
      const within = narrowed(scope, options);
      if (within.userId === undefined && options.allUsers !== true) {
        throw new InvalidArgumentError("userId", "is required: pass userId, use memory.scope({ userId }), or say allUsers: true");
      }
      return recall(core, within, query, options);
    },
    context: (options = {}) => context(core, scope, options),
    rateImportance: (options = {}) => core.finished(rateImportance(core, scope, options)),
    reinforce: (memories, options) => core.finished(reinforce(core, scope, memories, options?.signal)),
    conversations: conversations(core, scope),
    messages: messages(core, scope),
    records: records(core, scope),
    runs: runs(core, scope),
    facts: facts(core, scope),
    summaries: summaries(core, scope),
    forgetting: forgetting(core, scope),
    working: workingMemory(core, scope),
    export: (options = {}) => exportMessages(core, narrowed(scope, options), options.signal),
    import: (lines, options = {}) => importMessages(core, scope, lines, options),
    async erase(options = {}) {
      const within = narrowed(scope, options);
      if (within.userId === undefined) throw new InvalidArgumentError("userId", "is required: whose memory shall be erased?");
      await core.open();
      await core.queue.drain();
      return core.deletions.erase(within, { compact: options.compact ?? false }, options.signal);
    },
  };
}
