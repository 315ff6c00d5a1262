-- Pinned and archived conversations. The few that are, are found by indexes of their own.
ALTER TABLE {conversations} ADD COLUMN pinned_at timestamptz, ADD COLUMN archived_at timestamptz;
CREATE INDEX {index:conversations_pinned} ON {conversations} (tenant, user_id, updated_at DESC, id) WHERE pinned_at IS NOT NULL;
CREATE INDEX {index:conversations_archived} ON {conversations} (tenant, user_id, updated_at DESC, id) WHERE archived_at IS NOT NULL;
