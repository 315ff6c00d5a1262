import type { RecordStore } from "../../domain/record-store.ts";
import { once } from "../../internal/once.ts";
import { chooseClient } from "../postgres/choose-client.ts";
import type { PgliteLike } from "../postgres/embedded/pglite-client.ts";
import { migrate } from "../postgres/migrate.ts";
import { makeNames } from "../postgres/names.ts";
import type { PgConnectionOptions, PgPoolLike } from "../postgres/pg-client.ts";
import type { RecordDatabase } from "../postgres/record-rows.ts";
import { recordStoreAt } from "../postgres/record-store.ts";
import { enforcePolicies, securedClient } from "../postgres/row-security.ts";

/** Which Postgres holds the records, and where in it: a server, a client of yours, or an embedded one. */
export interface PostgresRecordStoreOptions extends PgConnectionOptions {
  /** A client of yours: a `pg.Pool`, or a PGlite instance made with the `vector` extension. It is lent: `close` leaves it open. */
  readonly client?: PgPoolLike | PgliteLike | undefined;
  /** Directory of an embedded Postgres; several processes may open it. `"memory://"` keeps nothing. @default "./.unforget" when no server is named */
  readonly dataDir?: string | undefined;
  /** Nothing outside of this schema is read or written. @default "unforget" */
  readonly schema?: string | undefined;
  /** Prefix of every table, at most 30 characters. @default "" */
  readonly tablePrefix?: string | undefined;
  /** Text-search configuration of all records; one the server does not have becomes `"simple"`. @default "english" */
  readonly language?: string | undefined;
  /**
   * Row-level security as a second wall, forced on the table. Connect as a role that is neither superuser nor BYPASSRLS,
   * or name such a role to switch to. @default false
   */
  readonly rls?: boolean | { readonly role: string } | undefined;
}

/** Records in PostgreSQL: a server, a lent client, or embedded (PGlite); in the schema of the conversations, or another. */
export function postgresRecordStore(options: PostgresRecordStoreOptions = {}): RecordStore {
  const { schema = "unforget", tablePrefix = "", language = "english", rls = false } = options;
  const names = makeNames(schema, tablePrefix);
  const role = typeof rls === "object" ? rls.role : undefined;
  const client = chooseClient("records", options);
  let serverVersion = "";

  const opened = once(async (): Promise<RecordDatabase> => {
    const installation = await migrate(client, names);
    serverVersion = installation.serverVersion;
    if (rls !== false) await enforcePolicies(client, names, [names.table.records], role);
    const { languages, vectorSchema, vectorTypeId } = installation;
    return { client, names, language: languages.has(language) ? language : "simple", vectorSchema, vectorTypeId, purge: { dueAt: 0 } };
  });

  return recordStoreAt({
    client,
    async database(scope) {
      const database = await opened();
      return rls === false ? database : { ...database, client: securedClient(client, scope, role) };
    },
    release: () => client.close(),
    versions: () => ({ postgres: serverVersion }),
  });
}
