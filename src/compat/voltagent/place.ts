import { createMemory } from "../../core/create-memory.ts";
import { BackendError } from "../../domain/errors.ts";
import type { Logger } from "../../domain/logger.ts";
import type { Memory } from "../../domain/memory.ts";
import type { EmbeddingChoice } from "../../embedders/resolve.ts";
import { KeyedQueue } from "../../internal/keyed-queue.ts";
import { type ClientOptions, chooseClient } from "../../stores/postgres/choose-client.ts";
import { speaking } from "../../stores/postgres/errors.ts";
import { makeNames, type Names } from "../../stores/postgres/names.ts";
import type { SqlClient, SqlStatement } from "../../stores/postgres/sql-client.ts";
import { type MigrateSchemaOptions, type MigrateSchemaResult, migrateSchema } from "./migrate-schema.ts";

/** Everything of this storage is of this tenant. */
export const tenant = "default";

/** Where a storage keeps its data, and how it gets there. */
export interface Place {
  readonly names: Names;
  readonly logger: Logger | undefined;
  /** The memory on these tables. Opening it brings old tables along first. */
  memory(): Memory;
  /** Rows of a statement on the memory's own connections, for what the memory has no call for. */
  query<Row>(operation: string, statement: SqlStatement): Promise<Row[]>;
  /** Writes to one history take turns in this process. */
  readonly writers: KeyedQueue;
  migrate(options: MigrateSchemaOptions): Promise<MigrateSchemaResult>;
  close(): Promise<void>;
}

export interface PlaceOptions {
  readonly client: ClientOptions;
  readonly schema: string;
  readonly tablePrefix: string;
  readonly embedding: EmbeddingChoice;
  readonly logger: Logger | undefined;
}

/** Does no I/O: the database is first asked by the first call. */
export function storagePlace({ client: clientOptions, schema, tablePrefix, embedding, logger }: PlaceOptions): Place {
  const names = makeNames(schema, tablePrefix);
  const opened: { memory?: Memory | undefined; client?: SqlClient | undefined } = {};
  let isClosed = false;

  const onProgress: MigrateSchemaOptions["onProgress"] = ({ phase, done, total }) =>
    logger?.debug?.(`[voltagent] old tables are brought along: ${phase}, ${done} of ${total}`);

  /** Old tables first: ours take their names. */
  async function bringAlong(client: SqlClient): Promise<void> {
    opened.client = client;
    const { success, error } = await migrateSchema({ client, names, tenant }, { onProgress });
    if (!success) throw error;
  }

  function memory(): Memory {
    if (opened.memory === undefined) {
      if (isClosed) throw closed();
      opened.memory = createMemory({ ...clientOptions, schema, tablePrefix, embedding, logger, beforeOpen: bringAlong });
    }
    return opened.memory;
  }

  async function closeMemory(): Promise<void> {
    const open = opened.memory;
    opened.memory = undefined;
    opened.client = undefined;
    await open?.close();
  }

  // Made and refused now, so that options that cannot be right are told by the constructor.
  memory();
  return {
    names,
    logger,
    memory,
    writers: new KeyedQueue(),
    async query<Row>(operation: string, statement: SqlStatement) {
      await memory().ready();
      const { client } = opened;
      if (client === undefined) throw closed();
      return (await speaking(operation, client.engine, () => client.query<Row>(statement))).rows;
    },
    async migrate(options) {
      if (isClosed) throw closed();
      // A memory that is open would find other tables under its names.
      if (options.restoreFromBackup === true) await closeMemory();
      const client = chooseClient("connection", { ...clientOptions, ...("client" in clientOptions ? {} : { maxConnections: 1 }) });
      try {
        return await migrateSchema({ client, names, tenant }, { onProgress, ...options });
      } finally {
        await client.close();
      }
    },
    async close() {
      isClosed = true;
      await closeMemory();
    },
  };
}

const closed = () => new BackendError("voltagent", "call", "this storage was closed: make another one", { code: "closed" });
