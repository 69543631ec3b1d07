-- The floor, a dummy and a linear model in one artifact, is a model like the others.

ALTER TABLE plumbline.model_versions
    DROP CONSTRAINT model_versions_kind_check,
    ADD CONSTRAINT model_versions_kind_check
        CHECK (kind IN ('floor', 'random_forest', 'xgboost', 'network'));
