import type { SourceItem } from "../../domain/import-source.ts";
import { asObject } from "../json-value.ts";
import { mark, rowFields } from "./memorizz-row-fields.ts";
import { objectOf, otherFields, plain, type Row, textOf, timeOf, vectorOf } from "./row-values.ts";

// Memorizz' memory types: the same fields in Postgres, in MongoDB and in its archives. Record types keep their names.

/** Memorizz asks OpenAI for this one unless it is told otherwise. */
export const memorizzModel = "openai/text-embedding-3-small";

/** Every type there has been, with the field that names its records. */
export const memorizzTypes: Readonly<Record<string, string>> = {
  conversation_memory: "id",
  personas: "persona_id",
  toolbox: "tool_id",
  short_term_memory: "id",
  long_term_memory: "id",
  knowledge_base: "id",
  workflow_memory: "workflow_id",
  skillbox: "skill_id",
  agents: "agent_id",
  shared_memory: "id",
  summaries: "summary_id",
  entity_memory: "entity_id",
  semantic_cache: "cache_key",
  tool_log: "tool_log_id",
};

/** Answers to questions that were asked before: made anew, not remembered. */
export const isCache = (type: string) => type === "semantic_cache";

/** What its data becomes here. */
export interface MemorizzTarget {
  /** The model of its vectors. */
  readonly model: string;
  /** All of it as rows of the facade, conversations too. */
  readonly asRows: boolean;
}

/** What conversations become, for reports. */
export const holdsOf = (type: string, { asRows }: MemorizzTarget) => (type === "conversation_memory" && !asRows ? "messages" : "records");

/** A row of a type; `id` is its name in the source. */
export function toItem(type: string, id: string, row: Row, { model, asRows }: MemorizzTarget): SourceItem {
  if (asRows) return facadeRow(type, id, row);
  return type === "conversation_memory" ? message(id, row, model) : record(type, id, row);
}

function message(id: string, row: Row, model: string): SourceItem {
  const vector = vectorOf(row.embedding);
  const conversation = textOf(row.thread_id) ?? textOf(row.conversation_id) ?? textOf(row.memory_id) ?? "default";
  const content = asObject(row.content) ?? row.content;
  const metadata = {
    ...objectOf(row.metadata),
    ...otherFields(row, ...spoken, "metadata"),
    ...(conversation !== row.memory_id && otherFields({ memory_id: row.memory_id })),
  };
  return {
    kind: "message",
    message: {
      conversation,
      id,
      userId: textOf(row.user_id),
      role: textOf(row.role)?.toLowerCase() ?? "user",
      content: typeof content === "string" ? content : content === undefined || content === null ? "" : JSON.stringify(plain(content)),
      createdAt: timeOf(row.timestamp) ?? timeOf(row.created_at) ?? new Date(0),
      ...(Object.keys(metadata).length > 0 && { metadata }),
      ...(vector !== undefined && { embedding: { model, vector } }),
    },
  };
}

const spoken = [
  "_id",
  "id",
  "user_id",
  "role",
  "content",
  "embedding",
  "timestamp",
  "created_at",
  "updated_at",
  "thread_id",
  "conversation_id",
  "memory_id",
];

function record(type: string, id: string, row: Row): SourceItem {
  const { content, text } = contentOf(type, row);
  return {
    kind: "record",
    type,
    id,
    userId: textOf(row.user_id),
    name: textOf(row.name),
    content: text,
    data: otherFields(row, "_id", "id", "user_id", "name", "embedding", "created_at", ...content),
    createdAt: timeOf(row.created_at) ?? timeOf(row.timestamp),
  };
}

/** What was said has the time it was said at: its history comes in that order. */
function facadeRow(type: string, id: string, row: Row): SourceItem {
  const times = [timeOf(row.created_at), timeOf(row.timestamp)];
  const { content, metadata } = rowFields(type, otherFields(row, ...Object.keys(row).filter((field) => field.startsWith(mark))));
  return {
    kind: "record",
    ...{ type, id, userId: textOf(row.user_id), name: textOf(row.name), content, data: metadata },
    createdAt: type === "conversation_memory" ? (times[1] ?? times[0]) : (times[0] ?? times[1]),
  };
}

/** The text of a record, and the fields that stand in it whole. */
function contentOf(type: string, row: Row): { readonly content: readonly string[]; readonly text: string } {
  if (type === "personas") {
    const text = [row.role, row.goals, row.background]
      .map((value) => (typeof value === "string" ? value : textOf(plain(value))))
      .filter(Boolean);
    return { content: [], text: text.join("\n") };
  }
  const field = fields.find((name) => typeof row[name] === "string" && row[name] !== "");
  return field === undefined ? { content: [], text: "" } : { content: [field], text: String(row[field]) };
}

const fields = ["content", "summary_content", "summary", "description", "instruction"];
