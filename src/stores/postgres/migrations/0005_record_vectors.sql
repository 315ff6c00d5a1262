-- One vector a record, exact search through the indexes of its scope. Those that lack one are found by embedding_model.
ALTER TABLE {records} ADD COLUMN wants_vector boolean NOT NULL DEFAULT false, ADD COLUMN embedding_model text COLLATE "C", ADD COLUMN embedding {vector};
CREATE INDEX {index:records_vectors} ON {records} (embedding_model) WHERE wants_vector AND content <> '';

-- Names that many users have are read for one of them.
DROP INDEX {schema}.{index:records_name};
CREATE INDEX {index:records_name} ON {records} (tenant, name, type, user_id) WHERE name IS NOT NULL;
