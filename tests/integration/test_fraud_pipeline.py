"""The bundled pipeline on vectors, as declared: from the table to training features in SQL."""

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
from small_pipeline import run

from pipelines.definitions import ROOT
from pipelines.loading import pipeline
from plumbline.demo import fraud
from plumbline.extract.freeze import find_snapshot
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.store import ArtifactStore

ROWS = 2_000
DATA = ["snapshot", "split", "normalization", "training_features"]


@pytest.fixture(scope="module")
def loaded(module_postgres: Postgres) -> Postgres:
    assert fraud.load(module_postgres, "v1", ROWS, seed=1)
    assert fraud.load(module_postgres, "v2", ROWS, seed=2)
    return module_postgres


@pytest.fixture(scope="module")
def ran(loaded, tmp_path_factory):
    """The data stages of `fraud` on version v2: whether they succeeded, and the store."""
    store = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("DATABASE_URL", loaded.url)
        patch.setenv("PLUMBLINE_STORE", str(store))
        result = run(pipeline("fraud"), ROOT, instance, "v2", selection=DATA)
        again = run(pipeline("fraud"), ROOT, instance, "v2", selection=DATA[-1:])
    return result, again, store


def test_a_version_is_loaded_once(loaded):
    assert not fraud.load(loaded, "v1", ROWS)
    with loaded.connect() as connection:
        rows = connection.execute(
            "SELECT dataset_version, split, count(*), avg(label_index)::float8, "
            "min(cardinality(raw_vector)), count(normalization_version) "
            "FROM fraud.training_vectors GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
        ).fetchall()
    sides = [("train", 1400), ("test", 300), ("val", 300)]
    assert rows == [(v, side, n, 0.5, 8, 0) for v in ("v1", "v2") for side, n in sides]


def test_what_is_loaded_is_what_was_drawn(loaded):
    with loaded.connect() as connection:
        rows = connection.execute(
            "SELECT raw_vector, label_index, split FROM fraud.training_vectors "
            "WHERE dataset_version = 'v1' ORDER BY feature_id"
        ).fetchall()
    drawn = fraud.draw(ROWS, seed=1)
    np.testing.assert_array_equal(np.array([row[0] for row in rows]), drawn.vectors)
    assert [row[1] for row in rows] == drawn.labels.tolist()
    assert [row[2] for row in rows] == drawn.sides.tolist()


def test_the_data_stages_run(ran):
    result, again, _ = ran
    assert result.success
    assert again.success
    (event,) = again.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["reused"].value is True
    assert metadata["dagster/table_name"].value == "fraud.training_features"
    assert metadata["train_rows"].value == 1400


def test_the_version_reads_its_own_vectors(ran, loaded):
    _, _, store = ran
    frozen = find_snapshot("fraud", "v2", Registry.open(loaded), ArtifactStore.at(store))
    assert frozen.parameters == {"dataset_version": "v2"}
    assert frozen.column("hour").origin == "raw_vector[3]"
    table = pa.Table.from_batches(frozen.batches())
    found = np.column_stack([table.column(name).to_numpy() for name in fraud.FEATURES])
    np.testing.assert_array_equal(found, fraud.draw(ROWS, seed=2).vectors)


def test_sql_reads_what_the_model_was_trained_on(ran, loaded):
    with loaded.connect() as connection:
        (rows, worst, names) = connection.execute(
            """
            SELECT count(DISTINCT t.row), max(abs((x - p.means[i]) / p.stds[i] - s)),
                   array_agg(DISTINCT p.feature_names)
            FROM fraud.training_features AS t
            JOIN plumbline.normalization_params AS p USING (normalization_version)
            JOIN fraud.training_vectors AS v ON v.feature_id = (t.row_key ->> 'feature_id')::bigint
            CROSS JOIN LATERAL unnest(v.raw_vector, t.scaled_vector)
                WITH ORDINALITY AS u(x, s, i)
            WHERE v.raw_vector = t.raw_vector AND v.label_index = t.label_index
              AND v.split = t.split AND t.dataset_version = 'v2'
            """
        ).fetchone() or (0, 1, [])
    assert rows == 1700
    assert worst < 1e-6
    assert names == [list(fraud.FEATURES)]
