-- An invitation lets one address join a project, once, until it expires.

CREATE TABLE invitations (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id  bigint NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    email       text NOT NULL,
    role        text NOT NULL DEFAULT 'reader',
    key_hash    bytea NOT NULL,
    invited_by  bigint REFERENCES users (id) ON DELETE SET NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    accepted_at timestamptz,
    CONSTRAINT invitations_key_hash_key UNIQUE (key_hash),
    CONSTRAINT invitations_role CHECK (role IN ('reader', 'writer', 'admin'))
);

CREATE INDEX invitations_project_id_idx ON invitations (project_id);
CREATE INDEX invitations_invited_by_idx ON invitations (invited_by);
CREATE UNIQUE INDEX invitations_open_idx ON invitations (project_id, lower(email)) WHERE accepted_at IS NULL;
