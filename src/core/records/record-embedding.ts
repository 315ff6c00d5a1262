import type { Embedder } from "../../domain/embedder.ts";
import { EmbeddingError, MemoryError } from "../../domain/errors.ts";
import type { Logger } from "../../domain/logger.ts";
import { phraseRecord } from "../../domain/phrasing.ts";
import type { RecordVectorEntry, StoredRecord } from "../../domain/record-store.ts";
import type { CoreRecords } from "../core-records.ts";
import { factType } from "../facts/fact-record.ts";

export interface RecordEmbeddingOptions {
  readonly records: CoreRecords;
  readonly embedder: Embedder | undefined;
  readonly logger: Logger | undefined;
  /** Whether it works by itself; else only {@link RecordEmbedding.flush} does. */
  readonly isBackground: boolean;
}

/** Makes the vectors that records want. What is missing is seen by the records themselves, so nothing is owed twice. */
export interface RecordEmbedding {
  /** There may be work. Returns at once. */
  wake(): void;
  /** Looks once whether another process has left work behind, without making a place for records. */
  resume(): void;
  /** Works until no vector is missing. Rejects with the model's error. */
  flush(signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

const gatherMs = 25;
/** How often a background worker looks for what another process left behind. */
const patrolMs = 15_000;
const firstRetryMs = 1_000;
const longestRetryMs = 300_000;

export function recordEmbedding({ records, embedder, logger, isBackground }: RecordEmbeddingOptions): RecordEmbedding {
  const closing = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let dueAt = Number.POSITIVE_INFINITY;
  let turn: Promise<unknown> = Promise.resolve();
  let failures = 0;

  /** Embeds one batch; whether there was any. No connection is held while the model works. */
  async function workOnce(signal: AbortSignal): Promise<boolean> {
    if (embedder === undefined) return false;
    const store = await records.openToDelete();
    if (store?.vectors === undefined) return false;
    const missing = await store.vectors.missing(embedder.model, embedder.maxBatchSize, signal);
    if (missing.length === 0) return false;
    await store.vectors.set(await embed(embedder, missing, signal), signal);
    return true;
  }

  async function workAll(signal: AbortSignal): Promise<void> {
    while (await workOnce(signal)) signal.throwIfAborted();
    failures = 0;
  }

  /** One at a time in this process. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const next = turn.then(work, work);
    turn = next.catch(() => {});
    return next;
  }

  function schedule(delayMs: number): void {
    if (closing.signal.aborted || !isBackground || embedder === undefined) return;
    const at = Date.now() + delayMs;
    // While the model fails, what is written does not make it asked more often.
    if (timer !== undefined && (failures > 0 || dueAt <= at)) return;
    clearTimeout(timer);
    dueAt = at;
    timer = setTimeout(() => {
      timer = undefined;
      void inTurn(background);
    }, delayMs);
    timer.unref();
  }

  async function background(): Promise<void> {
    try {
      await workAll(closing.signal);
      schedule(patrolMs);
    } catch (error) {
      if (closing.signal.aborted) return;
      const wait = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures, 16)) * (0.8 + 0.4 * Math.random());
      failures++;
      const reason = MemoryError.isInstance(error) ? error.message : "the embedding model failed";
      logger?.warn("[records] embedding failed: it will be tried again", { attempts: failures, retryInMs: Math.round(wait), reason });
      schedule(wait);
    }
  }

  return {
    wake: () => schedule(gatherMs),
    resume: () => {
      if (!records.isLazy) schedule(gatherMs);
    },
    async flush(signal) {
      const either = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);
      await inTurn(() => workAll(either));
    },
    async close() {
      clearTimeout(timer);
      closing.abort(new MemoryError("closed", "[memory] was closed"));
      await turn;
    },
  };
}

/** The name of a fact is the key of its timeline: it says nothing. */
const phrase = ({ type, name, content }: StoredRecord): string => phraseRecord({ name: type === factType ? undefined : name, content });

async function embed(embedder: Embedder, batch: readonly StoredRecord[], signal: AbortSignal): Promise<RecordVectorEntry[]> {
  const made = await embedder.embed(batch.map(phrase), { purpose: "document", signal });
  if (made.length !== batch.length)
    throw new EmbeddingError(embedder.model, `gave ${made.length} vectors for ${batch.length} texts: check the model`);
  return batch.map((record, index) => {
    const values = made[index] as Float32Array;
    // A text without a known word has no direction: it is found by words alone.
    return { record, model: embedder.model, values: values.some((value) => value !== 0) ? values : undefined };
  });
}
