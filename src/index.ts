export { createAgent } from "./agent/create-agent.ts";
export { type LoadConfigOptions, loadConfig } from "./config/load-config.ts";
export { createMemory, type MemoryOptions, type RunsOptions } from "./core/create-memory.ts";
export * from "./core/kinds/entities.ts";
export {
  type FindPersonasOptions,
  type Persona,
  type PersonaInput,
  type Personas,
  type PersonaVersion,
  personaPrompt,
  personas,
} from "./core/kinds/personas.ts";
export * from "./core/kinds/semantic-cache.ts";
export * from "./core/kinds/shared-memory.ts";
export {
  type FindToolsOptions,
  type FoundTool,
  type JsonSchema,
  type StandardSchemaLike,
  type StoredTool,
  type Toolbox,
  type ToolInput,
  toolbox,
} from "./core/kinds/toolbox.ts";
export * from "./core/kinds/workflows.ts";
export type * from "./domain/agent.ts";
export type * from "./domain/archive-store.ts";
export type * from "./domain/call-options.ts";
export type * from "./domain/context.ts";
export type * from "./domain/conversation.ts";
export type { Embedder, EmbedOptions } from "./domain/embedder.ts";
export {
  BackendError,
  ConflictError,
  DependencyMissingError,
  DimensionMismatchError,
  EmbeddingError,
  type ErrorCode,
  InvalidArgumentError,
  MemoryError,
  NotFoundError,
  UnsupportedError,
} from "./domain/errors.ts";
export type * from "./domain/facts.ts";
export { singleValuedPredicates } from "./domain/facts.ts";
export { type FilterValue, type MetadataFilter, matchesFilter } from "./domain/filter.ts";
export type * from "./domain/forgetting.ts";
export type * from "./domain/guarantees.ts";
export type * from "./domain/health.ts";
export type * from "./domain/import-source.ts";
export type * from "./domain/importance.ts";
export type { Logger } from "./domain/logger.ts";
export type * from "./domain/memory.ts";
export type * from "./domain/memory-store.ts";
export type { Message, MessageInput, MessageInputObject, MessageVersion, Metadata, Part, Role } from "./domain/message.ts";
export type * from "./domain/recall.ts";
export type * from "./domain/record-store.ts";
export type * from "./domain/records.ts";
export type * from "./domain/reinforcement.ts";
export type * from "./domain/runs.ts";
export type * from "./domain/scope.ts";
export { textRevision } from "./domain/search-text.ts";
export type * from "./domain/session-store.ts";
export type * from "./domain/stats.ts";
export type * from "./domain/summaries.ts";
export type * from "./domain/titles.ts";
export type * from "./domain/transfer.ts";
export type * from "./domain/vector-store.ts";
export type * from "./domain/working-memory.ts";
export type { EmbeddingChoice, EmbeddingOptions } from "./embedders/resolve.ts";
export {
  type ArchiveOption,
  type CustomStores,
  type RecordsOption,
  registerStore,
  type SessionsOption,
  type VectorsOption,
} from "./stores/registry.ts";
export type { PostgresSessionStoreOptions } from "./stores/session/postgres.ts";
