-- backfill: table=projects key=id batch=500 pause=100ms

UPDATE projects
   SET archived_at = updated_at
 WHERE archived
   AND archived_at IS NULL
   AND id BETWEEN $1 AND $2;
