import { InvalidArgumentError } from "../../domain/errors.ts";
import type { ImportFromSource, ImportSource, SourceRow } from "../../domain/import-source.ts";
import { loadDependency } from "../../internal/load-dependency.ts";
import { once } from "../../internal/once.ts";
import { langswarmModel, toConversation, toMessage, toSummary } from "./langswarm-rows.ts";
import { placeOf, type Row, required, unreachable } from "./row-values.ts";

const messagesAtOnce = 200;
const keysAtOnce = "500";

type Send = (...words: string[]) => Promise<unknown>;

/** LangSwarm's sessions in Redis. Only commands that read are sent; what expired there is gone. */
export function langswarmRedis(source: ImportFromSource): ImportSource {
  const url = required(source.from);
  const prefix = source.tablePrefix ?? "langswarm:memory:";
  const model = source.embeddingModel ?? langswarmModel;
  let close = async () => {};

  const open = once(async (): Promise<Send> => {
    const { createClient } = await loadDependency("import", "redis", () => import("redis"));
    try {
      const client = createClient({ url, RESP: 2, socket: { reconnectStrategy: false } });
      client.on("error", () => {});
      await client.connect();
      close = async () => client.destroy();
      return (...words) => client.sendCommand(words);
    } catch (cause) {
      throw unreachable(url, cause);
    }
  });

  /** Session ids of a kind of key, each once. */
  async function* sessionIds(kind: "session" | "messages"): AsyncGenerator<string> {
    const send = await open();
    const start = `${prefix}${kind}:`;
    const seen = new Set<string>();
    let cursor = "0";
    do {
      const [next, keys] = (await send("SCAN", cursor, "MATCH", `${globbed(start)}*`, "COUNT", keysAtOnce)) as [string, string[]];
      for (const key of keys) {
        const id = key.slice(start.length);
        if (seen.has(id)) continue;
        seen.add(id);
        yield id;
      }
      cursor = next;
    } while (cursor !== "0");
  }

  async function hash(key: string): Promise<Row | undefined> {
    const send = await open();
    const words = (await send("HGETALL", key)) as string[];
    if (words.length === 0) return undefined;
    return Object.fromEntries(words.flatMap((word, index) => (index % 2 === 0 ? [[word, words[index + 1]]] : [])));
  }

  async function* messagesOf(id: string, session: Row | undefined): AsyncGenerator<SourceRow> {
    const send = await open();
    for (let from = 0; ; from += messagesAtOnce) {
      const ids = (await send("LRANGE", `${prefix}messages:${id}`, String(from), String(from + messagesAtOnce - 1))) as string[];
      const rows = await Promise.all(ids.map((message) => hash(`${prefix}message:${message}`)));
      for (const [index, row] of rows.entries()) {
        const name = `message ${ids[index]}`;
        if (row === undefined) yield { name, items: [], skipped: "it has expired in Redis" };
        else yield { name, items: [toMessage({ ...row, message_id: ids[index], session_id: id }, session, model)] };
      }
      if (ids.length < messagesAtOnce) return;
    }
  }

  return {
    identity: JSON.stringify(["langswarm", placeOf(url), prefix]),
    async detect() {
      let sessions = 0;
      let messages = 0;
      const send = await open();
      for await (const _ of sessionIds("session")) sessions++;
      for await (const id of sessionIds("messages")) messages += Number(await send("LLEN", `${prefix}messages:${id}`));
      if (sessions + messages === 0)
        throw new InvalidArgumentError(
          "from",
          `${placeOf(url)} has no keys that begin with ${JSON.stringify(prefix)}: name the prefix they are under`,
        );
      const tables = [
        { name: `${prefix}messages:*`, holds: "messages", rows: messages },
        { name: `${prefix}session:*`, holds: "conversations", rows: sessions },
      ];
      return { system: "langswarm", version: "session memory in Redis", place: placeOf(url), tables };
    },
    async *read(_after, signal) {
      for await (const id of sessionIds("session")) {
        signal?.throwIfAborted();
        const session = await hash(`${prefix}session:${id}`);
        yield* messagesOf(id, session);
        const summary = await hash(`${prefix}summary:${id}`);
        if (session !== undefined) yield { name: `session ${id}`, items: [toConversation({ ...session, session_id: id })] };
        if (summary !== undefined) yield { name: `summary ${id}`, items: [toSummary({ ...summary, session_id: id }, session)] };
      }
      // A session's own key expires before its messages do.
      const send = await open();
      for await (const id of sessionIds("messages")) {
        signal?.throwIfAborted();
        if (Number(await send("EXISTS", `${prefix}session:${id}`)) === 0) yield* messagesOf(id, undefined);
      }
    },
    close: async () => {
      await close();
      close = async () => {};
    },
  };
}

const globbed = (text: string) => text.replaceAll(/[\\*?[\]^-]/g, "\\$&");
