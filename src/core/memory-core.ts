import type { Embedder } from "../domain/embedder.ts";
import { DimensionMismatchError, InvalidArgumentError } from "../domain/errors.ts";
import type { Logger } from "../domain/logger.ts";
import type { EmbeddingSpace, MemoryStore } from "../domain/memory-store.ts";
import type { TitlesOption } from "../domain/titles.ts";
import { KeyedQueue } from "../internal/keyed-queue.ts";
import { once } from "../internal/once.ts";
import { type AppendQueue, appendQueue } from "./append-queue.ts";
import type { CoreRecords } from "./core-records.ts";
import { type EmbeddingWorker, embeddingWorker } from "./embedding-worker.ts";
import { type BackgroundReading, backgroundReading } from "./facts/background-reading.ts";
import type { FactSettings } from "./facts/settings.ts";
import { takingFacts } from "./facts/taking-facts.ts";
import { type RecordEmbedding, recordEmbedding } from "./records/record-embedding.ts";
import { type BackgroundSummaries, backgroundSummaries } from "./summaries/background-summaries.ts";
import { forgettingStore } from "./summaries/forgetting-store.ts";
import type { SummarySettings } from "./summaries/settings.ts";
import { makeTitles, type Titles } from "./titles.ts";
import type { WorkingMemoryFormats } from "./working-memory/check-format.ts";

/** What every handle of one memory shares. */
export interface MemoryCore {
  readonly store: MemoryStore;
  readonly records: CoreRecords;
  /** Of the store, taking along the records that hang on what is deleted. */
  readonly deletions: Pick<MemoryStore, "deleteConversation" | "erase">;
  /** Undefined: runs are kept for good. */
  readonly runsKeptMs: number | undefined;
  /** By type, how long records are kept that say nothing of it. */
  readonly recordsKeptMs: ReadonlyMap<string, number>;
  readonly facts: FactSettings;
  /** Who changes the same record in this process waits for each other. */
  readonly writers: KeyedQueue;
  readonly embedder: Embedder | undefined;
  readonly queue: AppendQueue;
  readonly worker: EmbeddingWorker;
  /** Makes the vectors of records. */
  readonly recordEmbedding: RecordEmbedding;
  readonly titles: Titles;
  /** Reads facts out of messages as they are stored. */
  readonly reading: BackgroundReading;
  /** How notes look. */
  readonly notes: WorkingMemoryFormats;
  readonly summaries: SummarySettings;
  /** Summarises conversations as they grow. */
  readonly summarizing: BackgroundSummaries;
  readonly tenant: string;
  readonly logger: Logger | undefined;
  /** Connects and migrates on first use; a failure is forgotten. */
  open(): Promise<void>;
  /** Makes sure that vectors of this length may be stored and compared. */
  useSpace(dimensions: number): Promise<void>;
  /** Makes {@link close} wait for a write, from its first step on. */
  finished<Value>(write: Promise<Value>): Promise<Value>;
  close(): Promise<void>;
}

export interface MemoryCoreOptions {
  readonly store: MemoryStore;
  readonly records: CoreRecords;
  readonly deletions: MemoryCore["deletions"];
  readonly runsKeptMs: number | undefined;
  readonly recordsKeptMs: ReadonlyMap<string, number>;
  readonly facts: FactSettings;
  readonly notes: WorkingMemoryFormats;
  readonly summaries: SummarySettings;
  readonly embedder: Embedder | undefined;
  readonly tenant: string;
  readonly logger: Logger | undefined;
  readonly worker: "background" | "manual";
  readonly titles: TitlesOption;
}

export function memoryCore(options: MemoryCoreOptions): MemoryCore {
  const {
    records,
    deletions,
    runsKeptMs,
    recordsKeptMs,
    facts,
    notes,
    summaries,
    embedder,
    tenant,
    logger,
    worker: mode,
    titles: wanted,
  } = options;
  const isManual = mode === "manual";
  const writers = new KeyedQueue();
  const store = forgettingStore({ store: options.store, records, background: () => summarizing });
  const summarizing = backgroundSummaries({ core: { store, records, writers }, settings: summaries, tenant, logger, isManual });
  let space: EmbeddingSpace | undefined;
  const adopt = async (wanted: EmbeddingSpace) => {
    if (space?.dimensions === wanted.dimensions) return;
    if (space !== undefined) throw new DimensionMismatchError(space.dimensions, wanted.dimensions, space.model);
    await store.useSpace(wanted);
    space = wanted;
  };
  const worker = embeddingWorker({ store, embedder, logger, useSpace: adopt, isBackground: mode === "background" });
  const ofRecords = recordEmbedding({ records, embedder, logger, isBackground: mode === "background" });
  const titles = makeTitles({ titles: wanted, store, logger, isManual });
  const reading = backgroundReading({ core: { store, records, writers, facts, recordEmbedding: ofRecords }, tenant, logger, isManual });
  const queue = appendQueue(store);
  const writes = new Set<Promise<unknown>>();
  const open = once(async () => {
    await store.open();
    if (embedder?.dimensions !== undefined) await adopt({ model: embedder.model, dimensions: embedder.dimensions });
    worker.wake();
    ofRecords.resume();
    reading.resume();
  });
  return {
    store,
    records,
    deletions: takingFacts({ store, records, writers, deletions }),
    runsKeptMs,
    recordsKeptMs,
    facts,
    writers,
    embedder,
    queue,
    worker,
    recordEmbedding: ofRecords,
    titles,
    reading,
    notes,
    summaries,
    summarizing,
    tenant,
    logger,
    open,
    async useSpace(dimensions) {
      if (embedder === undefined) {
        throw new InvalidArgumentError(
          "embedding",
          'this memory has no embedding model: open it with one, or with embedding: { provider: "caller", model, dimensions } for vectors of your own',
        );
      }
      await adopt({ model: embedder.model, dimensions });
    },
    async finished(write) {
      writes.add(write);
      try {
        return await write;
      } finally {
        writes.delete(write);
      }
    },
    close: once(async () => {
      await Promise.allSettled(writes);
      await queue.drain();
      await titles.close();
      await reading.close();
      await summarizing.close();
      await worker.close();
      await ofRecords.close();
      await embedder?.close?.();
      await records.close();
      await store.close();
    }),
  };
}
