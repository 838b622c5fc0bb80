-- Every saved version of a document, numbered from 1.

CREATE TABLE document_revisions (
    document_id bigint NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    revision    integer NOT NULL,
    title       text NOT NULL,
    body        text NOT NULL,
    author_id   bigint REFERENCES users (id) ON DELETE SET NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (document_id, revision),
    CONSTRAINT document_revisions_revision CHECK (revision > 0)
);

CREATE INDEX document_revisions_author_id_idx ON document_revisions (author_id);
