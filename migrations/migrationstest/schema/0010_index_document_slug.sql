CREATE INDEX CONCURRENTLY documents_project_id_slug_idx ON documents (project_id, slug);
