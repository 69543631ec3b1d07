-- What the audit and the guard drill found, and rows that a split left out.

ALTER TABLE plumbline.split_versions
    ADD COLUMN excluded_rows bigint NOT NULL DEFAULT 0 CHECK (excluded_rows >= 0);

CREATE TABLE plumbline.audits (
    audit_version        text        PRIMARY KEY,
    pipeline             text        NOT NULL,
    dataset_version      text        NOT NULL,
    split_version        text        NOT NULL,
    previous_version     text,
    errors               integer     NOT NULL CHECK (errors >= 0),
    warnings             integer     NOT NULL CHECK (warnings >= 0),
    audited_at           timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (pipeline, dataset_version, split_version)
        REFERENCES plumbline.split_versions (pipeline, dataset_version, split_version),
    FOREIGN KEY (pipeline, previous_version)
        REFERENCES plumbline.dataset_versions (pipeline, dataset_version)
);

CREATE TABLE plumbline.findings (
    audit_version        text        NOT NULL REFERENCES plumbline.audits,
    finding              integer     NOT NULL CHECK (finding > 0),
    "check"              text        NOT NULL,
    severity             text        NOT NULL CHECK (severity IN ('ERROR', 'WARN', 'INFO')),
    "column"             text,
    count                bigint      NOT NULL CHECK (count >= 0),
    threshold            text        NOT NULL,
    examples             jsonb       NOT NULL,
    message              text        NOT NULL,
    remedy               text        NOT NULL,
    accepted             text        NOT NULL,
    PRIMARY KEY (audit_version, finding)
);

CREATE TABLE plumbline.guard_drills (
    guard_drill          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline             text        NOT NULL,
    dataset_version      text        NOT NULL,
    guard                text        NOT NULL,
    injection            text        NOT NULL,
    fired                boolean     NOT NULL,
    silent_on_sound_data boolean     NOT NULL,
    told                 text        NOT NULL,
    drilled_at           timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (pipeline, dataset_version) REFERENCES plumbline.dataset_versions
);

DO $$
DECLARE
    registry_table text;
BEGIN
    FOREACH registry_table IN ARRAY ARRAY['audits', 'findings', 'guard_drills'] LOOP
        EXECUTE format(
            'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON plumbline.%I
             FOR EACH STATEMENT EXECUTE FUNCTION plumbline.refuse_change()', registry_table);
    END LOOP;
END
$$;
