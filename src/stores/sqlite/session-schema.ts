import type { SqliteSchema } from "./database.ts";

/** Conversations, messages, their words, and what a vector store is owed. Text is compared byte by byte. */
export const sessionSchema: SqliteSchema = {
  name: "sessions",
  migrations: [
    `
CREATE TABLE {conversations} (
  tenant TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  title TEXT NOT NULL,
  metadata TEXT NOT NULL,
  language TEXT,
  next_seq INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX {conversations_updated} ON {conversations} (tenant, user_id, updated_at, id);
CREATE INDEX {conversations_created} ON {conversations} (tenant, user_id, created_at, id);

-- entry names a message for good: the words and the outbox refer to it.
CREATE TABLE {messages} (
  entry INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  user_id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  role TEXT NOT NULL,
  name TEXT,
  type TEXT NOT NULL,
  content TEXT NOT NULL,
  parts TEXT NOT NULL,
  metadata TEXT NOT NULL,
  tool_ids TEXT,
  importance REAL,
  created_at INTEGER NOT NULL,
  UNIQUE (tenant, user_id, conversation_id, seq),
  UNIQUE (tenant, conversation_id, message_id)
) STRICT;
CREATE INDEX {messages_tools} ON {messages} (tenant, user_id, conversation_id, seq) WHERE tool_ids IS NOT NULL;

-- The texts themselves are not kept a second time. scope holds digests of whose a message is: a search reads only those.
CREATE VIRTUAL TABLE {words} USING fts5(own, context, scope, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2');

-- Vectors owed. generation tells what was leased from what has been owed anew since.
CREATE TABLE {outbox} (
  entry INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL,
  user_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  available_at INTEGER NOT NULL,
  last_error TEXT
) STRICT;
CREATE INDEX {outbox_due} ON {outbox} (available_at);
CREATE INDEX {outbox_owner} ON {outbox} (tenant, user_id);

-- Vectors that must go, because their messages were deleted.
CREATE TABLE {removals} (
  entry INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL,
  user_id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  message_ids TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  available_at INTEGER NOT NULL,
  last_error TEXT
) STRICT;
CREATE INDEX {removals_due} ON {removals} (available_at);
CREATE INDEX {removals_owner} ON {removals} (tenant, user_id);
`,
    `
ALTER TABLE {conversations} ADD COLUMN pinned_at INTEGER;
ALTER TABLE {conversations} ADD COLUMN archived_at INTEGER;
`,
  ],
};
