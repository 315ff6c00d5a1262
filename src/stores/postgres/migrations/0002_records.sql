-- Typed records: facts, summaries, working memory, runs. data is json, to the letter; metadata is its filterable copy.

CREATE TABLE {records} (
  tenant text COLLATE "C" NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  resource_id text COLLATE "C" NOT NULL,
  conversation_id text COLLATE "C",
  name text COLLATE "C",
  key text COLLATE "C",
  content text NOT NULL,
  data json NOT NULL,
  metadata jsonb,
  position float8 NOT NULL,
  version bigint NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  expires_at timestamptz,
  words tsvector NOT NULL,
  CONSTRAINT {index:records_pkey} PRIMARY KEY (tenant, user_id, type, id)
);
CREATE UNIQUE INDEX {index:records_key} ON {records} (tenant, user_id, type, key) WHERE key IS NOT NULL;
CREATE INDEX {index:records_conversation} ON {records} (tenant, conversation_id, user_id) WHERE conversation_id IS NOT NULL;
CREATE INDEX {index:records_expiry} ON {records} (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX {index:records_words} ON {records} USING gin (words);
