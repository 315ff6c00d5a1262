import { InvalidArgumentError } from "../../domain/errors.ts";
import type { VectorEntry, VectorMatch, VectorQuery } from "../../domain/vector-store.ts";
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

/** Vectors that travel together, and those of one script, during which the server does nothing else. */
const mostTogether = { count: 200, size: 200_000 };
const mostAtOnce = 8;
/** Users of a tenant that are asked together. */
const mostUsers = 100;
const mostDeleted = 50;

/** Stores vectors of a user with the list of their names, in one step: a delete in between would leave one behind. */
const addScript = `
for at = 3, #ARGV, 3 do
  redis.call('ZADD', KEYS[2], 0, ARGV[at])
  redis.call('VADD', KEYS[1], 'FP32', ARGV[at + 1], ARGV[at], 'NOQUANT', 'EF', ARGV[1], 'SETATTR', ARGV[at + 2], 'M', ARGV[2])
end`;

const removeScript = `
for at = 1, #ARGV do
  redis.call('VREM', KEYS[1], ARGV[at])
  redis.call('ZREM', KEYS[2], ARGV[at])
end`;

/** Removes some of a conversation, and answers how many. */
const removeSomeScript = `
local names = redis.call('ZRANGE', KEYS[2], '[' .. ARGV[1] .. ':', '(' .. ARGV[1] .. ';', 'BYLEX', 'LIMIT', 0, ARGV[2])
for _, name in ipairs(names) do
  redis.call('VREM', KEYS[1], name)
  redis.call('ZREM', KEYS[2], name)
end
return #names`;

/**
 * One vector set for each user of a tenant, with a sorted set of its elements' names, which begin with their conversation;
 * and one sorted set of all users, whose names begin with their tenant.
 */
