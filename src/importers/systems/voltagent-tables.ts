import type { Row } from "./row-values.ts";
import type { Columns, TablesDatabase } from "./tables.ts";

/** What is known of a conversation that messages name. */
export interface VoltagentOwner {
  readonly userId: string | undefined;
  readonly row: Row | undefined;
}

export interface VoltagentTables {
  readonly database: TablesDatabase;
  readonly prefix: string;
  readonly tables: ReadonlyMap<string, Columns>;
  readonly vectors: string | undefined;
  /** Whose the conversations are. */
  owners(ids: readonly string[]): Promise<ReadonlyMap<string, VoltagentOwner>>;
}
