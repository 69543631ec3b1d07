"""Unusual values fare in batch scoring and in a bundle as they do in training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from release_bundles import Built, build, prepare, raw_table
from snapshots import snapshot_of

from plumbline.baselines import boosted_trees
from plumbline.errors import BundleError, NormalizationError
from plumbline.extract.features import feature_table
from plumbline.normalization.apply import load_matrix, transform
from plumbline.normalization.fit import fit
from plumbline.normalization.matrix import MISSING, UNKNOWN
from plumbline.release.bundle import load_bundle
from plumbline.release.treatments import UNUSUAL
from plumbline.scoring.files import score_file
from plumbline.split.rows import TRAIN


@pytest.fixture(scope="module", params=["standard", "quantile", "none"])
def built(request, tmp_path_factory) -> Built:
    folder = tmp_path_factory.mktemp("unusual")
    made = prepare(folder / "snapshot", kinds={"month": "category"})
    options = made.spec.normalization.model_copy(update={"method": request.param})
    spec = made.spec.model_copy(update={"normalization": options})
    features = feature_table(made.snapshot, spec)
    version = made.normalization.version
    normalization = fit(made.split.train(), features, options, version)
    made = replace(made, spec=spec, normalization=normalization)
    fitted = boosted_trees.fit(made.split.train(), normalization, 0)
    return build(made, "xgboost", fitted.predictor, folder / "bundle")


def altered(name: str, values: list) -> pa.Table:
    """The raw rows with the first values of a column replaced."""
    table = raw_table()
    at, kind = table.schema.get_field_index(name), table.schema.field(name).type
    rest = table.column(name).to_pylist()[len(values) :]
    return table.set_column(at, name, pa.array([*values, *rest], kind))


UNUSUAL_NUMBERS = [None, float("nan"), -1e6, 1e6, 0.0]


def in_training(built: Built, table: pa.Table, folder: Path) -> np.ndarray:
    """Scores of these rows if they were the ones to train on."""
    split = built.prepared.split
    snapshot = snapshot_of(table, folder, postgres_types={"fee": "numeric"})
    whole = replace(split, snapshot=snapshot, assignment=np.full_like(split.assignment, TRAIN))
    return built.predictor.predict(load_matrix(whole.train(), built.prepared.normalization))


def in_a_bundle(built: Built, table: pa.Table) -> np.ndarray:
    return load_bundle(built.folder).score(table.combine_chunks().to_batches()[0])


def in_a_batch(built: Built, table: pa.Table, folder: Path) -> np.ndarray:
    pq.write_table(table, folder / "rows.parquet")
    source, target = folder / "rows.parquet", folder / "scored.parquet"
    score_file(built.folder, source, target, rows=100, strict=True)
    return pq.read_table(folder / "scored.parquet").column("score").to_numpy()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("amount", UNUSUAL_NUMBERS),
        ("weight", UNUSUAL_NUMBERS),
        ("fee", [None, "NaN", "-1000000", "1e6", "0"]),
        ("age", [None, -(2**31), 2**31 - 1, 0]),
        ("city", [None, "never seen", "", "NULL"]),
        ("month", [None, 99, -1]),
        ("member", [None, True]),
    ],
)
def test_every_way_to_score_treats_them_alike(built, tmp_path, name, values):
    table = altered(name, values)
    expected = in_training(built, table, tmp_path / "snapshot")
    assert (in_a_bundle(built, table) == expected).all()
    assert (in_a_batch(built, table, tmp_path) == expected).all()


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), 1e300])
def test_every_way_to_score_refuses_what_is_too_far_out(built, tmp_path, value):
    table = altered("amount", [1.0, value])
    if value == 1e300 and built.prepared.normalization.method == "quantile":
        expected = in_training(built, table, tmp_path / "snapshot")  # an end like any other
        assert (in_a_bundle(built, table) == expected).all()
        return
    with pytest.raises(NormalizationError, match="1 in 'amount'"):
        in_training(built, table, tmp_path / "snapshot")
    with pytest.raises(BundleError, match="1 in 'amount'"):
        in_a_bundle(built, table)
    with pytest.raises(BundleError, match="row 2, column 'amount': a"):
        in_a_batch(built, table, tmp_path)
    assert not (tmp_path / "scored.parquet").exists()


def test_what_becomes_of_them_is_what_is_said(built):
    normalization = built.prepared.normalization

    def matrix(name: str, values: list):
        return transform(normalization, altered(name, values).combine_chunks().to_batches()[0])

    age, amount = (normalization.numeric_names.index(name) for name in ("age", "amount"))
    told = matrix("age", [None])
    feature = normalization.numeric[age]
    usual = matrix("age", [round(feature.fill)]).numeric[0, age]
    assert told.numeric[0, age] == pytest.approx(usual, abs=0.5)
    assert told.numeric[0, normalization.numeric_names.index("age is null")] == 1
    assert "amount is null" not in normalization.numeric_names
    assert matrix("amount", [None]).numeric[0, amount] == pytest.approx(
        matrix("amount", [normalization.numeric[amount].fill]).numeric[0, amount]
    )
    city = normalization.category_names.index("city")
    assert matrix("city", [None, "never seen"]).codes[:2, city].tolist() == [MISSING, UNKNOWN]
    low, high = matrix("amount", [-1e6, 1e6]).numeric[:2, amount]
    if normalization.method == "quantile":
        assert (round(float(low), 1), round(float(high), 1)) == (-5.2, 5.2)
    else:
        assert high > 1e4
        assert low < -1e4


def test_the_manifest_and_the_card_say_so(built):
    assert load_bundle(built.folder).manifest.unusual_values == UNUSUAL
    card = (built.folder / "card.md").read_text("utf-8")
    for value, treatment in UNUSUAL.items():
        assert f"| {value} | {treatment} |" in card
    assert f"{built.prepared.normalization.method} scaling" in card
