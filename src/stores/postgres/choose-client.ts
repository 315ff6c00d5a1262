import { InvalidArgumentError } from "../../domain/errors.ts";
import { embeddedClient } from "./embedded/embedded-client.ts";
import { type PgliteLike, pgliteClient } from "./embedded/pglite-client.ts";
import { lentPgClient, type PgConnectionOptions, type PgPoolLike, pgClient } from "./pg-client.ts";
import type { SqlClient } from "./sql-client.ts";

export interface ClientOptions extends PgConnectionOptions {
  readonly client?: PgPoolLike | PgliteLike | undefined;
  readonly dataDir?: string | undefined;
}

/**
 * The client that options name: a lent one, a server, or the embedded database, which is also what nothing names.
 * @throws InvalidArgumentError when they name more than one
 */
export function chooseClient(field: string, options: ClientOptions): SqlClient {
  const { client, dataDir, url, host, database, user, maxConnections } = options;
  const named = [client, dataDir, url ?? host ?? database ?? user].filter((choice) => choice !== undefined);
  if (named.length > 1) throw new InvalidArgumentError(field, "names more than one database: give one of url (or host …), client, dataDir");
  if (client !== undefined) return isPglite(client) ? pgliteClient(client) : lentPgClient(client);
  if (dataDir !== undefined || named.length === 0) return embeddedClient({ dataDir: dataDir ?? "./.unforget" });
  if (maxConnections !== undefined && !(Number.isInteger(maxConnections) && maxConnections >= 1))
    throw new InvalidArgumentError("maxConnections", "must be a whole number of at least 1");
  return pgClient(options);
}

function isPglite(client: PgPoolLike | PgliteLike): client is PgliteLike {
  return "execProtocolRaw" in client;
}
