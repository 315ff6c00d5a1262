import { setTimeout as sleep } from "node:timers/promises";
import { BackendError, InvalidArgumentError } from "../../domain/errors.ts";
import type { EmbeddingSpace } from "../../domain/memory-store.ts";
import type { VectorEntry } from "../../domain/vector-store.ts";
import { batchesOf } from "../../internal/batches.ts";
import { stableId } from "../../internal/stable-id.ts";
import type { RedisConnection, RedisWord } from "./connection.ts";
import {
  type FieldConditions,
  type Payload,
  pairsOf,
  scopeConditions,
  textsOf,
  toBytes,
  toConditions,
  toFields,
  toMatch,
  toPayload,
} from "./vector-fields.ts";
import { best, type LayoutSettings, type VectorLayout } from "./vector-layout.ts";

const mostTogether = { count: 500, size: 200_000 };
const mostDeleted = 1_000;

/** A hash for each vector, and one index of the query engine over them. */
export function queryEngine(
  { send }: RedisConnection,
  { prefix, searchEf, efConstruct, scanUpTo, timeoutMs, m, index }: LayoutSettings & { readonly index: "hnsw" | "flat" },
): VectorLayout {
  const name = `${prefix}index`;
  const keyOf = (owner: Owner, messageId: string) => `${prefix}v:${stableId(owner.tenant, owner.userId, owner.conversationId, messageId)}`;

  async function search(expression: string, words: readonly RedisWord[]): Promise<Found> {
    const bounds = ["DIALECT", "2", "TIMEOUT", String(timeoutMs)];
    return toFound(await send(name, ["FT.SEARCH", name, expression, ...words, ...bounds]), words.includes("NOCONTENT"));
  }

  const total = async (expression: string) => (await search(expression, ["NOCONTENT", "LIMIT", "0", "0"])).total;

  async function create({ dimensions }: EmbeddingSpace): Promise<void> {
    const tags = ["tenant", "user", "conversation", "resource", "role", "tokens"];
    const settings = ["TYPE", "FLOAT32", "DIM", String(dimensions), "DISTANCE_METRIC", "COSINE"];
    const graph = ["M", String(m), "EF_CONSTRUCTION", String(efConstruct), "EF_RUNTIME", String(searchEf)];
    const attributes = index === "hnsw" ? [...settings, ...graph] : settings;
    const schema = [
      ...tags.flatMap((tag) => [tag, "TAG", "SEPARATOR", ",", "CASESENSITIVE"]),
      ...["created_at", "NUMERIC"],
      ...["vector", "VECTOR", index.toUpperCase(), String(attributes.length), ...attributes],
    ];
    try {
      await send(name, ["FT.CREATE", name, "ON", "HASH", "PREFIX", "1", `${prefix}v:`, "SCHEMA", ...schema]);
    } catch (error) {
      if (!/already exists/i.test((error as Error).message)) throw error;
    }
  }

  /** An index made over vectors that are there finds all of them only when it is done. */
  async function complete(): Promise<void> {
    for (const until = performance.now() + timeoutMs; ; await sleep(20)) {
      const info = new Map(pairsOf(await send(name, ["FT.INFO", name])));
      if (Number(info.get("indexing")) === 0) return;
      if (performance.now() > until)
        throw new BackendError("redis", "useSpace", "the server is still making its index: try again later", {
          code: "backend_unavailable",
          retryable: true,
        });
    }
  }

  async function removeWhere(expression: string): Promise<void> {
    for (;;) {
      const { rows } = await search(expression, ["NOCONTENT", "LIMIT", "0", String(mostDeleted)]);
      if (rows.length > 0) await Promise.all(rows.map(({ key }) => send(key, ["UNLINK", key])));
      if (rows.length < mostDeleted) return;
    }
  }

  return {
    async prepare(space, isNew) {
      if (isNew) await send(name, ["FT.DROPINDEX", name]).catch(ignoreMissing);
      await create(space);
      await complete();
    },

    async isEmpty() {
      try {
        return (await total("*")) === 0;
      } catch (error) {
        ignoreMissing(error);
        return true;
      }
    },

    async upsert(entries) {
      for (const batch of batchesOf(entries, mostTogether, (entry) => entry.vector.length))
        await Promise.all(
          batch.map((entry) => {
            const key = keyOf(entry, entry.messageId);
            return send(key, ["HSET", key, ...toHash(entry)]);
          }),
        );
    },

    async query(query) {
      const conditions = toConditions(query);
      if (query.limit < 1 || conditions === undefined) return [];
      const expression = toExpression(query.scope, conditions);
      const size = await total(expression);
      if (size === 0) return [];
      const count = String(Math.min(query.limit, size));
      const isScanned = index === "flat" || size <= scanUpTo;
      const way = isScanned ? "HYBRID_POLICY ADHOC_BF" : `EF_RUNTIME ${Math.max(searchEf, query.limit)}`;
      const nearest = `(${expression})=>[KNN ${count} @vector $vector ${way} AS distance]`;
      const words = ["PARAMS", "2", "vector", toBytes(query.vector), "SORTBY", "distance", "LIMIT", "0", count];
      const { rows } = await search(nearest, ["RETURN", "2", "match", "distance", ...words]);
      const matches = rows.map(({ fields }) => {
        const payload = JSON.parse(String(fields.get("match"))) as Payload;
        return toMatch(payload, 1 - Number(fields.get("distance")));
      });
      return best(matches, query.limit);
    },

    async delete({ tenant, userId, conversationId, messageIds }) {
      const scope = { tenant, userId, resourceId: undefined };
      const conditions = { ...scopeConditions(scope), conversation: conversationId === undefined ? undefined : stableId(conversationId) };
      if (messageIds === undefined) return removeWhere(toExpression(scope, conditions));
      if (userId === undefined || conversationId === undefined)
        throw new InvalidArgumentError("messageIds", "stand for messages of one conversation: give userId and conversationId too");
      const keys = messageIds.map((id) => keyOf({ tenant, userId, conversationId }, id));
      for (const batch of batchesOf(keys, { count: mostDeleted })) await Promise.all(batch.map((key) => send(key, ["UNLINK", key])));
    },

    count: (scope) => total(toExpression(scope, scopeConditions(scope))),
  };
}

