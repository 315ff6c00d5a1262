import type { SqliteSchema } from "./database.ts";

/** Typed records and their words. */
export const recordSchema: SqliteSchema = {
  name: "records",
  migrations: [
    `
CREATE TABLE {records} (
  entry INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  user_id TEXT NOT NULL,
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  conversation_id TEXT,
  name TEXT,
  key TEXT,
  content TEXT NOT NULL,
  data TEXT NOT NULL,
  position REAL NOT NULL,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  expires_at INTEGER,
  UNIQUE (tenant, user_id, type, id)
) STRICT;
CREATE UNIQUE INDEX {records_key} ON {records} (tenant, user_id, type, key) WHERE key IS NOT NULL;
CREATE INDEX {records_conversation} ON {records} (tenant, conversation_id) WHERE conversation_id IS NOT NULL;
CREATE INDEX {records_expiry} ON {records} (expires_at) WHERE expires_at IS NOT NULL;

-- The texts themselves are not kept a second time. scope holds digests of whose a record is: a search reads only those.
CREATE VIRTUAL TABLE {record_words} USING fts5(name, content, scope, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2');
`,
    `
CREATE INDEX {records_id} ON {records} (tenant, type, id);
CREATE INDEX {records_name} ON {records} (tenant, name, type) WHERE name IS NOT NULL;
CREATE INDEX {records_of_user} ON {records} (tenant, user_id, type, position, id);
CREATE INDEX {records_of_tenant} ON {records} (tenant, type, position, user_id, id);
`,
    `
ALTER TABLE {records} ADD COLUMN wants_vector INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {records} ADD COLUMN vector_model TEXT;
CREATE INDEX {records_vectors} ON {records} (vector_model) WHERE wants_vector = 1;
-- Apart from the records, so that reading those does not read these.
CREATE TABLE {record_vectors} (entry INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT;
`,
  ],
};
