import { InvalidArgumentError } from "../domain/errors.ts";
import type { MemoryStore } from "../domain/memory-store.ts";
import type { RecordStore } from "../domain/record-store.ts";
import type { SessionStore } from "../domain/session-store.ts";
import type { VectorStore } from "../domain/vector-store.ts";
import type { PgliteLike } from "./postgres/embedded/pglite-client.ts";
import type { PgPoolLike } from "./postgres/pg-client.ts";
import { type PostgresSessionStoreOptions, postgresSessionStore } from "./session/postgres.ts";

// Each backend is one file and one line here.

export const sessionStores = {
  postgres: (options: PostgresSessionStoreOptions) => postgresSessionStore(options),
};

export const vectorStores = {};

export const recordStores = {};

/** A store by name with its options, a `pg.Pool` or PGlite instance of yours, or a store of your own. */
export type SessionsOption =
  | ({ readonly store: "postgres" } & PostgresSessionStoreOptions)
  | PgPoolLike
  | PgliteLike
  | SessionStore
  | MemoryStore;

/**
 * @throws InvalidArgumentError when it is neither a known name nor a client nor a store
 */
export function resolveSessionStore(option: SessionsOption): SessionStore | MemoryStore {
  if (typeof option === "object" && option !== null) {
    if ("append" in option && typeof option.append === "function") return option;
    if ("execProtocolRaw" in option || ("connect" in option && typeof option.connect === "function")) {
      return sessionStores.postgres({ client: option as PgPoolLike | PgliteLike });
    }
    if ("store" in option && Object.hasOwn(sessionStores, option.store)) {
      const { store, ...options } = option;
      return sessionStores[store](options);
    }
  }
  throw new InvalidArgumentError(
    "sessions",
    `is not a store: give { store: ${Object.keys(sessionStores)
      .map((name) => `"${name}"`)
      .join(" | ")} }, a pg.Pool, a PGlite instance, or a SessionStore`,
  );
}

export type { RecordStore, VectorStore };
