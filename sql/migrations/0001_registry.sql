-- The registry: what exists, what it came from, what was decided.
-- Rows are appended and never changed; a later migration adds, it does not rewrite.

CREATE TABLE plumbline.dataset_versions (
    pipeline             text        NOT NULL,
    dataset_version      text        NOT NULL,
    digest               text        NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    query                text        NOT NULL,
    parameters           jsonb       NOT NULL,
    key_columns          text[]      NOT NULL CHECK (cardinality(key_columns) > 0),
    label_column         text        NOT NULL,
    row_count            bigint      NOT NULL CHECK (row_count > 0),
    columns              jsonb       NOT NULL,
    server_version       text        NOT NULL,
    key_collation        text        NOT NULL,
    postgres_snapshot    text        NOT NULL,
    frozen_at            timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, dataset_version)
);

CREATE TABLE plumbline.split_versions (
    split_version        text        PRIMARY KEY,
    pipeline             text        NOT NULL,
    dataset_version      text        NOT NULL,
    policy               jsonb       NOT NULL,
    train_rows           bigint      NOT NULL CHECK (train_rows > 0),
    val_rows             bigint      NOT NULL CHECK (val_rows > 0),
    test_rows            bigint      NOT NULL CHECK (test_rows > 0),
    assignment_digest    text        NOT NULL,
    certificate          jsonb       NOT NULL,
    created_at           timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (pipeline, dataset_version) REFERENCES plumbline.dataset_versions,
    UNIQUE (pipeline, dataset_version, split_version)
);

CREATE TABLE plumbline.normalization_params (
    normalization_version text       PRIMARY KEY,
    pipeline             text        NOT NULL,
    dataset_version      text        NOT NULL,
    split_version        text        NOT NULL,
    method               text        NOT NULL,
    feature_names        text[]      NOT NULL,
    row_count            bigint      NOT NULL CHECK (row_count > 0),
    means                float8[]    NOT NULL,
    stds                 float8[]    NOT NULL,
    mins                 float8[]    NOT NULL,
    maxes                float8[]    NOT NULL,
    parameters           jsonb       NOT NULL,
    computed_at          timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (pipeline, dataset_version, split_version)
        REFERENCES plumbline.split_versions (pipeline, dataset_version, split_version),
    -- Lets every later row prove that its dataset and its normalization belong together.
    UNIQUE (pipeline, dataset_version, normalization_version),
    CHECK (cardinality(means) = cardinality(feature_names)
       AND cardinality(stds)  = cardinality(feature_names)
       AND cardinality(mins)  = cardinality(feature_names)
       AND cardinality(maxes) = cardinality(feature_names))
);

CREATE TABLE plumbline.model_versions (
    model_version        text        PRIMARY KEY,
    pipeline             text        NOT NULL,
    dataset_version      text        NOT NULL,
    split_version        text        NOT NULL REFERENCES plumbline.split_versions,
    normalization_version text       NOT NULL,
    kind                 text        NOT NULL CHECK (kind IN ('random_forest', 'xgboost', 'network')),
    hyperparameters      jsonb       NOT NULL,
    environment          jsonb       NOT NULL,
    training_rows        bigint      NOT NULL CHECK (training_rows > 0),
    training_seconds     float8      NOT NULL,
    created_at           timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (pipeline, dataset_version, normalization_version)
        REFERENCES plumbline.normalization_params (pipeline, dataset_version, normalization_version)
);

CREATE TABLE plumbline.verdicts (
    verdict_version      text        PRIMARY KEY,
    stage                text        NOT NULL CHECK (stage IN ('baseline_gate', 'evaluation')),
    pipeline             text        NOT NULL,
    dataset_version      text        NOT NULL,
    normalization_version text       NOT NULL,
    decision             text        NOT NULL
        CHECK (decision IN ('OPEN', 'CLOSED', 'NETWORK', 'BASELINE', 'INCONCLUSIVE')),
    reason               text        NOT NULL,
    evidence             jsonb       NOT NULL,
    decided_at           timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (pipeline, dataset_version, normalization_version)
        REFERENCES plumbline.normalization_params (pipeline, dataset_version, normalization_version)
);

CREATE TABLE plumbline.test_reads (
    test_read            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline             text        NOT NULL,
    dataset_version      text        NOT NULL,
    split_version        text        NOT NULL REFERENCES plumbline.split_versions,
    model_versions       text[]      NOT NULL CHECK (cardinality(model_versions) > 0),
    purpose              text        NOT NULL,
    reader               text        NOT NULL,
    opened_at            timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (pipeline, dataset_version) REFERENCES plumbline.dataset_versions
);

CREATE TABLE plumbline.evaluations (
    evaluation_version   text        NOT NULL,
    model_version        text        NOT NULL REFERENCES plumbline.model_versions,
    pipeline             text        NOT NULL,
    dataset_version      text        NOT NULL,
    normalization_version text       NOT NULL,
    split                text        NOT NULL CHECK (split IN ('val', 'test')),
    metric               text        NOT NULL,
    row_count            bigint      NOT NULL CHECK (row_count > 0),
    value                float8      NOT NULL,
    low                  float8      NOT NULL,
    high                 float8      NOT NULL,
    confidence           float8      NOT NULL,
    evaluated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (evaluation_version, model_version, split, metric),
    FOREIGN KEY (pipeline, dataset_version, normalization_version)
        REFERENCES plumbline.normalization_params (pipeline, dataset_version, normalization_version)
);

CREATE TABLE plumbline.bundles (
    bundle_version       text        PRIMARY KEY,
    pipeline             text        NOT NULL,
    dataset_version      text        NOT NULL,
    normalization_version text       NOT NULL,
    model_version        text        NOT NULL REFERENCES plumbline.model_versions,
    verdict_version      text        NOT NULL REFERENCES plumbline.verdicts,
    location             text        NOT NULL,
    created_at           timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (pipeline, dataset_version, normalization_version)
        REFERENCES plumbline.normalization_params (pipeline, dataset_version, normalization_version)
);

CREATE TABLE plumbline.promotions (
    promotion            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline             text        NOT NULL,
    bundle_version       text        NOT NULL REFERENCES plumbline.bundles,
    reason               text        NOT NULL,
    promoted_by          text        NOT NULL,
    promoted_at          timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION plumbline.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'plumbline.% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING HINT = 'record a new version instead';
END
$$;

DO $$
DECLARE
    registry_table text;
BEGIN
    FOR registry_table IN
        SELECT table_name FROM information_schema.tables
        WHERE table_schema = 'plumbline' AND table_name <> 'alembic_version'
    LOOP
        EXECUTE format(
            'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON plumbline.%I
             FOR EACH STATEMENT EXECUTE FUNCTION plumbline.refuse_change()', registry_table);
    END LOOP;
END
$$;
