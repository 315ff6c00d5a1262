-- One vector a record, exact search through the indexes of its scope. Those that lack one are found by embedding_model.
ALTER TABLE {records} ADD COLUMN wants_vector boolean NOT NULL DEFAULT false, ADD COLUMN embedding_model text COLLATE "C", ADD COLUMN embedding {vector};
CREATE INDEX {index:records_vectors} ON {records} (embedding_model) WHERE wants_vector;
