import type { CallOptions } from "./call-options.ts";
import type { Metadata } from "./message.ts";
import type { RunEventInput, RunInput, RunStepInput } from "./runs.ts";
import type { ImportedMessage } from "./transfer.ts";

/** A system whose data `memory.importFrom` reads. */
export type SourceSystem = "voltagent" | "langswarm" | "memorizz" | "tutorial" | "mem0" | "mcp-memory";

/** A `pg.Pool`, `pg.Client` or PGlite instance: what runs a statement. It is only asked for rows, and left open. */
export interface SourceSqlClient {
  /** Runs a statement; `values` stand for `$1`, `$2` … in it. */
  query(text: string, values?: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/** Where another system keeps its data. Nothing is ever written there. */
export interface ImportFromSource {
  readonly system: SourceSystem;
  /** URL of its server (`postgres://`, `redis://`, `mongodb://`), or the path of its file. */
  readonly from?: string | undefined;
  /** Instead of `from`: a client of its Postgres. */
  readonly client?: SourceSqlClient | undefined;
  /** Schema of its tables in Postgres. @default "public" */
  readonly schema?: string | undefined;
  /** Prefix of its tables, collections or keys. @default the system's own, else the one that is found */
  readonly tablePrefix?: string | undefined;
  /** Prefix of VoltAgent's table of vectors. @default "voltagent_vector" */
  readonly vectorTablePrefix?: string | undefined;
  /** Database in MongoDB. @default the one in the URL, else the system's own */
  readonly database?: string | undefined;
  /**
   * Which model its vectors are of, e.g. `"openai/text-embedding-3-small"`: those of the memory's own model are carried over.
   * @default what the system says or always uses; unknown for VoltAgent
   */
  readonly embeddingModel?: string | undefined;
  /**
   * Memorizz alone: what becomes of its conversation memory. `"messages"` of conversations, or `"rows"` as `unforget/compat/memorizz`
   * keeps them, all its other types, too. @default "messages"
   */
  readonly conversations?: "messages" | "rows" | undefined;
}

/** Whose memory it becomes, whether anything is written, and who is told how far it is. */
export interface ImportFromOptions extends CallOptions {
  /** Whose memory it becomes where the source names nobody. @default "default" */
  readonly userId?: string | undefined;
  /** Reads and checks everything, and writes nothing. @default false */
  readonly dryRun?: boolean | undefined;
  /** Called with what was found, before anything is written. */
  readonly onLayout?: ((layout: SourceLayout) => void | Promise<void>) | undefined;
  /** Called after each batch: how many rows of the source are done with. */
  readonly onProgress?: ((progress: { readonly read: number }) => void) | undefined;
}

/** What a source was found to hold. */
export interface SourceLayout {
  readonly system: SourceSystem;
  /** Which version wrote it, as far as its columns tell. */
  readonly version: string;
  /** Where it is, without user, password or parameters. */
  readonly place: string;
  readonly tables: readonly SourceTable[];
}

/** A table, a collection or a kind of key that was found, and how much it holds. */
export interface SourceTable {
  readonly name: string;
  /** What becomes of it, e.g. `"messages"`. */
  readonly holds: string;
  readonly rows: number;
}

/** What `importFrom` did; in a dry run, what it would do. */
export interface ImportFromReport {
  readonly system: SourceSystem;
  readonly version: string;
  readonly dryRun: boolean;
  /** It went on from where an earlier import was stopped. What changed there before that place, the next import brings. */
  readonly resumed: boolean;
  /** Rows read from the source. */
  readonly read: number;
  readonly written: {
    readonly conversations: number;
    readonly messages: number;
    /** Typed memories, summaries, notes, runs with their steps and events. */
    readonly records: number;
    /** Of the messages, those whose vector was carried over; the others are embedded anew. */
    readonly vectors: number;
  };
  readonly skipped: readonly SkippedRows[];
}

/** Rows that became nothing, and why. */
export interface SkippedRows {
  readonly reason: string;
  readonly count: number;
  /** Ids of up to five of them. */
  readonly examples: readonly string[];
}

/** Another system's data, read in an order that is always the same and never written to. */
export interface ImportSource {
  /** Says the same source and settings again. Undefined where one source cannot be told from another: it is read from the start. */
  readonly identity: string | undefined;
  /** Looks what there is, before anything is read. @throws InvalidArgumentError when the system's data is not there */
  detect(signal?: AbortSignal): Promise<SourceLayout>;
  /** Rows after a position, a page at a time. Conversations come after their messages. */
  read(after: SourcePosition | undefined, signal?: AbortSignal): AsyncIterable<SourceRow>;
  /** Safe to call twice. A lent client stays open. */
  close(): Promise<void>;
}

/** Where reading stands. */
export type SourcePosition = readonly string[];

/** A row of the source and what it becomes; nothing: it says no more than others do. */
export interface SourceRow {
  /** Its table and id, for reports. */
  readonly name: string;
  /** To go on after it; undefined where a source can only be read from the start. */
  readonly position?: SourcePosition | undefined;
  readonly items: readonly SourceItem[];
  /** Why it becomes nothing. */
  readonly skipped?: string | undefined;
}

/** What a row becomes: `kind` says what it is. */
export type SourceItem = SourceMessage | SourceConversation | SourceRecord | SourceNotes | SourceRun | SourceRunPart;

/** A message, as `import` takes it. */
export interface SourceMessage {
  readonly kind: "message";
  readonly message: ImportedMessage;
}

/** Of a conversation whose messages came before. */
export interface SourceConversation {
  readonly kind: "conversation";
  readonly id: string;
  readonly userId: string | undefined;
  readonly resourceId?: string | undefined;
  readonly title?: string | undefined;
  readonly metadata: Metadata;
}

/** A typed memory. */
export interface SourceRecord {
  readonly kind: "record";
  readonly type: string;
  readonly id: string;
  readonly userId: string | undefined;
  readonly conversationId?: string | undefined;
  readonly name?: string | undefined;
  readonly content: string;
  readonly data: Metadata;
  readonly createdAt?: Date | undefined;
}

/** Working memory of a user, or of a conversation. */
export interface SourceNotes {
  readonly kind: "notes";
  readonly userId: string | undefined;
  readonly conversation?: { readonly id: string; readonly resourceId: string } | undefined;
  readonly content: string;
}

/** A run of an agent or a workflow. */
export interface SourceRun {
  readonly kind: "run";
  readonly userId: string | undefined;
  readonly id: string;
  readonly run: RunInput;
}

/** A step or an event of a run. */
export interface SourceRunPart {
  readonly kind: "runPart";
  readonly userId: string | undefined;
  readonly runId: string;
  readonly conversationId: string | undefined;
  /** Its place among the parts of its run. */
  readonly place: number;
  readonly step?: RunStepInput | undefined;
  readonly event?: RunEventInput | undefined;
}
