"""The leakage proof passes an honest fit, and catches each way to cheat."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from snapshots import snapshot_of, spec_of, split_of

from plumbline.extract.features import FeatureTable, feature_table
from plumbline.extract.snapshot import Snapshot
from plumbline.normalization.fit import fit
from plumbline.normalization.leakage import LeakageProof, prove
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NormalizationSpec, PipelineSpec
from plumbline.split.rows import TRAIN, TrainRows
from plumbline.split.split import Split
from plumbline.versions import NormalizationVersion

VERSION = NormalizationVersion("n" * 64)

Fitting = Callable[..., Normalization]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Split, PipelineSpec]:
    draw, rows = np.random.default_rng(5), 900
    table = pa.table({
        "id": range(rows),
        "x": draw.normal(size=rows),
        "real": pa.array(draw.normal(size=rows).astype(np.float32)),
        "small": pa.array(draw.integers(0, 9, rows), pa.int16()),
        "big": draw.integers(0, 9, rows),
        "flag": draw.random(rows) < 0.5,
        "gaps": pa.array(np.where(draw.random(rows) < 0.3, np.nan, 1.0 * draw.integers(0, 5, rows)),
                         from_pandas=True),
        "money": [f"{value:.2f}" for value in draw.random(rows)],
        "city": draw.choice(["Oslo", "Rome"], rows),
        "month": pa.array(draw.integers(1, 13, rows), pa.int16()),
        "label": draw.random(rows) < 0.5,
    })  # fmt: skip
    spec = spec_of(kinds={"month": "category"})
    folder = tmp_path_factory.mktemp("leakage")
    return split_of(snapshot_of(table, folder, postgres_types={"money": "numeric"}), spec), spec


def proof(made, fitting: Fitting = fit, method: str = "standard", only=None) -> LeakageProof:
    split, spec = made
    features = feature_table(split.snapshot, spec)
    if only:
        features = FeatureTable(
            features=tuple(one for one in features.features if one.name == only), ignored={}
        )
    options = NormalizationSpec.model_validate({"method": method})
    normalization = fitting(split.train(), features, options, VERSION)
    return prove(split, features, options, normalization, fitting=fitting)


@pytest.mark.parametrize("method", ["standard", "min_max", "robust", "quantile", "none"])
def test_an_honest_fit_passes(made, method):
    found = proof(made, method=method)
    assert found.passed, found.evidence
    assert found.evidence["parameters"] == found.evidence["parameters_again"]
    counts = made[0].counts
    assert found.evidence["rows_spoilt"] == {"val": counts["val"], "test": counts["test"]}
    assert found.evidence["columns_spoilt"] == 10


def on_all_rows(train: TrainRows, *rest) -> Normalization:
    everything = np.full(train.snapshot.rows, TRAIN, dtype=np.int8)
    object.__setattr__(train, "assignment", everything)
    return fit(train, *rest)


COLUMNS = ["x", "real", "small", "big", "flag", "gaps", "money", "city", "month"]


@pytest.mark.parametrize("method", ["standard", "min_max", "robust", "quantile", "none"])
@pytest.mark.parametrize("column", COLUMNS)
def test_a_fit_on_all_rows_is_caught_by_every_column(made, method, column):
    found = proof(made, on_all_rows, method, only=column)
    assert not found.passed
    assert "error" in found.evidence or column in found.evidence["differing"]


def test_a_single_row_beside_the_training_rows_is_caught(made):
    def one_more(train: TrainRows, *rest) -> Normalization:
        assignment = train.assignment.copy()
        assignment[np.flatnonzero(assignment != TRAIN)[0]] = TRAIN
        object.__setattr__(train, "assignment", assignment)
        return fit(train, *rest)

    assert not proof(made, one_more).passed


def test_parameters_of_another_fit_are_caught(made):
    split, spec = made
    features = feature_table(split.snapshot, spec)
    leaky = on_all_rows(split.train(), features, NormalizationSpec(), VERSION)
    found = prove(split, features, NormalizationSpec(), leaky)
    assert not found.passed
    assert {"x", "city", "row_count"} <= set(found.evidence["differing"])


def test_a_fit_that_looks_at_counts_of_the_whole_snapshot_is_caught(made):
    def by_counts(train: TrainRows, *rest) -> Normalization:
        nulls = {column.name: column.nulls for column in train.snapshot.columns}
        return replace(fit(train, *rest), dropped={"x": f"{nulls['gaps']} NULLs"})

    assert proof(made, by_counts).evidence["differing"] == ["dropped"]


def test_a_fit_that_looks_at_labels_of_other_rows_is_caught(made):
    def by_labels(train: TrainRows, *rest) -> Normalization:
        labels = [batch.column(0).to_pylist() for batch in train.snapshot.batches(["label"])]
        digits = "".join(str(int(label)) for part in labels for label in part)
        return replace(fit(train, *rest), dropped={"x": digits})

    assert proof(made, by_labels).evidence["differing"] == ["dropped"]


def test_a_fit_that_goes_around_the_rows_to_their_file_is_caught(made):
    def around(train: TrainRows, *rest) -> Normalization:
        Snapshot.load(train.snapshot.folder)
        return fit(train, *rest)

    found = proof(made, around)
    assert not found.passed
    assert "No such file" in found.evidence["error"]


def test_the_proof_leaves_the_split_as_it_was(made):
    before = [batch.to_pydict() for batch in made[0].snapshot.batches()]
    proof(made)
    assert [batch.to_pydict() for batch in made[0].snapshot.batches()] == before
