"""SQL finds the statistics that the fit found, and tells where it does not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from snapshots import snapshot_of, spec_of, split_of

from plumbline.extract.features import feature_table
from plumbline.extract.snapshot import DATA
from plumbline.normalization import cross_check, scaled_range
from plumbline.normalization.fit import fit
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NormalizationSpec
from plumbline.split.rows import TRAIN
from plumbline.split.split import ASSIGNMENT, Split
from plumbline.versions import NormalizationVersion

VERSION = NormalizationVersion("n" * 64)
METHODS = ("standard", "min_max", "robust", "quantile", "none")
ROWS = 4_000


def columns() -> dict[str, pa.Array]:
    draw = np.random.default_rng(11)
    noise = draw.normal(size=ROWS)
    gaps = np.where(draw.random(ROWS) < 0.3, np.nan, noise)
    return {
        "noise": pa.array(noise),
        "near 1e9": pa.array(1e9 + noise),
        "near 1e15": pa.array(1e15 + np.round(noise, 0)),
        "tiny": pa.array(noise * 1e-200),
        "huge": pa.array(noise * 1e140),
        "ordered": pa.array(np.arange(ROWS) * 3.7 - 9000),
        "outlier": pa.array(np.where(np.arange(ROWS) // 4 == 7, 1e9, noise)),
        "NaN and NULL": pa.array(gaps, mask=draw.random(ROWS) < 0.1),
        "real": pa.array(noise.astype(np.float32)),
        "small": pa.array(draw.integers(-9, 9, ROWS), pa.int16()),
        "big": pa.array(draw.integers(2**60, 2**62, ROWS)),
        "flag": pa.array(draw.random(ROWS) < 0.2, mask=draw.random(ROWS) < 0.1),
        "money": pa.array([f"{value:.5f}" if value > -1 else "NaN" for value in noise]),
        'said "so"[3]': pa.array(noise + 5),
        "split": pa.array(noise - 5),
        "colour": pa.array(draw.choice(["red", "blue"], ROWS)),
    }


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    labels = {"id": range(ROWS), "day": [i % 7 for i in range(ROWS)]}
    table = pa.table({**labels, **columns(), "label": [i % 2 == 0 for i in range(ROWS)]})
    folder = tmp_path_factory.mktemp("cross_check")
    snapshot = snapshot_of(table, folder, key=("id", "day"), postgres_types={"money": "numeric"})
    return split_of(snapshot, SPEC)


SPEC = spec_of(key=("id", "day"))


def fitted(split: Split, method: str = "standard") -> Normalization:
    options = NormalizationSpec.model_validate({"method": method})
    return fit(split.train(), feature_table(split.snapshot, SPEC), options, VERSION)


def measured(split: Split, normalization: Normalization, folder: Path | None = None):
    place = (folder or split.snapshot.folder / "split") / ASSIGNMENT
    return cross_check.measure(split.snapshot, place, normalization)


@pytest.mark.parametrize("method", METHODS)
def test_sql_finds_the_same(split, method):
    normalization = fitted(split, method)
    assert len(normalization.numeric) == len(columns()) - 1
    found = cross_check.compare(normalization, measured(split, normalization))
    assert found.passed, found.largest
    assert found.features == len(normalization.numeric)
    assert [one["statistic"] for one in found.largest] == ["count", "mean", "std", "min", "max"]
    assert max(one["difference"] for one in found.largest) < 1e-12


@pytest.mark.parametrize("statistic", cross_check.STATISTICS)
@pytest.mark.parametrize("name", ["near 1e9", "tiny", "money"])
def test_a_difference_beyond_the_tolerance_is_told(split, statistic, name):
    normalization = fitted(split)
    honest = next(one for one in normalization.numeric if one.name == name)
    value, ends = getattr(honest, statistic), max(abs(honest.min), abs(honest.max))
    sizes = {"mean": max(abs(value), honest.std), "std": value, "min": ends, "max": ends}
    for share, passes in ((0, True), (1e-10, True), (3e-9, False), (1e-3, False)):
        off = value + (share * sizes[statistic] if statistic in sizes else not passes)
        wrong = replace(honest, **{statistic: off})
        altered = replace(
            normalization,
            numeric=tuple(wrong if one is honest else one for one in normalization.numeric),
        )
        found = cross_check.compare(altered, measured(split, altered))
        assert found.passed == passes, (share, found.largest)
        if not passes:
            differing = {(one["statistic"], one["feature"]) for one in found.largest}
            assert (statistic, name) in differing
            assert f"{statistic} of {name}" in found.told


def test_a_mean_near_0_is_judged_by_the_spread(split):
    feature = replace(fitted(split).numeric[0], mean=1e-14, std=1.0)
    by_sql = measured(split, fitted(split))["noise"]
    found = cross_check.differences(feature, replace(by_sql, mean=3e-14, std=1.0))
    assert found["mean"] == pytest.approx(2e-14)


def test_a_fit_on_all_rows_is_found_out(split):
    everything = np.full_like(split.assignment, TRAIN)
    normalization = fitted(replace(split, assignment=everything))
    found = cross_check.compare(normalization, measured(split, normalization))
    assert not found.passed
    assert {one["statistic"] for one in found.largest if one["difference"] > 1e-9} >= {
        "count", "mean", "std",
    }  # fmt: skip


def test_rows_are_paired_by_key_not_by_place(split, tmp_path):
    stored = pq.read_table(split.snapshot.folder / "split" / ASSIGNMENT)
    turned = stored.take(pa.array(np.random.default_rng(0).permutation(stored.num_rows)))
    pq.write_table(turned, tmp_path / ASSIGNMENT)
    normalization = fitted(split)
    found = cross_check.compare(normalization, measured(split, normalization, tmp_path))
    assert found.passed


def test_nothing_to_measure_is_a_difference(split, tmp_path):
    stored = pq.read_table(split.snapshot.folder / "split" / ASSIGNMENT)
    pq.write_table(stored.slice(0, 0), tmp_path / ASSIGNMENT)
    normalization = fitted(split)
    found = cross_check.compare(normalization, measured(split, normalization, tmp_path))
    assert not found.passed
    assert all(one["difference"] > 0.1 for one in found.largest)


def test_a_value_edited_in_the_file_is_found_out(split, tmp_path):
    table = pq.read_table(split.snapshot.folder / DATA)
    values = table.column("noise").to_numpy().copy()
    values[np.flatnonzero(split.assignment == TRAIN)[5]] += 0.01
    at = table.schema.names.index("noise")
    pq.write_table(table.set_column(at, "noise", pa.array(values)), tmp_path / DATA)
    normalization = fitted(split)
    place = split.snapshot.folder / "split" / ASSIGNMENT
    edited = replace(split.snapshot, folder=tmp_path)
    found = cross_check.compare(normalization, cross_check.measure(edited, place, normalization))
    assert not found.passed


def test_without_numbers_there_is_nothing_to_compare(split):
    none = replace(fitted(split), numeric=())
    assert measured(split, none) == {}
    assert cross_check.compare(none, {}).passed
    assert cross_check.compare(none, {}).told == "no numeric feature to compare"


class TestScaledRange:
    def test_features_that_stay_large_are_named_farthest_first(self, split):
        normalization = fitted(split)
        (found,) = scaled_range.beyond(normalization)
        assert found.feature == "outlier"
        feature = next(one for one in normalization.numeric if one.name == "outlier")
        assert found.largest == (1e9 - feature.mean) / feature.std > scaled_range.LIMIT
        count = (split.assignment[28:32] == TRAIN).sum()
        assert measured(split, normalization)["outlier"].beyond == count
        assert f"outlier ({found.largest:.4g})" in scaled_range.told([found])

    def test_values_that_nothing_scales_are_counted(self, split):
        normalization = fitted(split, "none")
        found = {one.feature: one for one in scaled_range.beyond(normalization)}
        by_sql = measured(split, normalization)
        assert set(found) == {
            "near 1e9", "near 1e15", "huge", "ordered", "outlier", "big",
        }  # fmt: skip
        assert next(iter(found)) == "huge"
        assert by_sql["near 1e9"].beyond == by_sql["near 1e9"].count
        rows = np.abs(columns()["ordered"].to_numpy()[split.assignment == TRAIN]) > 10
        assert by_sql["ordered"].beyond == rows.sum()
        assert "and 1 more" in scaled_range.told(list(found.values()))
        assert "none" not in scaled_range.told([])

    @pytest.mark.parametrize("method", ["min_max", "quantile"])
    def test_some_methods_bound_what_they_make(self, split, method):
        assert scaled_range.beyond(fitted(split, method)) == []
