"""What is fitted: against scikit-learn, against one pass over everything, and refusals."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import snapshot_of, spec_of, split_of

from plumbline.errors import LeakageError, NormalizationError
from plumbline.extract.features import feature_table
from plumbline.normalization import quantiles
from plumbline.normalization.fit import fit
from plumbline.normalization.moments import cells
from plumbline.normalization.parameters import Normalization
from plumbline.spec import NormalizationSpec
from plumbline.split.rows import TRAIN
from plumbline.versions import NormalizationVersion

VERSION = NormalizationVersion("n" * 64)
METHODS = ("standard", "min_max", "robust", "quantile", "none")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fit")


def parts(rows: int, train: int) -> list[str]:
    """The first `train` rows are for training; the rest alternate in pairs of labels."""
    return ["train"] * train + [("val", "test")[i // 2 % 2] for i in range(rows - train)]


def fitted(
    folder: Path, columns: dict, *, train: int | None = None, rows: int = 65_536, **options
) -> Normalization:
    """Fit on the first `train` rows; eight rows are added for validation and test."""
    count = len(next(iter(columns.values())))
    train = count if train is None else train
    kinds = options.pop("kinds", {})
    types = options.pop("postgres_types", None)
    table = pa.table(columns)
    table = pa.concat_tables([table, table.slice(0, 1).take(pa.array([0] * 8))])
    table = table.append_column("id", pa.array(range(count + 8)))
    table = table.append_column("part", pa.array(parts(count + 8, train)))
    table = table.append_column("label", pa.array([i % 2 for i in range(count + 8)]))
    spec = spec_of(split={"policy": "column", "column": "part", "duplicates": "keep"}, kinds=kinds)
    split = split_of(snapshot_of(table, folder, postgres_types=types), spec)
    features = feature_table(split.snapshot, spec)
    return fit(split.train(), features, NormalizationSpec(**options), VERSION, rows=rows)


numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
columns = st.lists(st.tuples(numbers, st.none() | numbers), min_size=4, max_size=60)


@settings(max_examples=25, deadline=None)
@given(
    rows=columns,
    method=st.sampled_from(METHODS),
    block=st.integers(1, 70),
    cell=st.integers(1, 70),
)
def test_blocks_change_no_bit_and_cells_next_to_nothing(folder, rows, method, block, cell):
    x, y = zip(*rows, strict=True)
    table = {"x": [*x[:-1], x[0] + 1], "y": pa.array(y, pa.float64())}
    one = fitted(folder, table, method=method)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plumbline.normalization.fit.CELL_ROWS", cell)
        whole, other = (fitted(folder, table, method=method, rows=size) for size in (70, block))
    assert whole.to_json() == other.to_json()
    assert one.numeric_names == other.numeric_names
    for a, b in zip(one.numeric, other.numeric, strict=True):
        assert (a.count, a.min, a.max, a.quantiles) == (b.count, b.min, b.max, b.quantiles)
        size = max(abs(a.min), abs(a.max))
        assert (a.mean, a.fill) == pytest.approx((b.mean, b.fill), rel=1e-12, abs=1e-12 * size)
        assert (a.std, a.scale) == pytest.approx((b.std, b.scale), rel=1e-12, abs=1e-12 * size)


@pytest.mark.parametrize("rows", [1, 7, 100, 128, 333, 1_280])
def test_blocks_of_any_size_give_the_same_bits(folder, monkeypatch, rows):
    monkeypatch.setattr("plumbline.normalization.fit.CELL_ROWS", 128)
    draw = np.random.default_rng(6)
    table = {"x": draw.normal(size=1_000), "y": draw.lognormal(0, 9, 1_000),
             "z": np.where(draw.random(1_000) < 0.5, np.nan, draw.random(1_000))}  # fmt: skip
    one, other = (fitted(folder, table, rows=size) for size in (65_536, rows))
    assert one.to_json() == other.to_json()


@given(sizes=st.lists(st.integers(0, 30), max_size=12), rows=st.integers(1, 20))
def test_cells_hold_the_rows_in_order_whatever_the_batches(sizes, rows):
    values = np.arange(sum(sizes))
    batches = [[part, -part] for part in np.split(values, np.cumsum(sizes))]
    found = list(cells(batches, rows))
    assert [len(cell[0]) for cell in found[:-1]] == [rows] * (len(found) - 1)
    assert all(0 < len(cell[0]) <= rows for cell in found)
    for at, sign in enumerate((1, -1)):
        assert [value for cell in found for value in cell[at]] == (sign * values).tolist()


def test_streaming_is_one_pass_to_1e_12(folder):
    draw = np.random.default_rng(4)
    values = {
        "near 1e9": 1e9 + draw.normal(size=100_000),
        "skewed": draw.lognormal(0, 4, 100_000),
        "ordered": np.arange(100_000) / 7,
        "sparse": np.where(draw.random(100_000) < 0.999, 0.0, 1e6 * draw.random(100_000)),
    }
    found = fitted(folder, {**values, "gaps": np.where(draw.random(100_000) < 0.5, np.nan, 1e9)
                            + draw.normal(size=100_000)}, rows=3_000)  # fmt: skip
    for feature, exact in zip(found.numeric, values.values(), strict=False):
        shifted = np.longdouble(exact) - np.longdouble(exact[0])
        assert feature.std == pytest.approx(float(shifted.std()), rel=1e-12)
        mean = float(shifted.mean() + np.longdouble(exact[0]))
        assert feature.mean == pytest.approx(mean, rel=1e-12, abs=1e-12 * feature.std)


def test_the_columns_beside_it_do_not_change_a_feature(folder):
    draw = np.random.default_rng(3)
    table = {f"x{i}": draw.normal(size=300) for i in range(5)}
    together = fitted(folder, table).numeric
    alone = [fitted(folder, {name: values}).numeric[0] for name, values in table.items()]
    assert list(together) == alone


def test_spread_survives_a_large_offset(folder):
    noise = np.random.default_rng(0).normal(size=50_000)
    (feature,) = fitted(folder, {"x": 1e9 + noise}, rows=1_000).numeric
    exact = (1e9 + noise) - 1e9
    assert feature.std == pytest.approx(exact.std(), rel=1e-12)
    assert feature.mean == pytest.approx(1e9 + exact.mean(), rel=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_medians_and_means_stand_for_missing_values(folder, method):
    feature = fitted(folder, {"x": [1.0, None, 2.0, 9.0, float("nan")]}, method=method).numeric[0]
    assert feature.fill == (2.0 if method in ("robust", "quantile") else 4.0)
    assert feature.count == 3


def test_only_features_with_nulls_in_training_have_indicators(folder):
    found = fitted(folder, {"x": [1.0, None, 2.0], "y": [1.0, 2.0, 3.0]})
    assert found.indicators == ("x",)
    assert found.numeric_names == ("x", "y", "x is null")


def test_what_says_nothing_is_dropped_with_its_reason(folder):
    found = fitted(
        folder,
        {
            "x": [1.0, 2.0, 4.0],
            "five": [5, 5, 5],
            "void": pa.nulls(3, pa.float64()),
            "flag": [True, None, True],
            "word": ["a", "a", "a"],
            "silence": pa.nulls(3, pa.string()),
            "seldom": ["a", None, "a"],
        },
    )
    assert found.dropped == {
        "five": "constant in the training rows (5.0)",
        "void": "NULL in every training row",
        "flag": "constant in the training rows (1.0) where not NULL; indicator kept",
        "word": "constant in the training rows ('a')",
        "silence": "NULL in every training row",
    }
    assert found.numeric_names == ("x", "flag is null")
    assert found.category_names == ("seldom",)


def test_nothing_left_is_an_error(folder):
    with pytest.raises(NormalizationError, match=r"no feature says anything .*five: constant"):
        fitted(folder, {"five": [5, 5, 5]})


def test_a_robust_scale_of_zero_gives_way_to_the_standard_deviation(folder):
    (feature,) = fitted(folder, {"x": [0.0] * 9 + [10.0]}, method="robust").numeric
    assert (feature.center, feature.scale) == (0.0, pytest.approx(3.0))


@pytest.mark.parametrize("method", METHODS)
def test_infinite_values_are_refused_with_column_and_count(folder, method):
    table = {"x": [1.0, float("inf"), -float("inf"), 2.0], "y": [1.0, 2.0, 3.0, 4.0]}
    with pytest.raises(NormalizationError, match="among 4 training rows: 2 in 'x'") as raised:
        fitted(folder, table, method=method, rows=2)
    assert raised.value.values["infinite"] == {"x": 2}


def test_infinity_in_a_numeric_column_arrives_as_text_and_is_refused(folder):
    types = {"x": "numeric"}
    with pytest.raises(NormalizationError, match="1 in 'x'"):
        fitted(folder, {"x": ["1.5", "Infinity", "2"]}, postgres_types=types)


def test_a_spread_beyond_float64_is_refused(folder):
    with pytest.raises(NormalizationError, match="the spread of 'x' exceeds"):
        fitted(folder, {"x": [1e300, -1e300, 0.0]})


@pytest.mark.parametrize("exponent", [-40, -600, -900, -1010])
@pytest.mark.parametrize("method", METHODS)
def test_a_tiny_spread_is_measured_as_well_as_any(folder, exponent, method):
    values = np.random.default_rng(8).normal(size=2_000)
    tiny = np.ldexp(np.round(values, 3), exponent)  # denormal at the end: exact all the same
    usual = np.ldexp(tiny, -exponent)
    small, large = (
        fitted(folder, {"x": x, "y": values}, method=method, rows=500).numeric[0]
        for x in (tiny, usual)
    )
    assert small.std == pytest.approx(np.ldexp(large.std, exponent), rel=1e-12)
    assert small.std == pytest.approx(np.ldexp(usual.std(), exponent), rel=1e-12)


def test_a_spread_below_float64_is_dropped(folder):
    found = fitted(folder, {"x": [5e-324, 1e-323, 0.0], "y": [1, 2, 3]})
    assert found.dropped == {"x": "varies in the training rows by less than float64 can divide by"}


def test_without_a_method_values_stay_and_means_fill(folder):
    (feature,) = fitted(folder, {"x": [1.0, None, 3.0, 8.0]}, method="none").numeric
    assert (feature.center, feature.scale, feature.fill) == (0.0, 1.0, 4.0)
    assert (feature.mean, feature.quantiles) == (4.0, ())


def test_numeric_text_booleans_and_integers_are_numbers(folder):
    found = fitted(
        folder,
        {
            "n": ["1.50", None, "NaN", "3.5"],
            "b": [True, False, False, True],
            "i": pa.array([2**62, 0, 1, 2], pa.int64()),
            "s": pa.array([1, 2, 3, None], pa.int16()),
        },
        postgres_types={"n": "numeric"},
    )
    by_name = {feature.name: feature for feature in found.numeric}
    assert (by_name["n"].count, by_name["n"].mean) == (2, 2.5)
    assert (by_name["b"].mean, by_name["b"].max) == (0.5, 1.0)
    assert by_name["i"].max == float(2**62)
    assert found.indicators == ("n", "s")


def test_timestamps_are_no_numbers(folder):
    found = fitted(folder, {"x": [1, 2, 3], "at": pa.array([1, 2, 3]).cast(pa.timestamp("us"))})
    assert found.columns == ("x",)


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_validation_and_test_rows_change_nothing(folder, data):
    method = data.draw(st.sampled_from(METHODS))
    values = data.draw(st.lists(st.none() | numbers, min_size=8, max_size=30))
    words = [None if v is None else f"{v:.0f}" for v in values]
    train = len(values) - 6
    others = data.draw(st.lists(st.none() | numbers, min_size=6, max_size=6))

    def with_rest(rest: list) -> Normalization:
        text = [None if v is None else f"w{v}" for v in rest]
        table = {
            "x": pa.array([*values[:train], *rest], pa.float64()),
            "w": pa.array([*words[:train], *text], pa.string()),
            "always": range(len(values)),
        }
        return fitted(folder, table, train=train, method=method)

    one, other = with_rest(values[train:]), with_rest(others)
    assert one.to_json() == other.to_json()


def test_validation_and_test_rows_are_refused(folder):
    table = pa.table({"id": range(9), "x": range(9), "label": [0, 1] * 4 + [0],
                      "part": ["train"] * 3 + ["val"] * 3 + ["test"] * 3})  # fmt: skip
    spec = spec_of(split={"policy": "column", "column": "part", "duplicates": "keep"})
    split = split_of(snapshot_of(table, folder), spec)
    with pytest.raises(LeakageError, match="ValRows were about to be fitted by a norm"):
        fit(
            split.validation(),  # pyright: ignore[reportArgumentType]
            feature_table(split.snapshot, spec),
            NormalizationSpec(),
            VERSION,
        )


def test_more_columns_than_one_pass_reads(folder, monkeypatch):
    monkeypatch.setattr("plumbline.normalization.fit.COLUMNS_PER_PASS", 2)
    table = {f"x{i}": np.arange(5.0) * (i + 1) for i in range(5)}
    found = fitted(folder, table, method="robust")
    assert [feature.center for feature in found.numeric] == [2.0, 4.0, 6.0, 8.0, 10.0]


class TestSample:
    def test_it_is_exactly_as_large_as_asked_and_knows_no_blocks(self):
        chosen = quantiles.sampling(10_000, 300)
        whole = chosen.chosen(0, 10_000)
        assert whole.sum() == chosen.rows == 300
        pieces = [chosen.chosen(start, 37) for start in range(0, 9_990, 37)]
        assert (np.concatenate(pieces) == whole[: 37 * len(pieces)]).all()
        assert not chosen.exact

    def test_it_is_the_lowest_hashes_also_when_found_in_blocks(self, monkeypatch):
        monkeypatch.setattr("plumbline.extract.sampling._BLOCK", 64)
        hashes = quantiles.splitmix64(0, 1_000)
        assert len(np.unique(hashes)) == 1_000
        assert quantiles.sampling(1_000, 50).threshold == np.sort(hashes)[49]

    def test_splitmix64_is_the_published_one(self):
        # Java's SplittableRandom with seed 0 gives the hashes of 1, 2, 3 in turn.
        expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
        assert quantiles.splitmix64(1, 3).tolist() == expected

    def test_up_to_the_bound_all_rows_are_in(self):
        assert quantiles.sampling(200_000).exact
        assert quantiles.sampling(200_000).chosen(199_999, 1).all()

    @pytest.mark.parametrize("method", ["robust", "quantile"])
    def test_the_parameters_say_so_and_do_not_depend_on_blocks(self, folder, monkeypatch, method):
        monkeypatch.setattr("plumbline.normalization.fit.CELL_ROWS", 300)
        monkeypatch.setattr(
            "plumbline.normalization.fit.sampling", lambda of: quantiles.sampling(of, 500)
        )
        x = np.random.default_rng(1).normal(size=4_000)
        found = [fitted(folder, {"x": x}, method=method, rows=rows) for rows in (4_008, 333)]
        assert dataclasses.asdict(found[0].sample) == {"rows": 500, "of": 4_000, "exact": False}
        one, other = (each.numeric[0] for each in found)
        assert (one.fill, one.quantiles) == (other.fill, other.quantiles)
        chosen = quantiles.sampling(4_000, 500).chosen(0, 4_000)
        assert one.fill == pytest.approx(np.median(x[chosen]), rel=1e-12)
        if method == "quantile":
            assert (one.quantiles[0], one.quantiles[-1]) == (x.min(), x.max())

    def test_values_that_the_sample_missed_still_scale(self, folder, monkeypatch):
        monkeypatch.setattr(
            "plumbline.normalization.fit.sampling", lambda of: quantiles.sampling(of, 3)
        )
        chosen = quantiles.sampling(40, 3).chosen(0, 40)
        rare = [None] * 40
        for position, value in zip(np.flatnonzero(~chosen)[:3], (1.0, 2.0, 6.0), strict=True):
            rare[position] = value
        (feature,) = fitted(folder, {"x": rare}, method="robust").numeric
        assert (feature.center, feature.scale) == (3.0, 2.5)


@pytest.mark.parametrize("side", [TRAIN])
def test_the_row_count_is_that_of_training(folder, side):
    assert fitted(folder, {"x": range(20)}, train=11).row_count == 11
