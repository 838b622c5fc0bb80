-- Documents form a tree within their project; body is Markdown.

CREATE TABLE documents (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    parent_id  bigint REFERENCES documents (id) ON DELETE CASCADE,
    title      text NOT NULL,
    body       text NOT NULL DEFAULT '',
    created_by bigint REFERENCES users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT documents_not_own_parent CHECK (parent_id <> id)
);

CREATE INDEX documents_project_id_idx ON documents (project_id, updated_at DESC);
CREATE INDEX documents_parent_id_idx ON documents (parent_id);
CREATE INDEX documents_created_by_idx ON documents (created_by);
