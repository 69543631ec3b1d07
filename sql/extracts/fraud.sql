-- Synthetic card payments, as vectors: loaded by `plumbline demo fraud`.
--
-- grain:     one row per payment
-- key:       feature_id
-- label:     label_index: 1 for fraud
-- split:     column split, decided when the rows were written
-- cutoff:    what is known when the payment is made; the label comes later
-- row order: by key (added by Plumbline)

SELECT
    v.feature_id,
    v.split,
    v.raw_vector,
    v.label_index
FROM fraud.training_vectors AS v
WHERE v.dataset_version = :dataset_version
ORDER BY v.feature_id
