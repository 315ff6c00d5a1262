import { InvalidArgumentError } from "../../domain/errors.ts";
import type { ClientOptions } from "../../stores/postgres/choose-client.ts";
import type { PgliteLike } from "../../stores/postgres/embedded/pglite-client.ts";
import type { PgPoolLike } from "../../stores/postgres/pg-client.ts";

/** A server, as VoltAgent's options name it. */
export interface ConnectionSettings {
  readonly host?: string | undefined;
  /** @default 5432 */
  readonly port?: number | undefined;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly ssl?: boolean | Readonly<Record<string, unknown>> | undefined;
}

/** A URL, settings, or a client of yours: a `pg.Pool` or a PGlite instance, which is lent and stays open. */
export type Connection = string | ConnectionSettings | PgPoolLike | PgliteLike;

/**
 * What a connection names, in our own words.
 *
 * @throws InvalidArgumentError for what is none
 */
export function clientOptions(connection: Connection, maxConnections: number): ClientOptions {
  if (typeof connection === "string" && connection !== "") return { url: connection, maxConnections };
  if (typeof connection !== "object" || connection === null)
    throw new InvalidArgumentError(
      "connection",
      "is required: a URL, { host, port, database, user, password }, a pg.Pool or a PGlite instance",
    );
  if (isClient(connection)) return { client: connection };
  const { host = "localhost", port, database, user, password, ssl } = connection;
  return { host, port, database, user, password, ssl, maxConnections };
}

function isClient(connection: ConnectionSettings | PgPoolLike | PgliteLike): connection is PgPoolLike | PgliteLike {
  return "execProtocolRaw" in connection || ("connect" in connection && "query" in connection);
}
