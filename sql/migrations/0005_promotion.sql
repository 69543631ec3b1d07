-- A promotion says what was done, against which champion, on what evidence, and who answers
-- for it. Rows from before were all promotions.

ALTER TABLE plumbline.bundles
    ADD UNIQUE (pipeline, bundle_version);

ALTER TABLE plumbline.promotions
    ADD COLUMN action        text        NOT NULL DEFAULT 'promote'
        CHECK (action IN ('promote', 'rollback', 'override', 'refuse')),
    ADD COLUMN compared_with text,
    ADD COLUMN evidence      jsonb       NOT NULL DEFAULT '{}',
    ADD COLUMN author        text        NOT NULL DEFAULT '',
    ADD COLUMN expires_at    timestamptz CHECK (expires_at > promoted_at),
    ADD CHECK ((action = 'override') = (expires_at IS NOT NULL)),
    ADD CHECK (action NOT IN ('rollback', 'override') OR (author <> '' AND reason <> '')),
    ADD FOREIGN KEY (pipeline, bundle_version)
        REFERENCES plumbline.bundles (pipeline, bundle_version),
    ADD FOREIGN KEY (pipeline, compared_with)
        REFERENCES plumbline.bundles (pipeline, bundle_version);
