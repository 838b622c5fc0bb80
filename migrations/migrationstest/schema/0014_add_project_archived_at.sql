-- When a project was archived, and not only that it was. Both columns agree
-- whichever of them a release writes.

ALTER TABLE projects ADD COLUMN archived_at timestamptz;

CREATE FUNCTION sync_project_archived() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.archived AND NEW.archived_at IS NULL THEN
            NEW.archived_at := now();
        END IF;
    ELSIF NEW.archived IS DISTINCT FROM OLD.archived AND NEW.archived_at IS NOT DISTINCT FROM OLD.archived_at THEN
        NEW.archived_at := CASE WHEN NEW.archived THEN now() END;
    END IF;
    NEW.archived := NEW.archived_at IS NOT NULL;
    RETURN NEW;
END
$$;

CREATE TRIGGER projects_sync_archived
    BEFORE INSERT OR UPDATE OF archived, archived_at ON projects
    FOR EACH ROW EXECUTE FUNCTION sync_project_archived();
