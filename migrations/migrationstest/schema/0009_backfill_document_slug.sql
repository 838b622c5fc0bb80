-- The documents that were there before the trigger.
-- backfill: table=documents key=id batch=500 pause=100ms

UPDATE documents
   SET slug = document_slug(title)
 WHERE slug IS NULL
   AND id BETWEEN $1 AND $2;
