/** What `stats` answers: of the tenant, or of one user. */
export interface MemoryStats {
  readonly conversations: number;
  readonly messages: number;
  readonly users: number;
  /** Messages with a vector in the current embedding space. */
  readonly vectors: number;
  /** Vectors owed: `failing` ones were tried at least once. */
  readonly owed: { readonly pending: number; readonly failing: number; readonly lastError: string | undefined };
  readonly records: RecordStats;
  readonly embedding: { readonly model: string; readonly dimensions: number | undefined } | undefined;
  readonly store: string;
  /** Created within the last 7 days. Only of one user: `stats({ userId })`. */
  readonly conversationsThisWeek?: number | undefined;
  /** 0 without conversations. Only of one user. */
  readonly messagesPerConversation?: number | undefined;
}

/** Records among the {@link MemoryStats}. */
export interface RecordStats {
  /** Typed memories, as `records.count()` has it: what memory keeps for itself, such as facts and runs, is not among them. */
  readonly count: number;
  /** Vectors that records are owed; 0 without an embedding model. Undefined where the store cannot count them cheaply. */
  readonly owed: number | undefined;
}
