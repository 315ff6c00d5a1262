export type { PostgresConnection as ConnectionSettings, StorageConnection as Connection } from "../compat/voltagent/connection.ts";
export { PostgreSQLMemoryAdapter, type PostgreSQLMemoryAdapterOptions } from "./voltagent/memory-adapter.ts";
export { type RecallRetrieverOptions, recallRetriever } from "./voltagent/recall-retriever.ts";
export type {
  ConversationQueryOptions,
  ConversationStepRecord,
  CreateConversationInput,
  GetConversationStepsOptions,
  GetMessagesOptions,
  SearchResult,
  UiMessageLike,
  VectorItem,
  VectorSearchOptions,
  VoltagentConversation,
  WorkflowRunQuery,
  WorkflowStateEntry,
  WorkingMemoryParams,
} from "./voltagent/shapes.ts";
export {
  PostgreSQLVectorAdapter,
  PostgreSQLVectorAdapter as PostgresVectorAdapter,
  type PostgreSQLVectorAdapterOptions,
} from "./voltagent/vector-adapter.ts";
