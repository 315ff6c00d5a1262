import { BackendError, DimensionMismatchError } from "../../domain/errors.ts";
import { matchesFilter } from "../../domain/filter.ts";
import type { VectorGuarantees } from "../../domain/guarantees.ts";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { StoreScope } from "../../domain/scope.ts";
import type { VectorEntry, VectorMatch, VectorQuery, VectorSelection, VectorStore } from "../../domain/vector-store.ts";

/** There is nothing to set; a type of its own so that options can be added. */
// biome-ignore lint/suspicious/noEmptyInterface: filled when there is an option
export interface MemoryVectorStoreOptions {}

interface Row {
  readonly entry: VectorEntry;
  /** 1 / length of the vector. */
  readonly scale: number;
}

/** The rows of one user, by conversation and message. */
type Rows = Map<string, Row>;

const guarantees: VectorGuarantees = {
  durable: { level: "not offered", why: "the vectors are in the memory of this process alone" },
  exact: "required",
  isolated: "required",
  readYourWrites: "required",
  deleted: "required",
  filters: "required",
};

/**
 * Vectors in the memory of this process: every vector of a scope is compared, so that answers are exact. Nothing bounds
 * how many it holds (4 bytes a dimension and about 500 a message), and they are gone with the process.
 */
export function memoryVectorStore(_options: MemoryVectorStoreOptions = {}): VectorStore {
  const tenants = new Map<string, Map<string, Rows>>();
  let space: EmbeddingSpace | undefined;
  let closed = false;

  function begin(operation: string, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (closed) throw new BackendError("memory", operation, "the store was closed: make a new one", { code: "closed" });
  }

  function checkLength(vector: Float32Array): void {
    if (space === undefined) throw new BackendError("memory", "upsert", "no embedding space was chosen: call useSpace first");
    if (vector.length !== space.dimensions) throw new DimensionMismatchError(space.dimensions, vector.length, space.model);
  }

  function rowsOf(tenant: string, userId: string): Rows {
    const users = getOrMake(tenants, tenant, () => new Map<string, Rows>());
    return getOrMake(users, userId, () => new Map<string, Row>());
  }

  function* rowsIn({ tenant, userId, resourceId }: StoreScope): Generator<Row> {
    const users = tenants.get(tenant);
    if (users === undefined) return;
    for (const rows of userId === undefined ? users.values() : [users.get(userId) ?? new Map<string, Row>()])
      for (const row of rows.values()) if (resourceId === undefined || row.entry.resourceId === resourceId) yield row;
  }

  function* scoredRows(query: VectorQuery): Generator<ScoredRow> {
    const scale = 1 / lengthOf(query.vector);
    for (const row of rowsIn(query.scope)) {
      if (!isWanted(row.entry, query)) continue;
      const cosine = dot(row.entry.vector, query.vector) * row.scale * scale;
      yield { row, similarity: Math.min(1, Math.max(-1, cosine)) };
    }
  }

  return {
    name: "memory",
    guarantees,

    async open(signal) {
      begin("open", signal);
    },
    async close() {
      closed = true;
      tenants.clear();
    },
    async health() {
      const problem = closed ? "the store was closed" : undefined;
      return { ok: !closed, store: "memory", latencyMs: 0, versions: {}, problem };
    },

    async useSpace(wanted, signal) {
      begin("useSpace", signal);
      if (tenants.size > 0 && space !== undefined) checkSpace(space, wanted);
      space = { model: wanted.model, dimensions: wanted.dimensions };
    },

    async upsert(entries, signal) {
      begin("upsert", signal);
      for (const { vector } of entries) checkLength(vector);
      for (const entry of entries) {
        const copy: VectorEntry = {
          ...entry,
          createdAt: new Date(entry.createdAt),
          metadata: structuredClone(entry.metadata),
          vector: entry.vector.slice(),
        };
        rowsOf(entry.tenant, entry.userId).set(keyOf(entry.conversationId, entry.messageId), {
          entry: copy,
          scale: 1 / lengthOf(copy.vector),
        });
      }
    },

    async query(query, signal) {
      begin("query", signal);
      checkLength(query.vector);
      return nearest(scoredRows(query), query.limit).map(({ row, similarity }) => toMatch(row.entry, similarity));
    },

    async delete(selection, signal) {
      begin("delete", signal);
      const users = tenants.get(selection.tenant);
      if (users === undefined) return;
      for (const userId of selection.userId === undefined ? [...users.keys()] : [selection.userId]) {
        const rows = users.get(userId);
        if (rows === undefined) continue;
        forget(rows, selection);
        if (rows.size === 0) users.delete(userId);
      }
      if (users.size === 0) tenants.delete(selection.tenant);
    },

    async count(scope, signal) {
      begin("count", signal);
      let count = 0;
      for (const _ of rowsIn(scope)) count++;
      return count;
    },
  };
}

function checkSpace(held: EmbeddingSpace, wanted: EmbeddingSpace): void {
  if (held.model === wanted.model && held.dimensions === wanted.dimensions) return;
  throw new DimensionMismatchError(
    held.dimensions,
    wanted.dimensions,
    held.model,
    `[memory] holds vectors of "${held.model}" (${held.dimensions} dimensions), and "${wanted.model}" (${wanted.dimensions}) cannot be compared with them: make a new store for the new model`,
  );
}

function forget(rows: Rows, { conversationId, messageIds }: VectorSelection): void {
  if (conversationId !== undefined && messageIds !== undefined) {
    for (const messageId of messageIds) rows.delete(keyOf(conversationId, messageId));
    return;
  }
  if (conversationId === undefined) rows.clear();
  else for (const [key, { entry }] of rows) if (entry.conversationId === conversationId) rows.delete(key);
}

function isWanted(entry: VectorEntry, { conversationId, roles, since, until, filter }: VectorQuery): boolean {
  return (
    (conversationId === undefined || entry.conversationId === conversationId) &&
    (roles === undefined || roles.includes(entry.role)) &&
    (since === undefined || entry.createdAt >= since) &&
    (until === undefined || entry.createdAt < until) &&
    matchesFilter(entry.metadata, filter)
  );
}

function toMatch(entry: VectorEntry, similarity: number): VectorMatch {
  const { userId, conversationId, messageId, seq, createdAt, importance, revision } = entry;
  return { userId, conversationId, messageId, seq, createdAt: new Date(createdAt), importance, revision, similarity };
}

interface ScoredRow {
  readonly row: Row;
  readonly similarity: number;
}

/** The best rows, best first, without sorting all of them: what fell behind is cut off now and then. */
function nearest(scored: Iterable<ScoredRow>, limit: number): readonly ScoredRow[] {
  let best: ScoredRow[] = [];
  let least = Number.NEGATIVE_INFINITY;
  const cut = () => {
    best.sort((left, right) => right.similarity - left.similarity);
    best = best.slice(0, limit);
    if (best.length === limit) least = best.at(-1)?.similarity ?? least;
  };
  for (const one of scored) {
    if (one.similarity <= least) continue;
    best.push(one);
    if (best.length >= 2 * limit + 100) cut();
  }
  cut();
  return best;
}

function dot(left: Float32Array, right: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < left.length; index++) sum += left[index]! * right[index]!;
  return sum;
}

const lengthOf = (vector: Float32Array) => Math.sqrt(dot(vector, vector));

const keyOf = (conversationId: string, messageId: string) => JSON.stringify([conversationId, messageId]);

function getOrMake<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
