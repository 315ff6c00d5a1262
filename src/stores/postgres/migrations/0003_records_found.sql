-- Records by id without their user, by name (what hangs on a run), and in the order of their positions.

CREATE INDEX {index:records_id} ON {records} (tenant, type, id);
CREATE INDEX {index:records_name} ON {records} (tenant, name, type) WHERE name IS NOT NULL;
CREATE INDEX {index:records_of_user} ON {records} (tenant, user_id, type, position, id);
CREATE INDEX {index:records_of_tenant} ON {records} (tenant, type, position, user_id, id);
