-- Who may do what in a project.

CREATE TABLE memberships (
    project_id bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id    bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role       text NOT NULL DEFAULT 'reader',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, user_id),
    CONSTRAINT memberships_role CHECK (role IN ('reader', 'writer', 'admin'))
);

CREATE INDEX memberships_user_id_idx ON memberships (user_id);
