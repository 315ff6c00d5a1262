import { InvalidArgumentError } from "../../domain/errors.ts";
import type { ClientOptions } from "../../stores/postgres/choose-client.ts";
import type { PgliteLike } from "../../stores/postgres/embedded/pglite-client.ts";
import type { PgPoolLike } from "../../stores/postgres/pg-client.ts";

/** A server, setting by setting. */
export interface PostgresConnection {
  /** @default "localhost" */
  readonly host?: string | undefined;
  /** @default 5432 */
  readonly port?: number | undefined;
  readonly database?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** `true`, or options of Node's TLS, e.g. `{ ca }`. @default false */
  readonly ssl?: boolean | Readonly<Record<string, unknown>> | undefined;
}

/** Which database: a URL, settings, or a client of yours (a `pg.Pool`, or a PGlite instance made with the `vector` extension). */
export type StorageConnection = string | PostgresConnection | PgPoolLike | PgliteLike;

/**
 * The connection as our own options name it. A client of yours is lent: it stays open.
 *
 * @throws InvalidArgumentError when there is none
 */
export function clientOptions(connection: StorageConnection | undefined, maxConnections: number | undefined): ClientOptions {
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

function isClient(connection: PostgresConnection | PgPoolLike | PgliteLike): connection is PgPoolLike | PgliteLike {
  return "execProtocolRaw" in connection || "connect" in connection;
}
