-- Card payments in the array layout: one vector per row, its elements' names in the declaration.
-- The rows are synthetic: plumbline/demo/fraud.py draws them.

CREATE SCHEMA IF NOT EXISTS fraud;

CREATE TABLE IF NOT EXISTS fraud.training_vectors (
    feature_id           bigserial   PRIMARY KEY,
    dataset_version      text        NOT NULL,
    split                text        NOT NULL CHECK (split IN ('train', 'val', 'test')),
    raw_vector           float8[]    NOT NULL,
    label_index          smallint    NOT NULL,
    normalization_version text
);

CREATE INDEX IF NOT EXISTS training_vectors_version
    ON fraud.training_vectors (dataset_version, feature_id);

COMMENT ON TABLE fraud.training_vectors IS
    'Synthetic card payments. Plumbline reads raw_vector and never scales it in place: '
    'normalization_version stays NULL, and scaled rows go to fraud.training_features.';

-- Part of the layout, for scalers that others fit. Plumbline neither reads nor fills it: its own
-- parameters are in plumbline.normalization_params.
CREATE TABLE IF NOT EXISTS fraud.normalization_params (
    normalization_version text       PRIMARY KEY,
    dataset_version      text        NOT NULL,
    feature_names        text[]      NOT NULL,
    means                float8[]    NOT NULL,
    stds                 float8[]    NOT NULL
);