interface Owner {
  readonly tenant: string;
  readonly userId: string;
  readonly conversationId: string;
}

const userTag = ({ tenant, userId }: { readonly tenant: string; readonly userId: string }) => stableId(tenant, userId);

function toHash(entry: VectorEntry): RedisWord[] {
  const { tokens, created_at, ...hashes } = toFields(entry);
  const fields = {
    ...hashes,
    tenant: stableId(entry.tenant),
    user: userTag(entry),
    tokens: tokens.join(","),
    created_at: String(created_at),
    vector: toBytes(entry.vector),
    match: JSON.stringify(toPayload(entry)),
  };
  return Object.entries(fields).flat();
}

/** The conditions in the language of FT.SEARCH. */
function toExpression(scope: { readonly tenant: string; readonly userId: string | undefined }, conditions: FieldConditions): string {
  const { conversation, resource, roles, since, until, tokens } = conditions;
  const is = (field: string, ...hashes: readonly string[]) => `@${field}:{${hashes.map((hash) => hash.replaceAll("-", "\\-")).join("|")}}`;
  return [
    is("tenant", stableId(scope.tenant)),
    ...(scope.userId === undefined ? [] : [is("user", userTag({ tenant: scope.tenant, userId: scope.userId }))]),
    ...(conversation === undefined ? [] : [is("conversation", conversation)]),
    ...(resource === undefined ? [] : [is("resource", resource)]),
    ...(roles === undefined ? [] : [is("role", ...roles)]),
    ...(since === undefined && until === undefined
      ? []
      : [`@created_at:[${since ?? "-inf"} ${until === undefined ? "+inf" : `(${until}`}]`]),
    ...tokens.map((allowed) => is("tokens", ...allowed)),
  ].join(" ");
}

function ignoreMissing(error: unknown): void {
  if (!/unknown index|no such index/i.test((error as Error).message)) throw error;
}

interface Found {
  readonly total: number;
  readonly rows: readonly { readonly key: string; readonly fields: ReadonlyMap<string, unknown> }[];
}

/** An answer of FT.SEARCH: a flat list by the older protocol, a map by the newer one. */
function toFound(reply: unknown, isKeysOnly: boolean): Found {
  if (Array.isArray(reply)) {
    const [total, ...rest] = reply as unknown[];
    const pairs = isKeysOnly ? textsOf(rest).map((key): [string, unknown] => [key, []]) : pairsOf(rest);
    return { total: Number(total), rows: pairs.map(([key, fields]) => ({ key, fields: new Map(pairsOf(fields)) })) };
  }
  const answer = new Map(pairsOf(reply));
  const rows = (answer.get("results") as unknown[]).map((row) => {
    const { id, extra_attributes } = Object.fromEntries(pairsOf(row));
    return { key: String(id), fields: new Map(pairsOf(extra_attributes)) };
  });
  return { total: Number(answer.get("total_results")), rows };
}
