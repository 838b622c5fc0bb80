-- Takes away the column that archived_at replaced, and what kept both equal.
-- phase: contract
-- unused-since: v0.2.0

DROP TRIGGER projects_sync_archived ON projects;
DROP FUNCTION sync_project_archived();
ALTER TABLE projects DROP COLUMN archived;
