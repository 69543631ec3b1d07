-- Networks of further seeds, in one artifact, are a model like the others; and what opened the
-- test rows, so that a reading that is repeated can be told from another one.

ALTER TABLE plumbline.model_versions
    DROP CONSTRAINT model_versions_kind_check,
    ADD CONSTRAINT model_versions_kind_check
        CHECK (kind IN ('floor', 'random_forest', 'xgboost', 'network', 'network_seeds'));

ALTER TABLE plumbline.test_reads
    ADD COLUMN asked_by text CHECK (asked_by <> '');
