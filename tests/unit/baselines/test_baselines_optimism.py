"""A random split is measured beside the declared one, on the same rows."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from snapshots import snapshot_of, spec_of, split_of

from plumbline.baselines import boosted_trees, optimism, training
from plumbline.extract.features import feature_table
from plumbline.metrics.delong import delong_interval, independent_difference
from plumbline.metrics.interval import Interval
from plumbline.normalization.fit import fit
from plumbline.spec import PipelineSpec
from plumbline.split.redrawn import redrawn
from plumbline.split.rows import TEST, TRAIN, VAL
from plumbline.split.split import Split
from plumbline.versions import NormalizationVersion

TEMPORAL = {"policy": "temporal", "val_from": "2020-02-10", "test_from": "2020-02-20"}
DAYS, PER_DAY = 60, 40


def stormy(strength: float) -> pa.Table:
    """Flights of 60 days; a day's weather decides much, but says nothing of other days."""
    random = np.random.default_rng(0)
    day = np.repeat(np.arange(DAYS), PER_DAY)
    x = random.normal(size=len(day))
    latent = x + strength * random.normal(size=DAYS)[day] + random.normal(size=len(day))
    return pa.table({
        "id": np.arange(len(day)),
        "at": pa.array(18262 + day, pa.int32()).cast(pa.date32()),
        "carrier": day,
        "x": x,
        "pressure": random.normal(size=DAYS)[day],
        "label": latent > 0,
    })  # fmt: skip


def under(
    spec: PipelineSpec, folder: Path, strength: float = 3.0, table: pa.Table | None = None
) -> tuple:
    """The arguments of `measure`, with XGBoost trained on the declared split."""
    snapshot = snapshot_of(table or stormy(strength), folder, label=spec.source.label)
    split = split_of(snapshot, spec)
    features = feature_table(split.snapshot, spec)
    version = NormalizationVersion("n")
    fitted = fit(split.train(), features, spec.normalization, version)
    (folder / "xgboost").mkdir()
    training.build(
        "xgboost",
        split.train(),
        split.validation(),
        fitted,
        spec.baselines,
        folder / "xgboost",
    )
    return split, training.load(folder / "xgboost", "m"), features, spec


@pytest.fixture
def by_time() -> PipelineSpec:
    return spec_of(timestamp="at", split=TEMPORAL, drop=["carrier"])


def test_a_random_split_of_stormy_days_flatters_and_says_why(by_time, tmp_path):
    arguments = under(by_time, tmp_path)
    found = optimism.measure(*arguments)
    assert found.flatters
    assert found.random["low"] > found.declared["high"]
    assert found.difference["value"] == pytest.approx(
        found.random["value"] - found.declared["value"]
    )
    assert found.declared == arguments[1].training["val"]["interval"]
    assert f"would flatter by {found.difference['value']:.4f} AUC, because rows of the same" in (
        found.told
    )
    split = arguments[0]
    assert found.rows == {"train": split.counts["train"], "val": split.counts["val"]}
    again = optimism.measure(*arguments)
    assert again == found


def test_of_an_error_less_is_better(tmp_path):
    """Rain that follows the day: a random split lets XGBoost know the days it is asked of."""
    table = stormy(0.0)
    day = np.random.default_rng(1).normal(scale=3, size=DAYS)[np.repeat(np.arange(DAYS), PER_DAY)]
    table = table.append_column("rain", pa.array(table["x"].to_numpy() + day))
    source = {"label": "rain", "task": "regression", "drop": ["carrier", "label"]}
    spec = spec_of(timestamp="at", split=TEMPORAL, **source)
    found = optimism.measure(*under(spec, tmp_path, table=table))
    assert found.metric == "rmse"
    assert found.flatters
    assert found.random["high"] < found.declared["low"]
    apart = found.declared["value"] - found.random["value"]
    assert found.difference["value"] == pytest.approx(apart)
    assert apart > 1
    assert f"which looks better by +{apart:.5g} (" in found.told
    assert f"would flatter by {apart:.5g} RMSE, because rows of the same moment" in found.told


