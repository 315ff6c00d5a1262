-- Conversations of an app or agent, and of a whole tenant, newest first: among a million each is a page of an index.
CREATE INDEX {index:conversations_of_resource} ON {conversations} (tenant, resource_id, updated_at DESC, id);
CREATE INDEX {index:conversations_of_tenant} ON {conversations} (tenant, updated_at DESC, id);
