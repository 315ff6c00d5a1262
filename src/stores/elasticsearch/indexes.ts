import { MemoryError } from "../../domain/errors.ts";
import type { ElasticTransport } from "./transport.ts";

/** Names of the three indexes; nothing else is read or written. */
export interface IndexNames {
  readonly conversations: string;
  readonly messages: string;
  readonly outbox: string;
  /** All of them, as they stand in a path. */
  readonly all: string;
}

export function indexNames(prefix: string): IndexNames {
  const conversations = `${prefix}-conversations`;
  const messages = `${prefix}-messages`;
  const outbox = `${prefix}-outbox`;
  return { conversations, messages, outbox, all: `${conversations},${messages},${outbox}` };
}

const keyword = { type: "keyword" };
const number = { type: "long" };
/** Kept and handed out, never searched. */
const kept = { type: "keyword", index: false, doc_values: false };

// A stated refresh interval also keeps idle shards refreshing. Deletes are remembered long enough that no late write of an
// older version brings a message back.
const settings = { auto_expand_replicas: "0-1", refresh_interval: "1s", gc_deletes: "10m" };

const owner = { tenant: keyword, user: keyword, conversation: keyword };

const conversationFields = {
  ...owner,
  resource: keyword,
  title: kept,
  title_order: keyword,
  metadata: kept,
  language: keyword,
  created_at: number,
  updated_at: number,
  pinned_at: number,
  archived_at: number,
  next_seq: number,
  rev: number,
  born: number,
  floor: number,
  cleared_from: number,
  trimmed: number,
  state: keyword,
  origin: kept,
  commit: kept,
  unsettled: { type: "boolean" },
  written_at: number,
  tail: { type: "object", enabled: false },
};

const laterFields = { pinned_at: number, archived_at: number };

const messageFields = {
  ...owner,
  conversation_key: keyword,
  key: kept,
  resource: keyword,
  message: keyword,
  seq: number,
  rev: number,
  text_rev: number,
  revision: kept,
  role: keyword,
  created_at: number,
  importance: { type: "double" },
  has_text: { type: "boolean" },
  tools: keyword,
  facets: keyword,
  payload: kept,
  words: { type: "object", dynamic: true },
};

const outboxFields = {
  ...owner,
  kind: keyword,
  conversation_key: keyword,
  message: keyword,
  key: kept,
  text_rev: number,
  ids: kept,
  space: number,
  name: kept,
  is_complete: { type: "boolean" },
  due: number,
  seq: number,
  rev: number,
  attempts: number,
  claim: kept,
  is_failed: { type: "boolean" },
  error: kept,
};

/** `words.german` is analyzed by the analyzer `german`: the field is made when its language is first met. */
const wordFields = [{ words: { path_match: "words.*", mapping: { type: "text", analyzer: "{name}" } } }];

/** Makes the indexes that are missing. Another process may be doing the same. */
export async function createIndexes(transport: ElasticTransport, names: IndexNames, signal: AbortSignal | undefined): Promise<void> {
  const make = async (name: string, properties: object, templates: readonly object[] = []) => {
    const path = `/${name}`;
    const found = await transport.request("open", { method: "HEAD", path, expected: [404], signal });
    // Fields that came later are added to an index of before.
    if (found.status !== 404 && properties === conversationFields) {
      await transport.request("open", { method: "PUT", path: `${path}/_mapping`, body: { properties: laterFields }, signal });
    }
    if (found.status !== 404) return;
    const body = { settings, mappings: { dynamic: "strict", dynamic_templates: templates, properties } };
    const made = await transport.request<{ error?: { type?: string } }>("open", { method: "PUT", path, body, expected: [400], signal });
    if (made.status === 400 && made.body.error?.type !== "resource_already_exists_exception") {
      throw new MemoryError(
        "backend_error",
        `[elasticsearch] the index "${name}" could not be made (${made.body.error?.type}): see the log of the server`,
      );
    }
  };
  await Promise.all([
    make(names.conversations, conversationFields),
    make(names.messages, messageFields, wordFields),
    make(names.outbox, outboxFields),
  ]);
}

/** Takes words as they are, without stemming or stop words. Every server has it. */
export const plainAnalyzer = "standard";

/** Which analyzer serves a language: the server's own of that name, or the plain one. */
export function analyzerChoice(transport: ElasticTransport): (language: string, signal?: AbortSignal) => Promise<string> {
  const known = new Map<string, string>([
    ["simple", plainAnalyzer],
    [plainAnalyzer, plainAnalyzer],
  ]);
  return async (language, signal) => {
    const before = known.get(language);
    if (before !== undefined) return before;
    const body = { analyzer: language, text: "a" };
    // The name becomes one of a field, too.
    const isName = /^[a-z]{2,30}$/.test(language);
    const answer = isName
      ? await transport.request("open", { method: "POST", path: "/_analyze", body, expected: [400, 404], signal })
      : { status: 400 };
    const analyzer = answer.status < 300 ? language : plainAnalyzer;
    if (known.size < 1_000) known.set(language, analyzer);
    return analyzer;
  };
}