def test_where_days_do_not_matter_no_flattery_is_shown(by_time, tmp_path):
    found = optimism.measure(*under(by_time, tmp_path, strength=0.0))
    assert not found.flatters
    assert found.difference["low"] <= 0
    assert found.told.endswith("No flattery is shown")


def test_groups_flatter_under_any_policy(tmp_path):
    spec = spec_of(group="carrier", drop=["at"])
    found = optimism.measure(*under(spec, tmp_path))
    assert found.flatters
    assert "rows of one carrier would lie on both sides" in found.told


@pytest.mark.parametrize("policy", ["hash", "stratified"])
def test_a_random_split_is_not_measured_against_itself(tmp_path, policy, monkeypatch):
    arguments = under(spec_of(split={"policy": policy}, drop=["at", "carrier"]), tmp_path)
    monkeypatch.setattr(boosted_trees, "fit", None)
    found = optimism.measure(*arguments)
    assert (found.flatters, found.random, found.difference) == (False, None, None)
    assert found.told == f"policy '{policy}' is a random split already; nothing was trained"


def test_labels_too_rare_to_deal_out_are_told_of(by_time, tmp_path, monkeypatch):
    split, *others = under(by_time, tmp_path)
    rows = np.flatnonzero(split.assignment == VAL)

    def lopsided(split: Split, seed: int) -> Split:
        made = redrawn(split, seed)
        labels = split.validation().labels()
        made.assignment.flags.writeable = True
        made.assignment[np.flatnonzero(made.assignment == VAL)] = TRAIN
        made.assignment[rows[labels == 1]] = VAL
        return made

    monkeypatch.setattr(optimism, "redrawn", lopsided)
    found = optimism.measure(split, *others)
    assert found.random is None
    assert found.told.startswith("a random split cannot be measured:")


def test_a_report_is_read_as_it_was_written(by_time, tmp_path):
    arguments = under(by_time, tmp_path)
    optimism.build(*arguments, tmp_path)
    assert optimism.load(tmp_path) == optimism.measure(*arguments)
    json.loads((tmp_path / "optimism.json").read_text())


def test_a_redraw_touches_no_test_row_and_keeps_the_counts(by_time, tmp_path):
    split = under(by_time, tmp_path)[0]
    made = redrawn(split, 0)
    assert ((made.assignment == TEST) == (split.assignment == TEST)).all()
    for side in (TRAIN, VAL):
        assert np.count_nonzero(made.assignment == side) == np.count_nonzero(
            split.assignment == side
        )
    assert made.counts == split.counts
    moved = np.count_nonzero((made.assignment == VAL) & (split.assignment == TRAIN))
    expected = split.counts["val"] * split.counts["train"] / (len(split.assignment) - TEST_ROWS)
    assert moved == pytest.approx(expected, rel=0.15)
    assert made.version != split.version
    assert (redrawn(split, 0).assignment == made.assignment).all()
    assert (redrawn(split, 1).assignment != made.assignment).any()


TEST_ROWS = 10 * PER_DAY


def test_intervals_of_independent_scores_combine():
    a, b = Interval(value=0.8, low=0.77, high=0.82), Interval(value=0.7, low=0.66, high=0.73)
    found = independent_difference(a, b)
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - np.hypot(0.03, 0.03))
    assert found.high == pytest.approx(0.1 + np.hypot(0.02, 0.04))


def test_the_interval_of_a_difference_covers_it_at_its_rate():
    random, hits, rounds = np.random.default_rng(0), 0, 300
    for _ in range(rounds):
        scores = []
        for shift in (1.0, 1.5):
            labels = np.arange(400) % 2
            scores.append(delong_interval(labels, random.normal(size=400) + shift * labels, 0.95))
        found = independent_difference(scores[1], scores[0])
        hits += found.low <= 0.0953 <= found.high  # Phi(1.5 / sqrt 2) - Phi(1 / sqrt 2)
    assert 0.92 <= hits / rounds <= 0.98
