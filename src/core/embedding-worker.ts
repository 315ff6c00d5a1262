import type { Embedder } from "../domain/embedder.ts";
import { EmbeddingError, MemoryError } from "../domain/errors.ts";
import type { Logger } from "../domain/logger.ts";
import type { EmbeddingSpace, MemoryStore, OwedItem, SettledItem } from "../domain/memory-store.ts";
import { phraseMessage } from "../domain/phrasing.ts";
import { contextWords } from "../domain/search-text.ts";

export interface EmbeddingWorkerOptions {
  readonly store: MemoryStore;
  /** Without one, only the words of earlier turns are added to the word index. */
  readonly embedder: Embedder | undefined;
  /** Called with the space of the first vectors made, before they are stored. */
  readonly useSpace: (space: EmbeddingSpace) => Promise<void>;
  readonly logger: Logger | undefined;
  /** Whether it works by itself; else only {@link EmbeddingWorker.flush} does. */
  readonly isBackground: boolean;
}

export interface EmbeddingWorker {
  /** There may be work. Returns at once. */
  wake(): void;
  /** Works until nothing is owed. Rejects with the model's error when a piece of work fails; it stays owed. */
  flush(signal?: AbortSignal): Promise<void>;
  /** Finishes the batch under way and stops. */
  close(): Promise<void>;
}

/** A lease is this long and renewed at a third of it: what a killed process held is free again soon. */
const leaseMs = 10_000;
/** Items a lease takes, in calls of the embedder's batch size. */
const leaseItems = 512;
/** After a write, wait this long for more to come. */
const gatherMs = 25;
/** How often a background worker looks for what another process left behind. */
const patrolMs = 15_000;
const firstRetryMs = 1_000;
const longestRetryMs = 300_000;

/** Embeds what is owed, in batches, outside of any transaction. No connection is held while the model works. */
export function embeddingWorker(options: EmbeddingWorkerOptions): EmbeddingWorker {
  const { store, embedder, logger } = options;
  const closing = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  /** One batch at a time in this process. */
  function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const next = turn.then(work, work);
    turn = next.catch(() => {});
    return next;
  }

  async function workOnce(failed: boolean, signal: AbortSignal): Promise<{ readonly done: number; readonly error: unknown }> {
    const items = await store.leaseOwed(leaseItems, leaseMs, { vectors: embedder !== undefined, failed }, signal);
    if (items.length === 0) return { done: 0, error: undefined };
    const renewal = setInterval(() => void store.renewOwed(items, leaseMs).catch(() => {}), leaseMs / 3);
    renewal.unref();
    try {
      const errors = await inParallel(chunk(items, embedder?.maxBatchSize ?? leaseItems), embedder?.maxParallelCalls ?? 1, (batch) =>
        settle(batch, signal),
      );
      return { done: items.length, error: errors.find((error) => error !== undefined) };
    } finally {
      clearInterval(renewal);
    }
  }

  /** Embeds and stores one batch; what fails is given back with a time to try again. Returns the error instead of throwing it. */
  async function settle(batch: readonly OwedItem[], signal: AbortSignal): Promise<unknown> {
    try {
      await store.settleOwed(await make(batch, signal));
      return undefined;
    } catch (error) {
      if (signal.aborted) return error;
      const attempts = Math.max(...batch.map((item) => item.attempts));
      // A non-retryable failure (a wrong key) is tried again too, only later: it may be put right meanwhile.
      const patience = MemoryError.isInstance(error) && !error.retryable ? 8 : 1;
      const wait = Math.min(longestRetryMs, firstRetryMs * patience * 2 ** Math.min(attempts - 1, 16)) * (0.8 + 0.4 * Math.random());
      const reason = MemoryError.isInstance(error) ? error.message : "the embedding model failed";
      logger?.warn("[worker] embedding failed: it will be tried again", {
        messages: batch.length,
        attempts,
        retryInMs: Math.round(wait),
        reason,
      });
      await store.failOwed(batch, reason, new Date(Date.now() + wait)).catch(() => {});
      return error;
    }
  }

  async function make(batch: readonly OwedItem[], signal: AbortSignal): Promise<SettledItem[]> {
    const wanting = embedder === undefined ? [] : batch.filter((item) => item.needsVector);
    const vectors = new Map<OwedItem, Float32Array>();
    if (embedder !== undefined && wanting.length > 0) {
      const made = await embedder.embed(
        wanting.map((item) => phraseMessage({ role: item.role, name: item.name ?? undefined, text: item.text })),
        { purpose: "document", signal },
      );
      if (made.length !== wanting.length)
        throw new EmbeddingError(embedder.model, `gave ${made.length} vectors for ${wanting.length} texts: check the model`);
      const dimensions = made[0]?.length ?? 0;
      if (made.some((vector) => vector.length !== dimensions))
        throw new EmbeddingError(embedder.model, "gave vectors of several lengths: check the model");
      await options.useSpace({ model: embedder.model, dimensions });
      wanting.forEach((item, index) => {
        const vector = made[index] as Float32Array;
        // A text without a known word has no direction: it is found by words alone.
        if (vector.some((value) => value !== 0)) vectors.set(item, vector);
      });
    }
    return batch.map((item) => ({
      item,
      vector: vectors.get(item),
      context: item.needsContext ? contextWords(item.previous) : undefined,
      isDone: !item.needsVector || embedder !== undefined,
    }));
  }

  function schedule(delayMs: number): void {
    if (closing.signal.aborted || !options.isBackground) return;
    clearTimeout(timer);
    timer = setTimeout(() => void inTurn(background), delayMs);
    // Waiting never keeps a process alive; a batch under way does, by its sockets.
    timer.unref();
  }

  async function background(): Promise<void> {
    try {
      for (;;) {
        if (closing.signal.aborted) return;
        const { done } = await workOnce(false, closing.signal);
        if (done === 0) break;
      }
      await store.maintain?.(closing.signal);
      const { nextDueInMs } = await store.owed(embedder !== undefined, closing.signal);
      schedule(Math.min(patrolMs, Math.max(gatherMs, nextDueInMs ?? patrolMs)));
    } catch (error) {
      if (closing.signal.aborted) return;
      logger?.warn("[worker] the store could not be reached: it will be tried again", {
        reason: MemoryError.isInstance(error) ? error.message : String(error),
      });
      schedule(patrolMs);
    }
  }

  return {
    wake: () => schedule(gatherMs),
    async flush(signal) {
      const either = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);
      for (;;) {
        either.throwIfAborted();
        const { done, error } = await inTurn(() => workOnce(true, either));
        if (error !== undefined) throw error;
        if (done > 0) continue;
        const owed = await store.owed(embedder !== undefined, either);
        if (owed.count === 0) break;
        // Another process holds the rest: it finishes, or its lease runs out.
        await new Promise((resolve) => setTimeout(resolve, Math.min(250, Math.max(10, owed.nextDueInMs ?? 10))));
      }
      await store.maintain?.(either);
    },
    async close() {
      clearTimeout(timer);
      closing.abort(new MemoryError("closed", "[memory] was closed"));
      await turn;
    },
  };
}

function chunk<Item>(items: readonly Item[], size: number): Item[][] {
  const chunks: Item[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
}

/** Runs `work` over all, at most `limit` at once; results in order. */
async function inParallel<Item, Result>(items: readonly Item[], limit: number, work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index] as Item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return results;
}