export function vectorSets(connection: RedisConnection, { prefix, searchEf, efConstruct, scanUpTo, m }: LayoutSettings): VectorLayout {
  const { send, script } = connection;
  const registry = `${prefix}users`;
  const tagOf = (tenant: string, userId: string) => stableId(tenant, userId);
  const setOf = (tag: string) => `${prefix}{${tag}}:set`;
  const keysOf = (tag: string): [string, string] => [setOf(tag), `${prefix}{${tag}}:names`];
  const memberOf = (tenant: string, tag: string) => `${stableId(tenant)}:${tag}`;

  const register = (members: readonly string[]) => send(registry, ["ZADD", registry, ...members.flatMap((member) => ["0", member])]);

  /** The users of a tenant, or all, in parts. */
  async function* usersOf(tenant: string | undefined): AsyncGenerator<string[]> {
    let from = tenant === undefined ? "-" : `[${stableId(tenant)}:`;
    const to = tenant === undefined ? "+" : `(${stableId(tenant)};`;
    for (;;) {
      const members = textsOf(await send(registry, ["ZRANGE", registry, from, to, "BYLEX", "LIMIT", "0", String(mostUsers)]));
      if (members.length > 0) yield members.map((member) => member.slice(member.indexOf(":") + 1));
      if (members.length < mostUsers) return;
      from = `(${members.at(-1)}`;
    }
  }

  async function* tagsOf(tenant: string, userId: string | undefined): AsyncGenerator<string[]> {
    if (userId === undefined) yield* usersOf(tenant);
    else yield [tagOf(tenant, userId)];
  }

  const sizesOf = async (tags: readonly string[]) =>
    (await Promise.all(tags.map((tag) => send(setOf(tag), ["VCARD", setOf(tag)])))).map(Number);

  /** Takes users without vectors off the list; one that has some again by then comes back. */
  async function forgetEmpty(tenant: string, tags: readonly string[]): Promise<void> {
    const empty = async () => {
      const sizes = await sizesOf(tags);
      return tags.filter((_, index) => sizes[index] === 0).map((tag) => memberOf(tenant, tag));
    };
    const gone = await empty();
    if (gone.length === 0) return;
    await send(registry, ["ZREM", registry, ...gone]);
    const still = new Set(await empty());
    const back = gone.filter((member) => !still.has(member));
    if (back.length > 0) await register(back);
  }

  async function ask(tag: string, size: number, vector: Buffer, limit: number, filter: string): Promise<[string, number][]> {
    const key = setOf(tag);
    const search = async (way: readonly string[]) => {
      const filtered = filter === "" ? [] : ["FILTER", filter];
      const words: RedisWord[] = ["VSIM", key, "FP32", vector, "WITHSCORES", "COUNT", String(Math.min(limit, size)), ...filtered, ...way];
      return pairsOf(await send(key, words)).map(([name, score]): [string, number] => [name, 2 * Number(score) - 1]);
    };
    // With conditions the graph is slow: it reads the attributes of all it passes by.
    const mostScanned = filter === "" ? scanUpTo : 5 * scanUpTo;
    if (size <= mostScanned || limit > size / 2) return search(["TRUTH"]);
    const ef = Math.max(searchEf, limit);
    const found = await search(["EF", String(ef), ...(filter === "" ? [] : ["FILTER-EF", String(20 * ef)])]);
    return found.length < limit && filter !== "" ? search(["TRUTH"]) : found;
  }

  async function nearest(query: VectorQuery, conditions: FieldConditions): Promise<VectorMatch[]> {
    const { scope, limit } = query;
    const vector = toBytes(query.vector);
    const filter = toExpression(conditions);
    let found: { readonly tag: string; readonly name: string; readonly similarity: number }[] = [];
    for await (const tags of tagsOf(scope.tenant, scope.userId)) {
      const sizes = await sizesOf(tags);
      const asked = tags.map(async (tag, index) => {
        const size = sizes[index] as number;
        const pairs = size === 0 ? [] : await ask(tag, size, vector, limit, filter);
        return pairs.map(([name, similarity]) => ({ tag, name, similarity }));
      });
      const all = [...found, ...(await Promise.all(asked)).flat()];
      found = all.sort((left, right) => right.similarity - left.similarity).slice(0, limit);
    }
    const attributes = await Promise.all(found.map(({ tag, name }) => send(setOf(tag), ["VGETATTR", setOf(tag), name])));
    const matches = found.flatMap(({ similarity }, index) => {
      const text = attributes[index];
      // Null: deleted since it was found.
      return text === null || text === undefined ? [] : [toMatch((JSON.parse(String(text)) as Attributes).match, similarity)];
    });
    return best(matches, limit);
  }

  async function countWhere(tag: string, size: number, conditions: FieldConditions): Promise<number> {
    if (size === 0) return 0;
    const key = setOf(tag);
    const anyVector = Buffer.alloc(4 * Number(await send(key, ["VDIM", key])));
    anyVector.writeFloatLE(1, 0);
    const way = ["COUNT", String(size), "TRUTH", "FILTER", toExpression(conditions)];
    return ((await send(key, ["VSIM", key, "FP32", anyVector, ...way])) as unknown[]).length;
  }

  async function removeMessages(tag: string, conversationId: string, messageIds: readonly string[]): Promise<void> {
    for (const ids of batchesOf(messageIds, { count: mostDeleted }))
      await script(
        removeScript,
        keysOf(tag),
        ids.map((id) => nameOf(conversationId, id)),
      );
  }

  async function removeConversation(tag: string, conversationId: string): Promise<void> {
    for (;;) {
      const removed = await script(removeSomeScript, keysOf(tag), [stableId(conversationId), String(mostDeleted)]);
      if (Number(removed) < mostDeleted) return;
    }
  }

  return {
    async prepare() {},

    async isEmpty() {
      for await (const tags of usersOf(undefined)) if ((await sizesOf(tags)).some((size) => size > 0)) return false;
      return true;
    },

    async upsert(entries) {
      for (const batch of batchesOf(entries, mostTogether, (entry) => entry.vector.length)) {
        const byTag = Map.groupBy(batch, (entry) => tagOf(entry.tenant, entry.userId));
        const members = [...byTag].map(([tag, [first]]) => memberOf((first as VectorEntry).tenant, tag));
        await register(members);
        const settings = [String(efConstruct), String(m)];
        const scripts = [...byTag].flatMap(([tag, own]) =>
          [...batchesOf(own, { count: mostAtOnce })].map((part) => script(addScript, keysOf(tag), [...settings, ...part.flatMap(toWords)])),
        );
        await Promise.all(scripts);
        // Again: a delete may have taken them off the list in between.
        await register(members);
      }
    },

    async query(query) {
      const conditions = toConditions(query);
      return query.limit < 1 || conditions === undefined ? [] : nearest(query, conditions);
    },

    async delete({ tenant, userId, conversationId, messageIds }) {
      if (messageIds !== undefined && (userId === undefined || conversationId === undefined))
        throw new InvalidArgumentError("messageIds", "stand for messages of one conversation: give userId and conversationId too");
      for await (const tags of tagsOf(tenant, userId)) {
        await Promise.all(
          tags.map((tag) => {
            if (conversationId === undefined) return send(setOf(tag), ["UNLINK", ...keysOf(tag)]);
            return messageIds === undefined ? removeConversation(tag, conversationId) : removeMessages(tag, conversationId, messageIds);
          }),
        );
        await forgetEmpty(tenant, tags);
      }
    },

    async count(scope) {
      let count = 0;
      for await (const tags of tagsOf(scope.tenant, scope.userId)) {
        const sizes = await sizesOf(tags);
        const counted = tags.map((tag, index) => {
          const size = sizes[index] as number;
          return scope.resourceId === undefined ? size : countWhere(tag, size, scopeConditions(scope));
        });
        for (const one of await Promise.all(counted)) count += one;
      }
      return count;
    },
  };
}

interface Attributes {
  readonly match: Payload;
}

const nameOf = (conversationId: string, messageId: string) => `${stableId(conversationId)}:${stableId(messageId)}`;

function toWords(entry: VectorEntry): RedisWord[] {
  const attributes = { ...toFields(entry), match: toPayload(entry) };
  return [nameOf(entry.conversationId, entry.messageId), toBytes(entry.vector), JSON.stringify(attributes)];
}

/** The conditions in the language of VSIM. */
function toExpression({ conversation, resource, roles, since, until, tokens }: FieldConditions): string {
  const quoted = (hash: string) => `"${hash}"`;
  return [
    ...(conversation === undefined ? [] : [`.conversation == ${quoted(conversation)}`]),
    ...(resource === undefined ? [] : [`.resource == ${quoted(resource)}`]),
    ...(roles === undefined ? [] : [`.role in [${roles.map(quoted).join(",")}]`]),
    ...(since === undefined ? [] : [`.created_at >= ${since}`]),
    ...(until === undefined ? [] : [`.created_at < ${until}`]),
    ...tokens.map((allowed) => `(${allowed.map((token) => `${quoted(token)} in .tokens`).join(" or ")})`),
  ].join(" and ");
}
