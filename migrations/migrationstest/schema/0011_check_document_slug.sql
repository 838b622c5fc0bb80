-- Holds for new rows from now on; 0012 looks at the old ones.

ALTER TABLE documents ADD CONSTRAINT documents_slug_present CHECK (slug IS NOT NULL) NOT VALID;
