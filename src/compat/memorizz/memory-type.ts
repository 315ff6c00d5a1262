import { InvalidArgumentError } from "../../domain/errors.ts";

/** Memorizz's `MemoryType`, of all versions. `KNOWLEDGE_BASE` is what newer ones call `LONG_TERM_MEMORY`: they are one. */
export const MemoryType = {
  PERSONAS: "personas",
  TOOLBOX: "toolbox",
  SHORT_TERM_MEMORY: "short_term_memory",
  LONG_TERM_MEMORY: "long_term_memory",
  KNOWLEDGE_BASE: "long_term_memory",
  CONVERSATION_MEMORY: "conversation_memory",
  WORKFLOW_MEMORY: "workflow_memory",
  MEMAGENT: "agents",
  ENTITY_MEMORY: "entity_memory",
  SHARED_MEMORY: "shared_memory",
  SUMMARIES: "summaries",
  SEMANTIC_CACHE: "semantic_cache",
  TOOL_LOG: "tool_log",
  SKILLBOX: "skillbox",
} as const;

export type MemoryType = (typeof MemoryType)[keyof typeof MemoryType];

/** A type, or its value as newer versions write it. */
export type MemoryTypeLike = MemoryType | "knowledge_base";

const known: ReadonlySet<string> = new Set(Object.values(MemoryType));

/** @throws InvalidArgumentError for a type there is not */
export function checkedType(type: MemoryTypeLike): MemoryType {
  const value = type === "knowledge_base" ? MemoryType.KNOWLEDGE_BASE : type;
  if (!known.has(value)) throw new InvalidArgumentError("memoryType", `is none of ${[...known].join(", ")}`);
  return value;
}

/** Where records of a type are found: what another program has stored under the newer name, too. */
export const placesOf = (type: MemoryType): readonly string[] => (type === MemoryType.LONG_TERM_MEMORY ? [type, "knowledge_base"] : [type]);
