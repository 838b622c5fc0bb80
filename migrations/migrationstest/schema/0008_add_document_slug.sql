-- Documents get readable addresses. Releases that know nothing of slugs go on
-- inserting documents, so a trigger fills the column for them.

ALTER TABLE documents ADD COLUMN slug text;

CREATE FUNCTION document_slug(title text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT
    AS $$ SELECT coalesce(nullif(trim(both '-' from regexp_replace(lower(title), '[^a-z0-9]+', '-', 'g')), ''), 'untitled') $$;

CREATE FUNCTION fill_document_slug() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NEW.slug IS NULL THEN
        NEW.slug := document_slug(NEW.title);
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER documents_fill_slug
    BEFORE INSERT OR UPDATE ON documents
    FOR EACH ROW EXECUTE FUNCTION fill_document_slug();
