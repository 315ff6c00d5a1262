import type { Embedder } from "../../domain/embedder.ts";
import { EmbeddingError, MemoryError } from "../../domain/errors.ts";
import type { Logger } from "../../domain/logger.ts";
import { phraseRecord } from "../../domain/phrasing.ts";
import type { RecordVectorEntry, RecordVectors, StoredRecord } from "../../domain/record-store.ts";
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
  /** Works until no vector is missing. Rejects with the model's error, and that of a text it does not take. */
  flush(signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

const gatherMs = 25;
/** How often a background worker looks for what another process left behind. */
const patrolMs = 15_000;
const firstRetryMs = 1_000;
const longestRetryMs = 300_000;
/** How long a text is left alone that the model did not take while it took others. */
const refusedMs = 300_000;

export function recordEmbedding({ records, embedder, logger, isBackground }: RecordEmbeddingOptions): RecordEmbedding {
  const closing = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let dueAt = Number.POSITIVE_INFINITY;
  let turn: Promise<unknown> = Promise.resolve();
  let failures = 0;
  /** Texts the model did not take, until when they are left alone. */
  const refused = new Map<string, number>();

  /** What is missing next. No connection is held while the model works. */
  async function next(vectors: RecordVectors, { model, maxBatchSize }: Embedder, signal: AbortSignal): Promise<StoredRecord[]> {
    for (const [key, until] of refused) if (until <= Date.now()) refused.delete(key);
    const missing = await vectors.missing(model, maxBatchSize + refused.size, signal);
    return missing.filter((record) => !refused.has(keyOf(record))).slice(0, maxBatchSize);
  }

  /** Embeds all that is missing. Answers the error of a text that the model did not take, where it took others. */
  async function workAll(signal: AbortSignal): Promise<unknown> {
    const store = embedder && (await records.openToDelete());
    if (embedder === undefined || store?.vectors === undefined) return undefined;
    const pass: Pass = { embedder, vectors: store.vectors, signal, refusals: [], hasWorked: false, failedLast: false };
    try {
      for (let batch = await next(pass.vectors, embedder, signal); batch.length > 0; batch = await next(pass.vectors, embedder, signal)) {
        await embedBatch(pass, batch, (record) => refused.set(keyOf(record), Date.now() + refusedMs));
        signal.throwIfAborted();
      }
      if (pass.refusals.length > 0 && !pass.hasWorked) throw pass.refusals[0];
    } catch (error) {
      // It is the model that fails, not one text.
      if (!pass.hasWorked) refused.clear();
      throw error;
    }
    failures = 0;
    return pass.refusals[0];
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
      const refusal = await workAll(closing.signal);
      if (refusal !== undefined)
        logger?.warn("[records] the embedding model does not take a text: words find it, and it is tried again", {
          reason: reasonOf(refusal),
        });
      schedule(patrolMs);
    } catch (error) {
      if (closing.signal.aborted) return;
      const wait = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures, 16)) * (0.8 + 0.4 * Math.random());
      failures++;
      const reason = reasonOf(error);
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
      await inTurn(async () => {
        refused.clear();
        const refusal = await workAll(either);
        if (refusal !== undefined) throw refusal;
      });
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

const keyOf = ({ tenant, userId, type, id }: StoredRecord) => JSON.stringify([tenant, userId, type, id]);

const reasonOf = (error: unknown) => (MemoryError.isInstance(error) ? error.message : "the embedding model failed");

/** One time through all that is missing. */
interface Pass {
  readonly embedder: Embedder;
  readonly vectors: RecordVectors;
  readonly signal: AbortSignal;
  readonly refusals: unknown[];
  hasWorked: boolean;
  /** Whether the model has refused the text before: two in a row, and it takes none. */
  failedLast: boolean;
}

/** Of a batch that fails, each half by itself, down to the text that is to blame: the others do not wait for it. */
async function embedBatch(pass: Pass, batch: readonly StoredRecord[], refuse: (record: StoredRecord) => void): Promise<void> {
  try {
    await pass.vectors.set(await embed(pass.embedder, batch, pass.signal), pass.signal);
    pass.hasWorked = true;
    pass.failedLast = false;
  } catch (error) {
    const isDown = MemoryError.isInstance(error) && error.retryable;
    if (pass.signal.aborted || isDown || (pass.failedLast && !pass.hasWorked)) throw error;
    const half = Math.ceil(batch.length / 2);
    if (batch.length > 1) {
      await embedBatch(pass, batch.slice(0, half), refuse);
      return embedBatch(pass, batch.slice(half), refuse);
    }
    pass.failedLast = true;
    pass.refusals.push(error);
    refuse(batch[0] as StoredRecord);
  }
}

async function embed(embedder: Embedder, batch: readonly StoredRecord[], signal: AbortSignal): Promise<RecordVectorEntry[]> {
  const made = await embedder.embed(batch.map(phrase), { purpose: "document", signal });
  if (made.length !== batch.length)
    throw new EmbeddingError(embedder.model, `gave ${made.length} vectors for ${batch.length} texts: check the model`);
  return batch.map((record, index) => {
    const values = made[index] as Float32Array;
    if (values.some((value) => !Number.isFinite(value)))
      throw new EmbeddingError(embedder.model, "gave a vector that holds what is no number: check the model");
    // A text without a known word has no direction: it is found by words alone.
    return { record, model: embedder.model, values: values.some((value) => value !== 0) ? values : undefined };
  });
}
