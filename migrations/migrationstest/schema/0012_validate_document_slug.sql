-- Reads the whole table under a lock that stops neither readers nor writers.

ALTER TABLE documents VALIDATE CONSTRAINT documents_slug_present;
